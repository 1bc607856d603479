"""Relieving hosts that are too full."""

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.policies.deciding import decide


def relieve(snapshot, **given):
    return decide(registry.make("threshold", given), compile_cloud(snapshot), Scope())


def test_the_hungriest_that_fits_elsewhere_goes_first():
    guests = {"small": ("a", 10), "large": ("a", 50), "middle": ("a", 30), "there": ("b", 40)}
    # large would bring b above 75
    decision = relieve(cloud({"a": 100, "b": 100}, guests))
    assert decision.placement == {"middle": "b"}
    assert decision.reasons == {"middle": "a is filled to 90% MEMORY_MB"}
    assert (decision.before.value, decision.after.value) == (15, 0)


def test_the_fullest_host_comes_first_and_only_as_much_goes_as_must():
    guests = {f"{host}{number}": (host, 10) for host, count in (("a", 8), ("b", 10)) for number in range(count)}
    decision = relieve(cloud({"a": 100, "b": 100, "c": 100}, guests))
    assert [uuid[0] for uuid in decision.placement] == ["b", "b", "b", "a"]
    assert set(decision.placement.values()) == {"c"}


def test_a_host_that_cannot_be_relieved_is_named():
    decision = relieve(cloud({"a": 10, "b": 10}, {"x": ("a", 9), "y": ("b", 7)}, immovable=["x"]))
    assert decision.placement == {}
    assert decision.notes == ("still above the threshold: a (90% MEMORY_MB)",)
    assert [each.instance for each in decision.leftovers] == ["x"]


def test_any_of_the_classes_counts():
    guests = {"x": ("a", {"VCPU": 4, "MEMORY_MB": 1}), "y": ("a", {"VCPU": 4, "MEMORY_MB": 1})}
    snapshot = cloud({"a": {"VCPU": 10, "MEMORY_MB": 9}, "b": {"VCPU": 10, "MEMORY_MB": 9}}, guests)
    assert len(relieve(snapshot).placement) == 1
    assert relieve(snapshot, classes=("MEMORY_MB",)).placement == {}
    with pytest.raises(InvalidInput, match="classes is empty"):
        relieve(snapshot, classes=())


def test_a_class_that_no_host_has():
    snapshot = cloud({"a": 100}, {"x": ("a", 10)})
    with pytest.raises(InvalidInput, match="classes names 'MEMORY', which no host has; there are: MEMORY_MB"):
        relieve(snapshot, classes=("MEMORY_MB", "MEMORY"))
    with pytest.raises(InvalidInput, match="classes names 'VCPU'"):
        relieve(snapshot, classes=("VCPU",))
