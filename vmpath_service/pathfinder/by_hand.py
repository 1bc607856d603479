"""Moving instances by hand: one legal migration after the other, each refused with the rule that it breaks."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import msgspec

from vmpath_service.model import semantics
from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.errors import Conflict, NotFound
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Plan
from vmpath_service.pathfinder import assembly
from vmpath_service.pathfinder.answer import Answer
from vmpath_service.pathfinder.finder import find_path
from vmpath_service.pathfinder.problem import Move, Problem, pose
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.vetoes import Whereabouts

# Of instances of one name, so many are told.
SHOWN = 5


class Table:
    """A cloud with instances that are moved about on it; ``target``: where they are meant to end."""

    def __init__(self, cloud: CompiledCloud, target: Placement, settings: PathSettings) -> None:
        """Raises NotFound for names of the target that the cloud does not have, InvalidTarget for departures."""
        semantics.check_target(cloud.snapshot, target, departures=False)
        self.cloud = cloud
        self.target: dict[str, str] = {uuid: host for uuid, host in target.placement.items() if host is not None}
        self.moves: list[Move] = []
        self._settings = settings
        self._problem = pose(cloud, Placement({}), settings.limits)
        self._room = Room(cloud)

    def guest(self, name: str) -> int:
        """An instance by its uuid, or by its name where only one has it; raises NotFound."""
        if name in self.cloud.instance_index:
            return self.cloud.instance_index[name]
        called = [guest for guest, each in enumerate(self.cloud.snapshot.instances) if each.name == name]
        if len(called) != 1:
            if not called:
                raise NotFound(f"there is no instance {name!r}")
            uuids = ", ".join(self.cloud.snapshot.instances[guest].uuid for guest in called[:SHOWN])
            more = f" and {len(called) - SHOWN} more" if len(called) > SHOWN else ""
            raise NotFound(f"{len(called)} instances are called {name!r}, take a uuid: {uuids}{more}")
        return called[0]

    def host(self, name: str) -> int:
        """A host by its name; raises NotFound."""
        if name not in self.cloud.host_index:
            raise NotFound(f"there is no host {name!r}")
        return self.cloud.host_index[name]

    def where(self, guest: int) -> str | None:
        """The name of the host where the instance is now."""
        host = self._room.where[guest]
        return None if host == NOWHERE else self.cloud.snapshot.hosts[host].name

    def why_not(self, guest: int, dest: int) -> str | None:
        """The rule that a migration there would break now, in words; None if it is legal."""
        cloud, room = self.cloud, self._room
        host, source = cloud.snapshot.hosts[dest], room.where[guest]
        label = cloud.snapshot.instances[guest].label()
        if guest in cloud.pinned:
            return f"{label} may not be moved: {cloud.pinned[guest]}"
        if source == NOWHERE:
            return f"{label} is on no host"
        if source == dest:
            return f"{label} is on {host.name} already"
        if not self._problem.mobile[guest] and cloud.snapshot.hosts[cloud.home[guest]].state != "up":
            return f"{cloud.snapshot.hosts[source].name} is {cloud.snapshot.hosts[source].state}"
        if not self._problem.receives[dest]:
            return f"{host.name} is {host.state if host.state != 'up' else host.status} and takes nothing in"
        return cloud.refusal(guest, dest) or cloud.passage_refusal(source, dest) or self._crowded(guest, dest)

    def move(self, guest: int, dest: int) -> None:
        """Migrate; raises Conflict with the rule that it would break."""
        reason = self.why_not(guest, dest)
        if reason:
            raise Conflict(reason)
        self.moves.append(Move(guest, self._room.where[guest], dest))
        self._room.move(guest, dest)

    def undo(self) -> Move:
        """Take the last migration back, as if it had never been; raises Conflict if there is none."""
        if not self.moves:
            raise Conflict("there is nothing to undo")
        last = self.moves.pop()
        self._room.move(last.guest, last.source)
        return last

    def misplaced(self) -> dict[str, str]:
        """Instances that are not where they are meant to be, with the host where that is."""
        return {
            uuid: host for uuid, host in self.target.items() if self.where(self.cloud.instance_index[uuid]) != host
        }

    def solve(self) -> Plan:
        """The finder's plan from here to the target; the moves so far are not in it."""
        placed = self.now()
        instances = tuple(
            msgspec.structs.replace(each, host=placed[each.uuid]) for each in self.cloud.snapshot.instances
        )
        snapshot = msgspec.structs.replace(self.cloud.snapshot, instances=instances)
        here = dataclasses.replace(self.cloud, snapshot=snapshot, home=list(self._room.where))
        goals: dict[str, str | None] = {}
        for uuid, host in placed.items():
            home = self.cloud.home[self.cloud.instance_index[uuid]]
            wanted = self.target.get(uuid, None if home == NOWHERE else self.cloud.snapshot.hosts[home].name)
            if wanted not in (None, host):
                goals[uuid] = wanted
        return find_path(here, Placement(goals), self._settings, snapshot_identity="")

    def follow(self, plan: Plan) -> None:
        """Make the moves of a plan that ``solve`` gave."""
        for each in sorted(plan.migrations, key=lambda migration: migration.id):
            self.move(self.guest(each.instance), self.host(each.dest))

    def now(self) -> Mapping[str, str | None]:
        """Where everybody is."""
        return {each.uuid: self.where(guest) for guest, each in enumerate(self.cloud.snapshot.instances)}

    def plan(self, snapshot_identity: str) -> Plan:
        """What was done by hand as a plan to where everybody is now, with order, waves and times."""
        began = time.perf_counter()
        where, names = self.now(), self.cloud.snapshot.instances
        moved = sorted({move.guest for move in self.moves})
        reached = Placement({names[guest].uuid: where[names[guest].uuid] for guest in moved})
        problem: Problem = pose(self.cloud, reached, self._settings.limits)
        return assembly.assemble(
            problem,
            Answer("found", self.moves),
            self._settings,
            target=reached,
            snapshot_identity=snapshot_identity,
            policy=None,
            time_limited=False,
            began=began,
        )

    def free(self, host: int) -> dict[str, tuple[int, int]]:
        """Per resource class, how much of the host is used now, and its capacity."""
        left = self._room.amounts(self._room.free[host])
        limits = self.cloud.capacity[host]
        named = zip(self.cloud.dimensions, left, limits, strict=True)
        return {name: (limit - rest, limit) for name, rest, limit in named}

    def residents(self, host: int) -> list[int]:
        """The instances on a host."""
        return [guest for guest, where in enumerate(self._room.where) if where == host]

    def _crowded(self, guest: int, dest: int) -> str | None:
        cloud, room = self.cloud, self._room
        name = cloud.snapshot.hosts[dest].name
        for number, free in enumerate(room.amounts(room.free[dest])):
            asked = cloud.demand(guest)[number]
            if asked > max(0, free):
                return f"{name} has {max(0, free)} {cloud.dimensions[number]} free, {asked} are asked for"
        for counter in cloud.counters_of.get(guest, ()):
            if room.counts[counter].get(dest, 0) >= cloud.counter_limits[counter]:
                return f"{name} holds as many of {cloud.counter_names[counter]} as it may"
        instance, host = cloud.snapshot.instances[guest], cloud.snapshot.hosts[dest]
        for other_ends in (False, True):
            seen = Whereabouts(cloud, room.where, other_ends=other_ends)
            for veto in cloud.vetoes:
                reason = veto(instance, host, seen)
                if reason:
                    return reason
        return None
