"""A cloud in memory that behaves as Nova was seen to behave, and watches over what it is asked.

What happens to a migration is written down beforehand as a ``Fate``. Time is the clock's; whatever is due happens
before the next call is answered. Requests that no careful caller would send are kept in ``violations``.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from vmpath_service.engine.ports import Clock
from vmpath_service.model.declarations import UNDECLARED, Declaration, PostCopy, departure_obstacle, extra_of
from vmpath_service.model.errors import AnswerLost, CloudBusy, CloudUnreachable, NotFound, RequestRefused
from vmpath_service.model.readings import HostReading, InstanceReading, MigrationOutcome, MigrationReading
from vmpath_service.model.snapshot import Host, InFlight, Instance, Inventory, ServerGroup, Snapshot

End = Literal[
    "completed",
    "host follows late",
    "failed before",
    "failed midway",
    "no valid host",
    "cancelled, then error",
    "error after the switch",
    "error after completion",
    "compute dies",
    "deleted midway",
    "never converges",
    "confirm refused",
]
Answer = Literal["accepted", "refused", "lost", "lost and never arrives", "lost and arrives late", "busy"]
Aborted = Literal["cancelled", "cancelled, then error", "without effect"]

GOOD_ENDS = frozenset(("completed", "host follows late"))
ENDED = frozenset(("completed", "failed", "error", "cancelled", "confirmed", "reverted"))
LIVE = ("ACTIVE", "PAUSED")
UNDER_WAY = frozenset(("preparing", "running"))
LATE_ARRIVAL = 40.0


@dataclass(frozen=True, slots=True)
class Fate:
    """``scheduling`` and ``copying`` in seconds. ``aborted``: what an abort comes to; ``demanded``: what is answered
    to demands; one that was lost has arrived."""

    end: End = "completed"
    answer: Answer = "accepted"
    aborted: Aborted = "cancelled"
    demanded: Literal["accepted", "lost", "refused"] = "accepted"
    scheduling: float = 1.0
    copying: float = 10.0


@dataclass(slots=True)
class Server:
    host: str
    resources: Mapping[str, int]
    status: str = "ACTIVE"
    task_state: str | None = None
    ours: bool = True
    post_copy: PostCopy = "allowed"
    project: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Move:
    """A migration as Nova has it; ``claimed``: its destination counts the instance."""

    id: int
    instance: str
    source: str
    dest: str
    fate: Fate
    status: str = "accepted"
    known_dest: str | None = None
    claimed: bool = False
    was: str = "ACTIVE"
    began: float = 0.0
    kind: str = "live-migration"
    demands: list[str] = field(default_factory=list)


@dataclass(slots=True)
class HostState:
    capacity: Mapping[str, int]
    up: bool = True
    reason: str | None = None
    enabled: bool = True
    declared: Declaration = UNDECLARED
    zone: str | None = None


@dataclass
class ModelCloud:
    """``fates``: per instance, what becomes of its requests in turn (then: completed).

    ``frozen``: asked at each request whether one may come at all. ``busy``: so many of the next calls are refused.
    ``slots``: how many live migrations Nova lets leave a host at a time. ``groups``: members of server groups.
    """

    clock: Clock
    hosts: dict[str, HostState]
    servers: dict[str, Server]
    fates: dict[str, list[Fate]] = field(default_factory=dict)
    frozen: Callable[[], bool] = lambda: False
    moves: list[Move] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    on_the_way: list[tuple[str, str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    unreachable: bool = False
    busy: int = 0
    slots: int | None = None
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._ids = itertools.count(100)
        self._moment: float | None = None
        self._shown: dict[str, tuple[InstanceReading | None, float]] = {}

    # what the engine asks

    def read(self) -> Snapshot:
        with self._lock:
            self._arrive("read")
            moving = [move for move in self.moves if move.claimed]
            return Snapshot(
                hosts=tuple(
                    Host(
                        name,
                        {kind: Inventory(capacity=amount) for kind, amount in host.capacity.items()},
                        state="up" if host.up else "down",
                        status="enabled" if host.enabled else "disabled",
                        disabled_reason=host.reason,
                        availability_zone=host.zone,
                        extra=extra_of(host.declared),
                    )
                    for name, host in self.hosts.items()
                ),
                instances=tuple(
                    Instance(
                        uuid,
                        server.host,
                        dict(server.resources),
                        status=server.status,
                        task_state=server.task_state,
                        project_id=server.project,
                        metadata=server.metadata,
                        movable="live" if server.status in ("ACTIVE", "PAUSED", "MIGRATING") else "no",
                        post_copy=server.post_copy,
                    )
                    for uuid, server in self.servers.items()
                ),
                server_groups=tuple(
                    ServerGroup(name, "soft-anti-affinity", members) for name, members in self.groups.items()
                ),
                in_flight=tuple(InFlight(move.instance, move.source, move.dest) for move in moving),
            )

    def read_hosts(self, names: Collection[str]) -> Mapping[str, HostReading]:
        with self._lock:
            self._arrive("read_hosts")
            return {
                name: HostReading(name, self.hosts[name].up, self.hosts[name].enabled, self.free(name))
                for name in names
                if name in self.hosts
            }

    def expect(self, instances: int) -> None:
        """Nothing is cheaper here."""

    def read_instances(self, uuids: Collection[str], *, within: float = 0.0) -> Mapping[str, InstanceReading]:
        """As old as it may be."""
        with self._lock:
            self._arrive("read_instances")
            now = self.clock.monotonic()
            found: dict[str, InstanceReading] = {}
            for uuid in uuids:
                kept = self._shown.get(uuid)
                if kept is not None and 0 <= now - kept[1] < within:
                    seen = kept[0]
                else:
                    server = self.servers.get(uuid)
                    seen = (
                        None
                        if server is None
                        else InstanceReading(uuid, server.host, server.status, server.task_state, server.post_copy)
                    )
                    self._shown[uuid] = seen, now
                if seen is not None:
                    found[uuid] = seen
            return found

    def read_migrations(self, instances: Collection[str]) -> Mapping[str, Sequence[MigrationReading]]:
        with self._lock:
            self._arrive("read_migrations")
            return {uuid: [self._reading(move) for move in self.moves if move.instance == uuid] for uuid in instances}

    def live_migrate(self, instance: str, dest: str) -> None:
        with self._lock:
            self._arrive("live_migrate")
            self.requests.append((instance, dest))
            turn = sum(1 for name, _ in self.requests if name == instance) - 1
            fates = self.fates.get(instance, [])
            fate = fates[turn] if turn < len(fates) else Fate()
            if self.frozen():
                self.violations.append(f"{instance} was to move while everything is frozen")
            server = self.servers.get(instance)
            if server and server.host == dest and (instance, dest) in self.requests[:-1]:
                self.violations.append(f"{instance} was asked to move to {dest} again, where it had been brought")
            if server and departure_obstacle(server.post_copy, server.host, self.hosts[server.host].declared):
                self.violations.append(f"{instance} forbids post-copy, and Nova might switch it on {server.host}")
            if any(name == instance for name, _ in self.on_the_way):
                self.violations.append(f"{instance} was to move while an earlier request was on its way")
            if fate.answer == "busy":
                raise CloudBusy("429: too many requests", 5.0)
            if fate.answer == "refused":
                raise RequestRefused("409: the instance is not in a state for it", 409)
            if fate.answer == "lost and never arrives":
                raise AnswerLost("time-out")
            if fate.answer == "lost and arrives late":
                self.on_the_way.append((instance, dest))
                self.later(LATE_ARRIVAL, lambda: self._arrive_late(instance, dest, fate))
                raise AnswerLost("time-out")
            self._begin(instance, dest, fate)
            if fate.answer == "lost":
                raise AnswerLost("time-out")

    def abort(self, instance: str, migration: int) -> None:
        with self._lock:
            move = self._demand("abort", instance, migration, ("queued", "preparing", "running"))
            if "force_complete" in move.demands and self.hosts[move.source].declared.forcing() != "pause":
                self.violations.append(f"{instance} was to be aborted after it may have been switched to post-copy")
            if move.fate.aborted != "without effect":
                self.later(1.0, lambda: self._cancel(move))
            self._reply(move)

    def force_complete(self, instance: str, migration: int) -> None:
        with self._lock:
            move = self._demand("force_complete", instance, migration, ("running",))
            if self.servers[instance].post_copy == "forbidden":
                self.violations.append(f"{instance} forbids post-copy and was force-completed")
            if self.hosts[move.source].declared.forcing() == "unknown":
                self.violations.append(f"{instance} was force-completed, and nobody has said what that is")
            self.later(3.0, lambda: self._force(move))
            self._reply(move)

    def cold_migrate(self, instance: str, dest: str) -> None:
        with self._lock:
            self._arrive("cold_migrate")
            self.requests.append((instance, dest))
            fates = self.fates.get(instance, [])
            turn = sum(1 for name, _ in self.requests if name == instance) - 1
            fate = fates[turn] if turn < len(fates) else Fate()
            if fate.answer == "refused" or self.servers[instance].status != "SHUTOFF":
                raise RequestRefused("409: the instance is not in a state for it", 409)
            if fate.answer == "lost and never arrives":
                raise AnswerLost("time-out")
            self._begin(instance, dest, fate, kind="migration")
            if fate.answer == "lost":
                raise AnswerLost("time-out")

    def confirm_resize(self, instance: str) -> None:
        with self._lock:
            move, server = self._verifying("confirm_resize", instance)
            if move.fate.end == "confirm refused":
                raise RequestRefused("409: it cannot be confirmed", 409)
            move.status = "confirming"

            def confirmed() -> None:
                move.status, move.claimed, server.status = "confirmed", False, "SHUTOFF"

            self.later(1.0, confirmed)
            self._reply(move)

    def revert_resize(self, instance: str) -> None:
        with self._lock:
            move, server = self._verifying("revert_resize", instance)
            move.status = "reverting"
            server.task_state = "resize_reverting"

            def reverted() -> None:
                move.status = "reverted"
                server.host = move.source
                self._back(move, server)

            self.later(2.0, reverted)
            self._reply(move)

    def reset_state(self, instance: str) -> None:
        with self._lock:
            self._arrive("reset_state")
            server = self.servers[instance]
            if server.status != "ERROR" or any(move.claimed for move in self.moves if move.instance == instance):
                self.violations.append(f"the state of {instance} was reset though it may run on two hosts")
            server.status = "ACTIVE"

    def evacuate(self, instance: str) -> None:
        with self._lock:
            self._arrive("evacuate")
            raise RequestRefused("400: the host is up", 400)

    def read_allocations(self, instances: Collection[str]) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
        with self._lock:
            self._arrive("read_allocations")
            return {
                uuid: {server.host: dict(server.resources)} if (server := self.servers.get(uuid)) else {}
                for uuid in instances
            }

    def disable_host(self, name: str, reason: str) -> None:
        with self._lock:
            self._arrive("disable_host")
            self.hosts[name].enabled = False
            self.hosts[name].reason = reason

    def enable_host(self, name: str) -> None:
        with self._lock:
            self._arrive("enable_host")
            reason = self.hosts[name].reason
            if reason is not None and not reason.startswith("vmpath: "):
                self.violations.append(f"{name} was enabled, which others had disabled: {reason}")
            self.hosts[name].enabled = True
            self.hosts[name].reason = None

    def disabled_reason(self, name: str) -> str | None:
        with self._lock:
            self._arrive("disabled_reason")
            if name not in self.hosts:
                raise NotFound(f"Nova has no compute service on host {name}")
            host = self.hosts[name]
            return None if host.enabled else host.reason or ""

    # what tests ask and do

    def free(self, host: str) -> dict[str, int]:
        """What Placement has free: claims of migrations count at both ends."""
        used: Counter[str] = Counter()
        for server in self.servers.values():
            if server.host == host:
                used.update(server.resources)
        for move in self.moves:
            if move.claimed and (server := self.servers.get(move.instance)) is not None:
                other = move.source if server.host == move.dest else move.dest
                if other == host:
                    used.update(server.resources)
        return {kind: amount - used[kind] for kind, amount in self.hosts[host].capacity.items()}

    def later(self, seconds: float, change: Callable[[], None]) -> None:
        """Let something happen after so many seconds."""
        with self._lock:
            heapq.heappush(self._due, (self._now() + seconds, next(self._order), change))

    def happen(self) -> None:
        """Let everything happen that is due."""
        with self._lock:
            while self._due and self._due[0][0] <= self.clock.monotonic():
                self._moment, _, change = heapq.heappop(self._due)
                change()
            self._moment = None

    def _now(self) -> float:
        """The moment at which something happens, though it is looked at later."""
        return self.clock.monotonic() if self._moment is None else self._moment

    def promised(self, host: str) -> Counter[str]:
        """What was accepted for a host and is not claimed there yet."""
        promised: Counter[str] = Counter()
        for instance, dest in self.on_the_way:
            if dest == host and (server := self.servers.get(instance)):
                promised.update(server.resources)
        for move in self.moves:
            if move.dest == host and move.status == "accepted" and (server := self.servers.get(move.instance)):
                promised.update(server.resources)
        return promised

    def _arrive(self, call: str) -> None:
        self.happen()
        self.calls.append(call)
        if self.unreachable:
            raise CloudUnreachable("503: no answer")
        if self.busy:
            self.busy -= 1
            raise CloudBusy("429: too many requests", 7.0)

    def _demand(self, what: str, instance: str, migration: int, statuses: Collection[str]) -> Move:
        """A demand about a migration under way; its refusal is Nova's."""
        self._arrive(what)
        move = next(each for each in self.moves if each.id == migration)
        if move.status not in statuses:
            raise RequestRefused(f"409: the migration is {move.status}", 409)
        if move.fate.demanded == "refused":
            raise RequestRefused("409: not now", 409)
        if what in move.demands and move.fate.demanded == "accepted" and move.fate.aborted != "without effect":
            self.violations.append(f"{what} of {instance} was demanded twice")
        move.demands.append(what)
        return move

    def _reply(self, move: Move) -> None:
        if move.fate.demanded == "lost":
            raise AnswerLost("time-out")

    def _verifying(self, what: str, instance: str) -> tuple[Move, Server]:
        self._arrive(what)
        server = self.servers[instance]
        move = next((each for each in reversed(self.moves) if each.instance == instance), None)
        if move is None or server.status != "VERIFY_RESIZE" or move.status != "finished":
            raise RequestRefused("409: nothing is to be verified", 409)
        move.demands.append(what)
        return move, server

    def _cancel(self, move: Move) -> None:
        server = self.servers.get(move.instance)
        if server is None or move.status in ENDED:
            return
        self._back(move, server)
        move.status = "cancelled"
        if move.fate.aborted == "cancelled, then error":
            # later than anything else is looked at again
            self.later(9.0, lambda: self._break(move, server))

    def _force(self, move: Move) -> None:
        server = self.servers.get(move.instance)
        if server is not None and move.status == "running":
            self._arrived(move, server)
            move.status = "completed"

    def _arrive_late(self, instance: str, dest: str, fate: Fate) -> None:
        """A request that was thought lost; what others did meanwhile is not held against its sender."""
        self.on_the_way.remove((instance, dest))
        server, host = self.servers.get(instance), self.hosts[dest]
        if server is None or server.task_state is not None or server.status not in LIVE:
            return
        if host.up and host.enabled and server.host != dest:
            self._begin(instance, dest, fate)

    def _begin(self, instance: str, dest: str, fate: Fate, kind: str = "live-migration") -> None:
        server = self.servers.get(instance)
        if server is None:
            return
        if kind == "live-migration" and server.status not in LIVE and server.task_state is None:
            raise RequestRefused(f"409: the instance is {server.status}", 409)
        if server.task_state is not None:
            self.violations.append(f"{instance} was to move while busy with {server.task_state}")
            raise RequestRefused("409: the instance is busy", 409)
        promised, free = self.promised(dest), self.free(dest)
        short = [kind for kind, amount in server.resources.items() if amount > free.get(kind, 0) - promised[kind]]
        if short or not (self.hosts[dest].up and self.hosts[dest].enabled):
            self.violations.append(f"{instance} was to move to {dest}, which cannot take it in ({short})")
        move = Move(next(self._ids), instance, server.host, dest, fate, was=server.status, kind=kind)
        self.moves.append(move)
        if kind == "live-migration":
            server.status, server.task_state = "MIGRATING", "migrating"
        else:
            server.status, server.task_state = "RESIZE", "resize_migrating"
        self.later(fate.scheduling, lambda: self._schedule(move))

    def _schedule(self, move: Move) -> None:
        server = self.servers.get(move.instance)
        if server is None:
            move.status = "error"
            return
        if move.fate.end == "no valid host":
            move.status = "error"
            server.status, server.task_state = move.was, None
            return
        if self.slots is not None and move.kind == "live-migration":
            busy = [each for each in self.moves if each.source == move.source and each.status in UNDER_WAY]
            if len(busy) >= self.slots:
                move.known_dest, move.claimed, move.status = move.dest, True, "queued"
                self.later(1.0, lambda: self._schedule(move))
                return
        if move.status not in ("accepted", "queued"):
            return
        move.known_dest, move.claimed, move.status = move.dest, True, "preparing"
        move.began = self._now()
        self.later(move.fate.copying, lambda: self._end(move))
        self.later(move.fate.copying / 4, lambda: self._run(move))

    def _run(self, move: Move) -> None:
        if move.status == "preparing":
            move.status = "running"

    def _end(self, move: Move) -> None:
        server = self.servers.get(move.instance)
        if move.status in ENDED:
            return
        if server is None:
            move.status, move.claimed = "error", False
            return
        if move.kind == "migration" and move.fate.end in ("completed", "host follows late", "confirm refused"):
            server.host, server.status, server.task_state, move.status = move.dest, "VERIFY_RESIZE", None, "finished"
            return
        match move.fate.end:
            case "completed":
                self._arrived(move, server)
                move.status = "completed"
            case "host follows late":
                move.status = "completed"
                self.later(7.0, lambda: self._arrived(move, server))
            case "failed before" | "failed midway":
                self._back(move, server)
                move.status = "error" if move.fate.end == "failed before" else "failed"
            case "cancelled, then error":
                self._back(move, server)
                move.status = "cancelled"
                self.later(2.5, lambda: self._break(move, server))
            case "error after the switch":
                self._arrived(move, server)
                self._break(move, server)
            case "error after completion":
                self._arrived(move, server)
                move.status = "completed"
                self.later(2.5, lambda: self._break(move, server))
            case "compute dies":
                self._back(move, server)
                move.status = "running"
            case "never converges":
                move.status = "running"
            case "confirm refused":
                self._arrived(move, server)
                move.status = "completed"
            case "deleted midway":
                move.status, move.claimed = "error", False
                del self.servers[move.instance]

    def _arrived(self, move: Move, server: Server) -> None:
        server.host, server.status, server.task_state, move.claimed = move.dest, move.was, None, False

    def _back(self, move: Move, server: Server) -> None:
        server.status, server.task_state, move.claimed = move.was, None, False

    def _break(self, move: Move, server: Server) -> None:
        server.status, server.task_state, move.status, move.claimed = "ERROR", None, "error", False

    def _reading(self, move: Move) -> MigrationReading:
        if move.status in ("completed", "finished", "confirmed"):
            outcome = MigrationOutcome.COMPLETED
        elif move.status == "cancelled":
            outcome = MigrationOutcome.CANCELLED
        elif move.status in ENDED:
            outcome = MigrationOutcome.FAILED
        else:
            outcome = MigrationOutcome.UNDER_WAY
        reading = MigrationReading(
            move.id, None, move.instance, move.source, move.known_dest, move.status, outcome, move.kind
        )
        server = self.servers.get(move.instance)
        if move.status != "running" or not move.fate.copying or server is None:
            return reading
        total = server.resources.get("MEMORY_MB", 1) << 20
        share = (self.clock.monotonic() - move.began) / move.fate.copying
        done = int(total * share)
        left = total - min(done, total)
        if move.fate.end == "never converges":
            left = max(left, total // 5)
        return replace(reading, memory_total=total, memory_processed=done, memory_remaining=left)
