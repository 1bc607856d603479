"""A plan as a sequence of pictures in text: a bar per host, one step or one wave at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmpath_service.model.plan import Migration, Plan
from vmpath_service.model.snapshot import Snapshot

SETTLED, LEAVING, ARRIVING, FREE, OVER = "#", "<", ">", ".", "!"
LEGEND = f"{SETTLED} held   {LEAVING} leaving   {ARRIVING} arriving   {FREE} free   {OVER} over capacity"
# Room for bars, whatever the names are.
SHORTEST_BAR = 10
LONGEST_NAME = 24


@dataclass(frozen=True, slots=True)
class Frame:
    """``title`` says what happens, ``bars`` are one line a host, ``steps`` one line a migration."""

    title: str
    bars: tuple[str, ...]
    steps: tuple[str, ...]

    def text(self) -> str:
        """All lines."""
        return "\n".join((self.title, *self.bars, *self.steps))


def resource_class(snapshot: Snapshot) -> str:
    """The class that is shown unless another is asked for: memory, or else the one that is fullest."""
    asked: dict[str, int] = {}
    limits: dict[str, int] = {}
    for instance in snapshot.instances:
        for name, amount in instance.resources.items():
            asked[name] = asked.get(name, 0) + amount
    for host in snapshot.hosts:
        for name, inventory in host.inventories.items():
            limits[name] = limits.get(name, 0) + inventory.limit()
    if "MEMORY_MB" in limits:
        return "MEMORY_MB"
    return max(sorted(limits), key=lambda name: asked.get(name, 0) / max(1, limits[name]), default="MEMORY_MB")


class Animation:
    """The frames of a plan; ``width`` in characters, ``height`` the most hosts shown in one frame."""

    def __init__(
        self,
        snapshot: Snapshot,
        plan: Plan,
        *,
        of_class: str,
        width: int = 80,
        height: int = 20,
        by_wave: bool = False,
    ) -> None:
        self._snapshot, self._plan, self._class = snapshot, plan, of_class
        self._width, self._height, self._by_wave = width, height, by_wave
        self._limits = {
            host.name: host.inventories[of_class].limit() if of_class in host.inventories else 0
            for host in snapshot.hosts
        }
        self._needs = {each.uuid: each.resources.get(of_class, 0) for each in snapshot.instances}
        self._labels = {each.uuid: each.name or each.uuid for each in snapshot.instances}
        self._used = {host.name: host.used_by_others.get(of_class, 0) for host in snapshot.hosts}
        gone = set(plan.departures)
        for each in snapshot.instances:
            if each.host is not None and each.uuid not in gone:
                self._used[each.host] += self._needs[each.uuid]
        for flight in snapshot.in_flight:
            home = next(each.host for each in snapshot.instances if each.uuid == flight.instance)
            self._used[flight.dest if home == flight.source else flight.source] += self._needs[flight.instance]
        self._states = {
            host.name: host.state if host.state != "up" else "disabled" if host.status == "disabled" else ""
            for host in snapshot.hosts
        }
        self._done = 0

    def frames(self) -> Iterator[Frame]:
        """The start, then each step or wave under way, then the end."""
        plan = self._plan
        yield self._frame(f"start: {self._counts()}, showing {self._class}", ())
        for step in plan.host_steps:
            if step.action in ("power-on", "enable"):
                self._states[step.host] = ""
            yield self._frame(f"{step.action} {step.host}", ())
        groups = self._groups()
        for number, moves in enumerate(groups, start=1):
            for move in moves:
                self._used[move.dest] += self._needs[move.instance]
            if self._by_wave:
                title = f"wave {number} of {len(groups)}: {len(moves)} under way, {self._counts()}"
            else:
                title = f"migration {number} of {len(groups)}: {self._counts()}"
            yield self._frame(title, moves)
            for move in moves:
                self._used[move.source] -= self._needs[move.instance]
            self._done += len(moves)
        for arrival in plan.arrivals:
            self._used[arrival.host] += self._needs[arrival.instance]
        end = "" if plan.outcome == "found" else f" ({plan.outcome})"
        arrivals = f", {len(plan.arrivals)} arrivals placed" if plan.arrivals else ""
        yield self._frame(f"end{end}: {self._counts()}{arrivals}", ())

    def _groups(self) -> list[list[Migration]]:
        in_order = sorted(self._plan.migrations, key=lambda each: each.id)
        if not self._by_wave:
            return [[each] for each in in_order]
        waves: dict[int, list[Migration]] = {}
        for each in in_order:
            waves.setdefault(each.wave, []).append(each)
        return [waves[number] for number in sorted(waves)]

    def _counts(self) -> str:
        return f"{self._done} of {len(self._plan.migrations)} migrations done"

    def _frame(self, title: str, moves: Sequence[Migration]) -> Frame:
        names = self._shown(moves)
        length = min(LONGEST_NAME, max((len(name) for name in names), default=0))
        marks = max((len(self._states[name]) + 1 for name in names if self._states[name]), default=0)
        bar = max(SHORTEST_BAR, self._width - length - 7 - marks)
        bars = [
            f"{_short(name, length):<{length}} {self._bar(name, moves, bar)} {self._states[name]}".rstrip()
            for name in names
        ]
        hidden = len(self._limits) - len(names)
        if hidden:
            bars.append(_short(f"({hidden} more hosts)", self._width))
        steps = [_short(self._told(move), self._width) for move in moves[: self._height]]
        if len(moves) > self._height:
            steps.append(f"(and {len(moves) - self._height} more)")
        return Frame(_short(title, self._width), tuple(bars), tuple(steps))

    def _shown(self, moves: Sequence[Migration]) -> list[str]:
        """Hosts that fit into the frame: all, or those where something happens and others in order."""
        names = list(self._limits)
        if len(names) <= self._height:
            return names
        busy = [host for move in moves for host in (move.source, move.dest)]
        chosen = set(list(dict.fromkeys([*busy, *names]))[: self._height])
        return [name for name in names if name in chosen]

    def _bar(self, host: str, moves: Sequence[Migration], length: int) -> str:
        limit, used = self._limits[host], self._used[host]
        leaving = sum(self._needs[move.instance] for move in moves if move.source == host)
        arriving = sum(self._needs[move.instance] for move in moves if move.dest == host)
        whole = max(limit, used, 1)
        edges = [round(length * part / whole) for part in (used - leaving - arriving, used - arriving, used, limit)]
        settled, left, come, end = edges
        text = SETTLED * settled + LEAVING * (left - settled) + ARRIVING * (come - left) + FREE * (length - come)
        if used > limit:
            text = text[:end] + OVER * (length - end)
        share = used / limit if limit else (1.0 if used else 0.0)
        return f"{text} {min(9.99, share):4.0%}"

    def _told(self, move: Migration) -> str:
        reason = f"  ({move.reason})" if move.reason else ""
        return f"  {self._labels[move.instance]}: {move.source} -> {move.dest}{reason}"


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(1, width - 1)] + "~"
