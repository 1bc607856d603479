"""What the operator wants done about instances that stay."""

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import Conflict, InvalidInput
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.policies.deciding import decide
from vmpath_service.policies.leftovers import kind_of

STAY = {
    "x": {"locked": True, "why_not": "it is locked; unlock it first"},
    "y": {"status": "ERROR", "why_not": "Nova is busy with it (task None, status ERROR)"},
    "z": {"status": "SHUTOFF", "why_not": "it is stopped (SHUTOFF)"},
    "v": {"why_not": "it uses a PCI device of its host"},
    "w": {"why_not": "its metadata forbids it"},
}


def drain(**given):
    guests = dict.fromkeys((*STAY, "t1", "t2", "free"), ("a", 1))
    snapshot = cloud({"a": 20, "b": 20}, guests, immovable=STAY, of_instance=STAY, together={"g": ["t1", "t2"]})
    return decide(registry.make("drain", given), compile_cloud(snapshot), Scope(hosts=("a",)))


def test_each_has_its_class():
    decision = drain()
    snapshot = cloud({"a": 9}, dict.fromkeys(STAY, ("a", 1)), of_instance=STAY)
    kinds = {each.uuid: kind_of(each, each.why_not or "") for each in snapshot.instances}
    assert kinds == {"x": "locked", "y": "error", "z": "stopped", "v": "devices", "w": "others"}
    assert {each.instance for each in decision.leftovers} == {*STAY, "t1", "t2"}
    assert (decision.shortage, list(decision.placement)) == (None, ["free"])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("locked", "1 instances are locked (x) and stay"),
        ("error", "1 instances are in ERROR (y) and stay"),
        ("stopped", "1 instances are stopped (z) and stay"),
        ("affinity", "2 instances are kept together by strict affinity (t1, t2) and stay"),
        ("devices", "1 instances are bound to devices of the host (v) and stay"),
        ("others", "1 instances are not movable for other reasons (w) and stay"),
    ],
)
def test_the_drain_falls_short_or_is_refused(name, sentence):
    decision = drain(**{f"on_{name}": "fail"})
    assert decision.shortage == sentence
    assert list(decision.placement) == ["free"]
    with pytest.raises(Conflict, match=f"nothing is moved: .*on_{name} = refuse"):
        drain(**{f"on_{name}": "refuse"})


def test_there_is_no_other_choice():
    with pytest.raises(InvalidInput, match="expected one of leave, fail, refuse"):
        drain(on_locked="unlock")
