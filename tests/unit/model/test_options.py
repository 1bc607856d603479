"""Options of plug-ins: one declaration, read from texts and from typed values alike."""

import pytest

from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import Option, read_options

HEADROOM = Option("headroom", "share", "Kept free.", {})
COUNT = Option("count", "integer", "How many.", 1, minimum=0, maximum=9)
GAIN = Option("gain", "number", "How much.", 0.5)
KEEP = Option("keep", "boolean", "Whether.", True)
MODE = Option("mode", "string", "Which.", "a", choices=("a", "b"))
ZONES = Option("zones", "list", "Where.", ())


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        (HEADROOM, "MEMORY_MB: 10 %", {"MEMORY_MB": 0.1}),
        (HEADROOM, "MEMORY_MB:10%, VCPU:20%", {"MEMORY_MB": 0.1, "VCPU": 0.2}),
        (COUNT, " 7 ", 7),
        (COUNT, "", 1),
        (GAIN, "2", 2.0),
        (KEEP, "No", False),
        (KEEP, "on", True),
        (MODE, "b", "b"),
        (ZONES, "az1, az2,", ("az1", "az2")),
    ],
)
def test_texts_are_parsed(option, text, value):
    assert option.parse(text) == value


@pytest.mark.parametrize(
    ("option", "text", "sentence"),
    [
        (COUNT, "ten", "option count: found 'ten', expected a whole number from 0 to 9"),
        (COUNT, "10", "option count: found 10, expected a whole number from 0 to 9"),
        (GAIN, "nan", "option gain: found nan, expected a number"),
        (KEEP, "maybe", "option keep: found 'maybe', expected yes or no"),
        (MODE, "c", "option mode: found 'c', expected one of a, b"),
        (HEADROOM, "VCPU:120%", "option headroom: found {'VCPU': 1.2}, expected resource classes with percentages"),
        (HEADROOM, "VCPU", "option headroom: found 'VCPU', expected resource classes with percentages"),
    ],
)
def test_wrong_texts_are_refused_in_one_sentence(option, text, sentence):
    with pytest.raises(InvalidInput) as caught:
        option.parse(text)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("option", "value"),
    [(COUNT, True), (COUNT, 1.5), (COUNT, "1"), (KEEP, 1), (MODE, 1), (ZONES, [1]), (HEADROOM, {"VCPU": "10%"})],
)
def test_typed_values_of_the_wrong_type_are_refused(option, value):
    with pytest.raises(InvalidInput):
        option.checked(value)


def test_options_are_completed_and_unknown_ones_refused():
    assert read_options((COUNT, MODE), {"count": "3"}, texts=True, where="[policy:x]") == {"count": 3, "mode": "a"}
    with pytest.raises(InvalidInput) as caught:
        read_options((COUNT, MODE), {"cuont": "3"}, texts=True, where="[policy:x]")
    assert str(caught.value) == "[policy:x]: there is no option 'cuont'; known options: count, mode"
    with pytest.raises(InvalidInput, match=r"^\[policy:x\]: option count: found 'a'"):
        read_options((COUNT,), {"count": "a"}, texts=True, where="[policy:x]")
