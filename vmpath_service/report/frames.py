"""A plan as a sequence of pictures in text: a bar per host, one step or one wave at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmpath_service.model.plan import HostStep, Migration, Plan
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.report.cells import clipped, folded_lines, labels, padded, plain, short_names, width

SETTLED, LEAVING, ARRIVING, FREE, OVER = "#", "<", ">", ".", "!"
LEGEND = f"{SETTLED} held   {LEAVING} leaving   {ARRIVING} arriving   {FREE} free   {OVER} over capacity"
# Room for bars, whatever the names are.
SHORTEST_BAR = 10
LONGEST_NAME = 24
# Lines of a picture below its bars: at least so many, where there are so many hosts that not all can be shown.
STEPS = 5
# So many of the steps that a migration waits for are named.
NAMED = 3
_STATES = {"power-on": "", "enable": "", "disable": "disabled", "power-off": "off"}


@dataclass(frozen=True, slots=True)
class Frame:
    """``title`` says what happens, ``bars`` are one line a host, ``steps`` what there is to say of it."""

    title: str
    bars: tuple[str, ...]
    steps: tuple[str, ...]

    def text(self) -> str:
        """All lines."""
        return "\n".join((self.title, *self.bars, *self.steps))


@dataclass(frozen=True, slots=True)
class _Change:
    """An instance that goes from one host to another; None: from or to nowhere."""

    instance: str
    source: str | None
    dest: str | None


@dataclass(frozen=True, slots=True)
class _Scene:
    """What one frame shows; ``told`` line by line, ``folded``: whether they may take several lines each."""

    title: str
    changes: tuple[_Change, ...] = ()
    told: tuple[str, ...] = ()
    folded: bool = True
    state: tuple[str, str] | None = None
    """A host, and what is said of its state from now on."""


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
    """The frames of a plan; ``columns`` and ``lines``: the most that a frame takes."""

    def __init__(
        self,
        snapshot: Snapshot,
        plan: Plan,
        *,
        of_class: str,
        columns: int = 80,
        lines: int = 30,
        by_wave: bool = False,
    ) -> None:
        self._plan, self._class, self._columns, self._by_wave = plan, of_class, columns, by_wave
        self._limits = {
            host.name: host.inventories[of_class].limit() if of_class in host.inventories else 0
            for host in snapshot.hosts
        }
        self._needs = {each.uuid: each.resources.get(of_class, 0) for each in snapshot.instances}
        self._homes = {each.uuid: each.host for each in snapshot.instances}
        self._labels = labels(snapshot.instances)
        self._used = {host.name: host.used_by_others.get(of_class, 0) for host in snapshot.hosts}
        for each in snapshot.instances:
            if each.host is not None:
                self._used[each.host] += self._needs[each.uuid]
        for flight in snapshot.in_flight:
            home = self._homes[flight.instance]
            self._used[flight.dest if home == flight.source else flight.source] += self._needs[flight.instance]
        self._states = {
            host.name: host.state if host.state != "up" else "disabled" if host.status == "disabled" else ""
            for host in snapshot.hosts
        }
        room = max(1, lines - 1)
        self._height = max(1, min(len(self._limits), room - max(STEPS, room // 3)))
        self._below = max(1, room - self._height - (len(self._limits) > self._height))
        longest = max(LONGEST_NAME, columns // 3)
        self._names = short_names(list(self._limits), min(longest, max(1, columns - SHORTEST_BAR - 7)))
        marks = max((len(state) + 1 for state in self._states.values() if state), default=0)
        self._length = max(map(width, self._names.values()), default=0)
        self._bar_length = max(SHORTEST_BAR, columns - self._length - 7 - marks)

    def frames(self) -> Iterator[Frame]:
        """The start, then what each step or wave brings about while it is under way, then the end."""
        scenes = list(self._scenes())
        for number, scene in enumerate(scenes):
            if scene.state is not None:
                self._states[scene.state[0]] = scene.state[1]
            for change in scene.changes:
                if change.dest is not None:
                    self._used[change.dest] += self._needs[change.instance]
            yield self._frame(scenes, number)
            for change in scene.changes:
                if change.source is not None:
                    self._used[change.source] -= self._needs[change.instance]

    def _scenes(self) -> Iterator[_Scene]:
        plan = self._plan
        count = len(plan.migrations)
        outcome = "" if plan.outcome == "found" else f" ({plan.outcome})"
        explained = (plan.explanation,) if plan.explanation else ()
        if not (count or plan.host_steps or plan.departures or plan.arrivals):
            said = ("nobody has to move",) if plan.outcome == "found" else explained
            yield _Scene(f"{plan.outcome}: no migrations; bars: {self._class}", told=said)
            return
        waves = len({each.wave for each in plan.migrations})
        size = f"{_count(count, 'migration')}, {_count(waves, 'wave')}, {_seconds(plan.summary.makespan_s)}"
        yield _Scene(f"start{outcome}: {size}; bars: {self._class}", told=explained)
        yield from self._departing()
        yield from self._by_waves() if self._by_wave else self._one_by_one()
        yield from self._arriving()
        yield _Scene(f"end{outcome}: {count} of {_count(count, 'migration')} done", told=explained)

    def _departing(self) -> Iterator[_Scene]:
        gone = self._plan.departures
        if gone:
            changes = tuple(_Change(uuid, self._homes[uuid], None) for uuid in gone)
            said = tuple(f"  {self._labels[uuid]} leaves {self._homes[uuid] or 'for good'}" for uuid in gone)
            title = f"first: {_count(len(gone), 'instance')} deleted or shelved by then"
            yield _Scene(title, changes, said, folded=False)

    def _arriving(self) -> Iterator[_Scene]:
        new = self._plan.arrivals
        if new:
            changes = tuple(_Change(each.instance, None, each.host) for each in new)
            said = tuple(f"  {self._labels[each.instance]} -> {self._names[each.host]}" for each in new)
            yield _Scene(f"last: {_count(len(new), 'instance')} to be placed", changes, said, folded=False)

    def _one_by_one(self) -> Iterator[_Scene]:
        steps: dict[int, HostStep | Migration] = {each.id: each for each in self._plan.host_steps}
        steps.update((each.id, each) for each in self._plan.migrations)
        in_order = [steps[identity] for identity in sorted(steps)]
        number = 0
        for position, step in enumerate(in_order):
            if isinstance(step, HostStep):
                yield self._acted(step)
                continue
            number += 1
            told = [f"  {self._told(step)}, {step.memory_mb} MiB"]
            if step.reason:
                told.append(f"  why: {plain(step.reason)}")
            if step.after:
                waits = [self._named(steps[each]) for each in step.after[:NAMED]]
                more = f" and {len(step.after) - NAMED} more" if len(step.after) > NAMED else ""
                told.append(f"  waits for {', '.join(waits)}{more}")
            if position + 1 < len(in_order):
                told.append(f"  next: {self._told(in_order[position + 1])}")
            title = f"migration {number} of {len(self._plan.migrations)}, wave {step.wave}, {_span(step)}"
            yield _Scene(title, (_Change(step.instance, step.source, step.dest),), tuple(told))

    def _by_waves(self) -> Iterator[_Scene]:
        waves: dict[int, list[Migration]] = {}
        for each in sorted(self._plan.migrations, key=lambda move: move.id):
            waves.setdefault(each.wave, []).append(each)
        acts = sorted(self._plan.host_steps, key=lambda step: -step.id)
        done = 0
        for number, wave in enumerate(sorted(waves), start=1):
            moves = waves[wave]
            while acts and acts[-1].id < moves[0].id:
                yield self._acted(acts.pop())
            title = f"wave {number} of {len(waves)}: {_count(len(moves), 'migration')} at once, {done} done before"
            changes = tuple(_Change(move.instance, move.source, move.dest) for move in moves)
            told = (f"  {self._told(move)}" + (f"  ({plain(move.reason)})" if move.reason else "") for move in moves)
            yield _Scene(title, changes, tuple(told), folded=False)
            done += len(moves)
        yield from map(self._acted, reversed(acts))

    def _acted(self, step: HostStep) -> _Scene:
        return _Scene(f"{step.action} {plain(step.host)}, {_span(step)}", state=(step.host, _STATES[step.action]))

    def _frame(self, scenes: Sequence[_Scene], number: int) -> Frame:
        scene = scenes[number]
        names = self._shown(scenes, number)
        bars = [
            f"{padded(self._names[name], self._length)} {self._bar(name, scene.changes)} {self._states[name]}".rstrip()
            for name in names
        ]
        if len(names) < len(self._limits):
            shown = set(names)
            hidden = {host for each in scene.changes for host in (each.source, each.dest) if host} - shown
            busy = f", {len(hidden)} of them busy" if hidden else ""
            bars.append(clipped(f"({_count(len(self._limits) - len(names), 'more host')}{busy})", self._columns))
        return Frame(clipped(scene.title, self._columns), tuple(bars), self._said(scene))

    def _said(self, scene: _Scene) -> tuple[str, ...]:
        if not scene.folded:
            told = [clipped(line, self._columns) for line in scene.told]
            return tuple(told if len(told) <= self._below else _counted(told, self._below))
        # of many lines each gets one first, the first ones more as far as there is room
        lines = [list(folded_lines(plain(line), self._columns)) for line in scene.told]
        spare = self._below - len(lines)
        for line, whole in zip(lines, scene.told, strict=True):
            if len(line) - 1 > max(0, spare):
                line[max(0, spare) :] = [clipped(_rest(line, max(0, spare), whole), self._columns)]
            spare -= len(line) - 1
        return tuple(piece for line in lines for piece in line)[: self._below]

    def _shown(self, scenes: Sequence[_Scene], number: int) -> list[str]:
        """Hosts that fit into the frame: all, or those where something happens, those where something happens next,
        and others in order."""
        names = list(self._limits)
        if len(names) <= self._height:
            return names
        chosen: dict[str, None] = {}
        for scene in scenes[number:]:
            chosen.update((host, None) for each in scene.changes for host in (each.source, each.dest) if host)
            if len(chosen) >= self._height:
                break
        shown = set(list(dict.fromkeys([*chosen, *names]))[: self._height])
        return [name for name in names if name in shown]

    def _bar(self, host: str, changes: Sequence[_Change]) -> str:
        limit, used, length = self._limits[host], self._used[host], self._bar_length
        leaving = sum(self._needs[each.instance] for each in changes if each.source == host)
        arriving = sum(self._needs[each.instance] for each in changes if each.dest == host)
        whole = max(limit, used, 1)
        edges = [round(length * part / whole) for part in (used - leaving - arriving, used - arriving, used, limit)]
        settled, left, come, end = edges
        text = SETTLED * settled + LEAVING * (left - settled) + ARRIVING * (come - left) + FREE * (length - come)
        if used > limit:
            text = text[:end] + OVER * (length - end)
        share = used / limit if limit else (1.0 if used else 0.0)
        percent = round(100 * min(9.99, share))
        # what is not full must not look as if it were
        return f"{text} {min(99, percent) if used < limit else percent:3d}%"

    def _told(self, step: HostStep | Migration) -> str:
        if isinstance(step, HostStep):
            return f"{step.action} {self._names[step.host]}"
        return f"{self._labels[step.instance]}: {self._names[step.source]} -> {self._names[step.dest]}"

    def _named(self, step: HostStep | Migration) -> str:
        if isinstance(step, HostStep):
            return f"{step.action} {self._names[step.host]}"
        return f"{self._labels[step.instance]} to {self._names[step.dest]}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _counted(told: Sequence[str], most: int) -> list[str]:
    """The first of the lines, and how many more there are."""
    return [*told[: most - 1], f"  (and {len(told) - most + 1} more)"]


def _rest(lines: Sequence[str], begin: int, whole: str) -> str:
    """What stands in these lines from one of them on, in one."""
    return whole if begin == 0 else lines[begin] + " " + " ".join(each.strip() for each in lines[begin + 1 :])


def _seconds(amount: float) -> str:
    return f"{amount:.1f} s"


def _span(step: HostStep | Migration) -> str:
    return f"{step.start_s:.1f} to {_seconds(step.end_s)}"
