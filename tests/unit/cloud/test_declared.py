"""Declarations brought to hosts, and what is wrong with them said."""

from __future__ import annotations

import pytest

from vmpath_service.cloud.declared import cell_of, cells_left_out, declared
from vmpath_service.model.declarations import UNDECLARED, Declaration, Declarations
from vmpath_service.model.errors import NoDecision
from vmpath_service.model.snapshot import Aggregate, Host

SSD, RACK = Aggregate("ssd"), Aggregate("rack")
OF_HOSTS = {"a": (SSD,), "b": (RACK, SSD)}


def test_each_host_has_what_its_aggregates_say() -> None:
    local = Declaration(storage="local")
    found = declared(Declarations({"ssd": local}), OF_HOSTS, ["a", "b", "c"], ["ssd", "rack"])
    assert (found.of("a"), found.of("b"), found.of("c")) == (local, local, UNDECLARED)
    assert found.notes == ()


def test_an_aggregate_that_is_not_there_is_said() -> None:
    found = declared(Declarations({"sdd": Declaration(storage="local"), "*": UNDECLARED}), OF_HOSTS, ["a"], ["ssd"])
    assert found.notes == ("[aggregate:sdd] declares something of an aggregate that the cloud does not have",)


def test_a_contradiction_is_unknown_and_said() -> None:
    both = Declarations({"ssd": Declaration(storage="local"), "rack": Declaration(storage="shared")})
    found = declared(both, OF_HOSTS, ["a", "b"], ["ssd", "rack"])
    assert (found.of("a").storage, found.of("b").storage) == ("local", "unknown")
    assert len(found.notes) == 1
    assert "1 hosts contradict each other about storage, the first is b" in found.notes[0]


def test_a_host_in_two_cells_stops_everything() -> None:
    both = Declarations({"ssd": Declaration(cell="one"), "rack": Declaration(cell="two")})
    with pytest.raises(NoDecision, match="host b is declared to be in several cells"):
        declared(both, OF_HOSTS, ["a", "b"], ["ssd", "rack"])
    marked = [Aggregate("x", {"cell": "two"})]
    assert cell_of("a", marked, "cell", UNDECLARED) == "two"
    assert cell_of("a", marked, "cell", Declaration(cell="two")) == "two"
    assert cell_of("a", (), "cell", UNDECLARED) is None
    with pytest.raises(NoDecision, match="host a is in several cells by its aggregates"):
        cell_of("a", marked, "cell", Declaration(cell="one"))


def test_hosts_without_a_cell_among_others_with_one_are_said() -> None:
    with_cell, without = Host("a", {}, cell="one"), Host("b", {})
    assert cells_left_out([without]) is None
    assert cells_left_out([with_cell]) is None
    assert "of 1 hosts" in (cells_left_out([with_cell, without]) or "")
