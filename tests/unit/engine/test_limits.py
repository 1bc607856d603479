"""What may be in flight at once, and when nothing starts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.modelled.clock import BEGINNING
from tests.modelled.cloud import Fate
from tests.modelled.walking import World, plan_of, settings
from vmpath_service.engine.executor.settings import Limits, Settings
from vmpath_service.model.declarations import Declaration
from vmpath_service.model.records import UNRESOLVED, FailureKind, MigrationState
from vmpath_service.model.windows import parse_windows

NAMES = "uvwxyz"
WIDE = Limits(None, None, None, None)


def six(executor: Settings) -> World:
    return World(
        {"a": 20, "b": 20, "c": 20},
        dict.fromkeys(NAMES, ("a", 1)),
        plan_of(*((name, "a", "b") for name in NAMES)),
        executor,
    )


def most_at_once(world: World, of: str = NAMES, *, verifying: bool = True) -> int:
    """Walk to the end; how many of these were in flight at a time, with or without what has ended in Nova."""
    counted = UNRESOLVED if verifying else UNRESOLVED - {MigrationState.VERIFYING}
    most = 0

    def count() -> None:
        nonlocal most
        most = max(most, sum(each.instance in of for each in world.store.unresolved() if each.state in counted))
        world.cloud.later(0.5, count)

    world.cloud.later(0, count)
    assert world.run().outcome == "succeeded"
    return most


def test_of_a_server_group_one_member_moves_at_a_time() -> None:
    world = six(settings(limits=Limits(None, None, None)))
    world.cloud.groups = {"g": ("u", "v", "w")}
    world.keep_facts()
    assert most_at_once(world, "uvw") == 1


def test_of_a_group_named_by_metadata_too() -> None:
    world = six(settings(limits=Limits(None, None, None)))
    for name in "uv":
        world.cloud.servers[name].metadata["vmpath:keep_from"] = "db"
    world.keep_facts()
    assert most_at_once(world, "uv") == 1


@pytest.mark.parametrize(("declared", "most"), [(1, 1), (3, 3), (8, 4), (0, 4), (None, 4)], ids=lambda each: str(each))
def test_no_more_leave_a_host_than_nova_lets(declared: int | None, most: int) -> None:
    world = six(settings(limits=Limits(4, None, None)))
    world.cloud.hosts["a"].declared = Declaration(max_concurrent=declared)
    world.keep_facts()
    assert most_at_once(world, verifying=False) == most


@pytest.mark.parametrize("limit", [2, 3])
def test_the_limit_of_a_group_is_an_option(limit: int) -> None:
    world = six(settings(limits=Limits(None, None, None, per_group=limit)))
    world.cloud.groups = {"g": tuple(NAMES)}
    world.keep_facts()
    assert most_at_once(world) == limit


def test_a_project_has_a_limit() -> None:
    world = six(settings(limits=Limits(None, None, None, per_project=2)))
    for name in NAMES:
        world.cloud.servers[name].project = "p"
    world.keep_facts()
    assert most_at_once(world) == 2


def test_a_zone_has_a_limit() -> None:
    world = six(settings(limits=Limits(None, None, None, per_zone=2)))
    world.cloud.hosts["b"].zone = "z"
    world.keep_facts()
    assert most_at_once(world, verifying=False) == 2


def test_a_link_has_a_limit_for_what_goes_over_it() -> None:
    plan = plan_of(*((name, "a", "b" if name < "x" else "c") for name in NAMES))
    executor = settings(limits=Limits(None, None, None, per_link=2))
    world = World({"a": 20, "b": 20, "c": 20}, dict.fromkeys(NAMES, ("a", 1)), plan, executor)
    for host in "ac":
        world.cloud.hosts[host].declared = Declaration(link="rack-1")
    world.keep_facts()
    # from a to c they stay within the rack: those start all at once
    assert most_at_once(world, "uvw", verifying=False) == 2
    assert {name for name, _ in world.cloud.requests[:5]} >= set("xyz")


def test_the_first_few_go_one_by_one() -> None:
    world = six(settings(limits=WIDE, warm_up=2))
    assert world.run().outcome == "succeeded"
    moves = sorted(world.cloud.moves, key=lambda move: move.id)
    at = {event.step: event.at for event in world.store.events() if event.kind == "migration.requested"}
    done = sorted(event.at for event in world.store.events() if event.kind == "migration.done")
    assert len(moves) == 6
    assert sorted(at.values())[1] >= done[0]
    assert sorted(at.values())[2] >= done[1]
    assert len(set(sorted(at.values())[2:])) == 1


def test_in_waves_the_next_begins_when_all_of_one_have_ended() -> None:
    import msgspec

    plan = plan_of(*((name, "a", "b") for name in NAMES))
    waves = [1, 1, 2, 2, 3, 3]
    plan = msgspec.structs.replace(
        plan,
        migrations=tuple(
            msgspec.structs.replace(each, wave=wave) for each, wave in zip(plan.migrations, waves, strict=True)
        ),
    )
    world = World({"a": 20, "b": 20}, dict.fromkeys(NAMES, ("a", 1)), plan, settings(limits=WIDE, pace="waves"))
    world.cloud.fates = {"u": [Fate(copying=100)]}
    assert most_at_once(world) == 2
    assert [name for name, _ in world.cloud.requests[2:4]] == ["w", "x"]
    second = [event.at for event in world.store.events() if event.kind == "migration.requested"][2]
    assert second - BEGINNING > 100


def test_no_more_is_started_from_a_host_where_nova_queues() -> None:
    world = six(settings(limits=Limits(6, 6, 6)))
    world.cloud.slots = 1
    world.cloud.fates = {name: [Fate(copying=30)] for name in NAMES}
    most = 0

    def count() -> None:
        nonlocal most
        most = max(most, sum(move.status == "queued" for move in world.cloud.moves))
        world.cloud.later(1, count)

    world.cloud.later(30, count)
    world.settings = settings(limits=Limits(2, 6, 6))
    assert world.run().outcome == "succeeded"
    assert most <= 1


def test_nothing_starts_in_a_window_that_is_closed() -> None:
    now = datetime.fromtimestamp(BEGINNING, UTC)
    begin, end = (now.hour, now.minute), ((now.hour + 1) % 24, now.minute)
    window = f"{begin[0]:02}:{begin[1]:02}-{end[0]:02}:{end[1]:02}"
    world = six(settings(limits=WIDE, no_go=parse_windows(window), start_wait_seconds=10))
    assert world.run_for(600) is None
    assert world.cloud.requests == []
    assert world.run().outcome == "succeeded"
    assert world.clock.now >= 3600 - now.second - 1


def test_an_instance_may_have_a_window_of_its_own() -> None:
    now = datetime.fromtimestamp(BEGINNING, UTC)
    world = six(settings(limits=WIDE))
    world.cloud.servers["u"].metadata["vmpath:no_go"] = f"{now.hour:02}:00-{(now.hour + 2) % 24:02}:00"
    world.keep_facts()
    assert world.run_for(300) is None
    assert sorted(name for name, _ in world.cloud.requests) == list("vwxyz")


@pytest.mark.parametrize("text", ["00:00-24:00", "whenever"])
def test_a_window_that_never_opens_is_told_and_not_waited_for(text: str) -> None:
    world = six(settings(limits=WIDE))
    world.cloud.servers["u"].metadata["vmpath:no_go"] = text
    world.keep_facts()
    assert world.run().outcome == "failed"
    first = world.store.migrations(world.identity)[0]
    assert first.failure is FailureKind.FORBIDDEN
    assert "its windows leave no time" in (first.reason or "")


def test_what_another_rearrangement_has_moved_lately_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = six(settings(limits=WIDE, cool_down_seconds=500))
    monkeypatch.setattr(
        world.store, "moved_since", lambda moment, *, but: {"u": BEGINNING} if moment <= BEGINNING else {}
    )
    assert world.run_for(300) is None
    assert sorted(name for name, _ in world.cloud.requests) == list("vwxyz")
    assert world.run().outcome == "succeeded"
    assert world.clock.now >= 500
