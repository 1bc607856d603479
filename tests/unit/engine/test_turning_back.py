"""The engine with all its threads and processes: rolling back, aborting, planning anew."""

from __future__ import annotations

import pytest

from tests.modelled.cloud import Fate, HostState
from tests.unit.engine.test_service import DRAIN_A, Site, in_processes, site
from vmpath_service.engine.executor.settings import Limits, Settings
from vmpath_service.model.errors import Conflict
from vmpath_service.model.records import RearrangementState

__all__ = ["in_processes", "site"]
HOME = {"x": "a", "y": "a", "z": "b"}


def where(site: Site) -> dict[str, str]:
    return {uuid: server.host for uuid, server in site.cloud.servers.items()}


@pytest.mark.usefixtures("in_processes")
def test_what_has_succeeded_is_brought_back_and_its_host_opened(site: Site) -> None:
    identity = site.engine.create(DRAIN_A).id
    assert site.ended(identity).state is RearrangementState.SUCCEEDED
    assert site.engine.rollback(identity).state is RearrangementState.ROLLING_BACK
    ended = site.reaches(identity, RearrangementState.ROLLED_BACK)
    assert ended.explanation is None
    assert where(site) == HOME
    assert site.cloud.hosts["a"].enabled
    with pytest.raises(Conflict):
        site.engine.rollback(identity)


def test_on_the_way_it_turns_back(site: Site) -> None:
    site.cloud.fates = {name: [Fate(copying=60)] for name in "xy"}
    identity = site.engine.create(DRAIN_A).id
    site.wait(identity, lambda _: bool(site.cloud.requests))
    site.engine.rollback(identity)
    ended = site.reaches(identity, RearrangementState.ROLLED_BACK)
    assert where(site) == HOME, ended.explanation
    assert site.cloud.hosts["a"].enabled
    assert "rearrangement.way_back" in site.kinds(identity)


def test_an_engine_that_starts_anew_goes_on_with_the_way_back(site: Site) -> None:
    identity = site.engine.create(DRAIN_A).id
    assert site.ended(identity).state is RearrangementState.SUCCEEDED
    asked = len(site.cloud.requests)
    site.cloud.fates = {name: [Fate(), Fate(copying=100)] for name in "xy"}
    site.engine.rollback(identity)
    site.wait(identity, lambda _: len(site.cloud.requests) > asked)
    assert site.engine.stop()
    assert site.start().resume() == 1
    site.reaches(identity, RearrangementState.ROLLED_BACK)
    assert where(site) == HOME


def test_a_way_back_is_paused_and_goes_on(site: Site) -> None:
    identity = site.engine.create(DRAIN_A).id
    site.ended(identity)
    asked = len(site.cloud.requests)
    site.cloud.fates = {name: [Fate(), Fate(copying=100)] for name in "xy"}
    site.engine.rollback(identity)
    site.wait(identity, lambda _: len(site.cloud.requests) > asked)
    site.engine.pause(identity)
    assert site.store.get(identity).state is RearrangementState.PAUSED
    assert site.engine.proceed(identity).state is RearrangementState.ROLLING_BACK
    site.reaches(identity, RearrangementState.ROLLED_BACK)
    assert where(site) == HOME


def test_while_the_cloud_is_away_the_way_back_waits_for_it(site: Site) -> None:
    identity = site.engine.create(DRAIN_A).id
    site.ended(identity)
    site.cloud.unreachable = True
    site.engine.rollback(identity)
    site.wait(identity, lambda _: "rearrangement.trouble" in site.kinds(identity))
    assert site.store.get(identity).state is RearrangementState.ROLLING_BACK
    site.cloud.unreachable = False
    site.reaches(identity, RearrangementState.ROLLED_BACK)
    assert where(site) == HOME


def test_what_has_moved_nothing_is_not_rolled_back(site: Site) -> None:
    site.cloud.servers.pop("x")
    site.cloud.servers.pop("y")
    identity = site.engine.create(DRAIN_A).id
    site.ended(identity)
    with pytest.raises(Conflict, match="has moved nothing"):
        site.engine.rollback(identity)


def test_what_came_to_nothing_is_not_rolled_back(site: Site) -> None:
    site.cloud.fates = {name: [Fate("failed before")] for name in "xy"}
    identity = site.engine.create(DRAIN_A).id
    assert site.ended(identity).state is RearrangementState.FAILED
    assert len(site.cloud.requests) == 2
    with pytest.raises(Conflict, match="has moved nothing"):
        site.engine.rollback(identity)


def test_cancelled_with_abort_it_ends_at_once(site: Site) -> None:
    site.cloud.fates = {name: [Fate(copying=500)] for name in "xy"}
    identity = site.engine.create(DRAIN_A).id
    site.wait(identity, lambda _: any(move.status == "running" for move in site.cloud.moves))
    site.engine.cancel(identity, abort=True)
    ended = site.ended(identity)
    assert ended.state is RearrangementState.CANCELLED
    assert where(site) == HOME
    assert site.cloud.hosts["a"].enabled


@pytest.mark.usefixtures("in_processes")
def test_when_a_destination_dies_a_new_plan_is_made_in_a_process_of_its_own(site: Site) -> None:
    assert site.engine.stop()
    site.cloud.hosts["d"] = HostState({"MEMORY_MB": 10})
    site.start(executor=Settings(limits=Limits(1, 1, 1), retries=0, on_failure="replan", start_wait_seconds=20))
    site.cloud.fates = {name: [Fate(copying=60)] for name in "xy"}
    identity = site.engine.create(DRAIN_A).id
    site.wait(identity, lambda _: bool(site.cloud.requests))
    (second,) = {"x", "y"} - {site.cloud.requests[0][0]}
    planned = next(each for each in site.store.migrations(identity) if each.instance == second)
    site.cloud.hosts[planned.dest].up = False
    ended = site.ended(identity)
    assert ended.state is RearrangementState.SUCCEEDED, ended.explanation
    assert site.cloud.servers[second].host not in ("a", planned.dest)
    assert "rearrangement.replanned" in site.kinds(identity)
    assert site.engine.release("nowhere") is False
