"""Hosts are emptied, whatever lands on them, dies or is done to them meanwhile."""

from __future__ import annotations

import pytest

from tests.modelled.cloud import Server
from tests.modelled.maintaining import Stage
from vmpath_service.model.maintenances import MaintenanceState


def test_instances_that_land_meanwhile_are_drained_too(stage: Stage) -> None:
    identity = stage.make("h0", action="hook", hook="work")
    stage.rearrangements.meanwhile = [
        lambda: stage.cloud.servers.update(late=Server("h0", {"MEMORY_MB": 5})),
        lambda: stage.cloud.servers.update(later=Server("h0", {"MEMORY_MB": 5})),
    ]
    stage.hooks.work = lambda hosts: stage.guests("h0") == [] or pytest.fail("it is not empty")
    assert stage.live(identity).state is MaintenanceState.DONE
    assert stage.kinds().count("again") == 2
    assert len(stage.rearrangements.records) == 3


def test_when_instances_go_on_landing_it_gives_up_and_puts_the_host_back(stage: Stage) -> None:
    identity = stage.make("h0", action="hook", hook="work")

    def land() -> None:
        stage.cloud.servers[f"late{len(stage.cloud.servers)}"] = Server("h0", {"MEMORY_MB": 5})

    stage.rearrangements.meanwhile = [land] * 5
    done = stage.live(identity)
    assert done.state is MaintenanceState.FAILED
    assert "could not be emptied: h0 has 1 instances on it (late" in str(done.explanation)
    assert (len(stage.rearrangements.records), stage.hooks.begun, stage.out_of_service()) == (3, [], {})


def test_a_host_that_dies_while_it_is_emptied_stays_out_of_service(stage: Stage) -> None:
    identity = stage.make("h0", "h1", action="hook", hook="work")

    def die() -> None:
        stage.cloud.hosts["h0"].up = False
        stage.cloud.servers["v0a"].host = "h0"

    stage.rearrangements.meanwhile = [die]
    done = stage.live(identity)
    assert done.state is MaintenanceState.FAILED
    assert "h0 went down while it was emptied: h0 has 1 instances on it (v0a" in str(done.explanation)
    assert done.kept == ("h0",)
    assert set(stage.out_of_service()) == {"h0"}
    assert stage.hooks.begun == []


def test_what_somebody_else_disabled_stays_disabled(stage: Stage) -> None:
    identity = stage.make("h0", "h1", action="hook", hook="work")
    stage.cloud.disable_host("h0", "ticket 7")
    # and what somebody disables anew in the midst of it is theirs from then on
    stage.hooks.work = lambda hosts: stage.cloud.disable_host("h1", "ticket 8")
    assert stage.live(identity).state is MaintenanceState.DONE
    assert stage.out_of_service() == {"h0": "ticket 7", "h1": "ticket 8"}
    assert any("h0, h1: somebody else disabled them" in message for _, _, message in stage.told)


def test_leftovers_are_refused_or_accepted(stage: Stage) -> None:
    stage.cloud.servers["v0a"].status = "SHUTOFF"
    refused = stage.live(stage.make("h0"))
    assert refused.state is MaintenanceState.FAILED
    assert "1 instances would stay" in str(refused.explanation)
    assert stage.out_of_service() == {}
    accepted = stage.live(stage.make("h0", action="hook", hook="work", leftovers="accept"))
    assert accepted.state is MaintenanceState.DONE
    assert stage.guests("h0") == ["v0a"]
    assert "left in place: h0 has 1 instances on it (v0a" in str(accepted.explanation)
