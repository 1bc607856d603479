"""The list of servers that is kept: brought up to date, or given up when it cannot be trusted."""

from __future__ import annotations

import pytest

from tests.unit.cloud.shapes import server
from vmpath_service.cloud import wire
from vmpath_service.cloud.changes import Changes
from vmpath_service.cloud.kept import Doubtful, Kept, KeptServers


class Listed:
    """A Nova of a few servers, of which it lists some as changed."""

    def __init__(self, *servers: wire.Server) -> None:
        self.servers_now = {each.id: each for each in servers}
        self.recent: set[str] = set()
        self.asked: list[str] = []

    def servers(self, changed_since: float) -> dict[str, wire.Server]:
        return {uuid: each for uuid, each in self.servers_now.items() if uuid in self.recent}

    def server(self, uuid: str) -> wire.Server | None:
        self.asked.append(uuid)
        return self.servers_now.get(uuid)


def one(uuid: str, host: str = "a", **more: object) -> wire.Server:
    return server(id=uuid, host=host, **more)


class World:
    def __init__(self, *names: str) -> None:
        self.time = 1000.0
        self.changes = Changes()
        self.nova = Listed(*map(one, names))
        self.servers = KeptServers(self.nova, 1, self.changes, 300.0, lambda: self.time)  # type: ignore[arg-type]
        before = dict(self.nova.servers_now)
        self.servers.keep(Kept(before, 0.0, self.changes.mark(), self.time, frozenset()))

    def now(self) -> dict[str, wire.Server]:
        kept = self.servers.recall()
        assert kept is not None
        return dict(self.servers.brought_up_to_date(kept))


def test_a_quiet_cloud_is_as_it_was() -> None:
    world = World("x", "y")
    assert world.now() == world.nova.servers_now
    assert world.nova.asked == []


def test_what_was_told_of_and_not_listed_is_read_by_itself() -> None:
    world = World("x", "y", "z")
    world.nova.servers_now["x"] = one("x", metadata={"vmpath:movable": "no"})
    del world.nova.servers_now["z"]
    for name in "xz":
        world.changes.happened(name)
    assert world.now() == world.nova.servers_now
    assert world.nova.asked == ["x", "z"]


def test_what_is_listed_needs_no_second_request() -> None:
    world = World("x", "y")
    world.nova.servers_now["x"] = one("x", "b")
    world.nova.recent = {"x"}
    world.changes.happened("x")
    assert world.now() == world.nova.servers_now
    assert world.nova.asked == []


@pytest.mark.parametrize("what", ["moved", "new", "gone"])
def test_what_nobody_told_of_means_that_nobody_tells(what: str) -> None:
    world = World("x", "y")
    changed = {"moved": one("x", "b"), "new": one("n"), "gone": one("x", status="DELETED")}[what]
    world.nova.servers_now[changed.id] = changed
    world.nova.recent = {changed.id}
    with pytest.raises(Doubtful, match="of 1 servers that came, went or moved"):
        world.now()


def test_a_status_of_which_nobody_told_is_taken_as_listed() -> None:
    """Nova tells of it only if it is told to (notify_on_state_change)."""
    world = World("x", "y")
    world.nova.servers_now["x"] = one("x", status="PAUSED")
    world.nova.recent = {"x"}
    assert world.now() == world.nova.servers_now


def test_too_much_is_listed_rather_than_asked_for_one_by_one() -> None:
    names = [f"x{number}" for number in range(60)]
    world = World(*names)
    for name in names:
        world.changes.happened(name)
    with pytest.raises(Doubtful, match="60 servers"):
        world.now()


def test_a_list_is_kept_for_a_while_only_and_only_where_somebody_tells() -> None:
    world = World("x")
    world.time += 300
    assert world.servers.recall() is not None
    world.time += 1
    assert world.servers.recall() is None
    world.servers.keep(Kept({}, 0.0, 0, world.time, frozenset()))
    assert world.servers.recall() is not None
    world.changes.tell(False)
    assert world.servers.recall() is None
    world.changes.tell(True)
    assert world.servers.recall() is not None
    world.servers.forget()
    assert world.servers.recall() is None
    untold = KeptServers(world.nova, 1, None, 300.0)  # type: ignore[arg-type]
    untold.keep(Kept({}, 0.0, 0, untold.now(), frozenset()))
    assert untold.recall() is None
