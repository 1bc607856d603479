"""The state machine itself: ``advance`` takes an event and says what is to be done; ``wanted`` what to look at."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from vmpath_service.engine.executor import answering, demands, following
from vmpath_service.engine.executor.admission import Load, urgency
from vmpath_service.engine.executor.concluding import conclusion, ended_how
from vmpath_service.engine.executor.demands import name
from vmpath_service.engine.executor.events import (
    Accepted,
    AnswerLost,
    Busy,
    Diverted,
    Event,
    HostActed,
    Intended,
    NotReplanned,
    Orders,
    Refused,
    Replanned,
    Tick,
    Wanted,
)
from vmpath_service.engine.executor.instructions import Act, Blame, Finish, Instruction, Intend, Record, Send, Tell
from vmpath_service.engine.executor.starting import Drop, Room, Start, Wait, turned_down, verdict
from vmpath_service.engine.executor.state import HostTask, State, Task
from vmpath_service.model.readings import MigrationOutcome, MigrationReading
from vmpath_service.model.records import Demand, FailureKind, HostTrouble, MigrationState

MOST_WAITING = 50
"""How many migrations that wait for their destination are looked at in one tick."""
MOST_AHEAD = 50
"""How many are looked at in one tick for which there is no place yet."""

MOST_AT_ONCE = 32
"""How many requests may wait for their answer before more is started; the rest follows in the next tick. What is
started together ends together, and all places would be free while the requests for the next ones are made."""

Advanced = tuple[State, tuple[Instruction, ...]]


def wanted(state: State, orders: Orders) -> Wanted:
    """What has to be read for the next tick: all in flight, and what could start if its readings allow it."""
    flying = state.flying()
    candidates = list(_candidates(state, orders)) if _may_start(state, orders) else []
    instances = dict.fromkeys(task.step.instance for task in (*flying, *candidates))
    hosts = dict.fromkeys(host for task in candidates for host in (task.step.source, task.step.dest))
    holdings = [
        task.step.instance
        for task in flying
        if state.settings.reset_state
        and task.record.demand is Demand.ABORT
        and task.record.state is MigrationState.VERIFYING
    ]
    return Wanted(tuple(instances), tuple(hosts), tuple(task.step.id for task in candidates), tuple(holdings))


def glance(
    state: State, orders: Orders, wanted: Wanted, migrations: Mapping[str, Sequence[MigrationReading]]
) -> Wanted:
    """What is left to be read when the migrations are known: no hosts, while every place is taken."""
    load = Load(state, orders.elsewhere)
    fits = any(load.admits(state.tasks[number].step) for number in wanted.candidates)
    ended = any(
        nova is not None and nova.outcome is not MigrationOutcome.UNDER_WAY
        for task in state.flying()
        if task.record.state is not MigrationState.VERIFYING
        if (nova := following.ours(task.record, migrations.get(task.step.instance, ()))) is not None
    )
    if fits or ended:
        return wanted
    return replace(wanted, hosts=(), candidates=())


def may_start_something(state: State) -> bool:
    """Whether the next tick may start something, if orders, limits and readings permit."""
    return _may_start(state, Orders()) and any(True for _ in _ready(state))


def advance(state: State, event: Event) -> Advanced:
    """The next state, and what is to be done now, in this order."""
    if state.finished:
        return state, ()
    match event:
        case Tick():
            return _tick(state, event)
        case Intended(step):
            task = state.tasks[step]
            if task.sent or task.record.state is not MigrationState.REQUESTED:
                return state, ()
            told = Tell("migration.requested", f"{name(task)} requested", step)
            send = Send(step, task.step.instance, task.step.dest, task.record.method)
            return state.with_task(replace(task, sent=True)), (told, send)
        case Accepted() | Refused() | Busy() | AnswerLost():
            return _demanded(state, event) if event.demand is not None else _answered(state, event)
        case HostActed(action):
            task_of_host = replace(state.host_tasks[action.step], record=action, asked=False)
            return state.with_host_task(task_of_host), ()
        case Replanned(newer, message):
            return newer, (Tell("rearrangement.replanned", message),)
        case NotReplanned(reason):
            found = [task for task in state.tasks.values() if answering.is_open(state, task)]
            told = Tell("rearrangement.not_replanned", f"no new plan for the rest: {reason}")
            return replace(answering.answered(state, found), planning=None, plan_asked=False), (told,)
        case Diverted(step, dest, message):
            return _diverted(replace(state, planning=None), step, dest, message)


def _may_start(state: State, orders: Orders) -> bool:
    """Whether anything new may start: while a new plan is made for the rest, nothing of the old one does."""
    replanning = state.planning is not None and state.planning[0] == "rest"
    return orders.may_start() and state.halted is None and not replanning and not _turns_back(state, orders)


def _turns_back(state: State, orders: Orders) -> bool:
    """Whether what was moved is to go back, and the way back is not walked yet."""
    return orders.rollback and state.back_from is None


def _answered(state: State, event: Accepted | Refused | Busy | AnswerLost) -> Advanced:
    """What Nova says to the request that starts a step."""
    task = state.tasks[event.step]
    open_ = task.record.state is MigrationState.REQUESTED and task.record.nova_migration is None
    match event:
        case Accepted(step):
            told = Tell("migration.accepted", f"{name(task)} accepted by Nova", step)
            return state.with_task(replace(task, answered=True)), (told,)
        case Refused(step, at, reason) if open_:
            task, instructions = following.settle(
                task, MigrationState.FAILED, f"Nova refused the request: {reason}", at, FailureKind.REFUSED
            )
            return state.with_task(task), instructions
        case Busy(step, at, reason) if open_:
            record = msgspec.structs.replace(task.record, state=MigrationState.PENDING, reason=reason)
            held = Task(task.step, record, rest=state.settings.retry_seconds)
            told = Tell("migration.held", f"{name(task)} is asked for again later: {reason}", step)
            return state.with_task(held), (Record(record), told)
        case AnswerLost(step, reason):
            message = f"{name(task)}: the answer was lost ({reason}); looking for what became of it"
            return state.with_task(replace(task, lost=True)), (Tell("migration.answer_lost", message, step),)
    return state, ()


def _demanded(state: State, event: Accepted | Refused | Busy | AnswerLost) -> Advanced:
    """What Nova says to a demand about a migration under way."""
    task, demand = state.tasks[event.step], event.demand
    if demand is None or task.record.demand is not demand:
        return state, ()
    what = f"{name(task)}: {demand.value}"
    match event:
        case Accepted(step):
            return state.with_task(demands.answered(task, demand)), (
                Tell("migration.demand_accepted", f"{what} accepted by Nova", step),
            )
        case Refused(step, _, reason) | Busy(step, _, reason):
            return state.with_task(demands.refused(task, demand, reason)), (
                Tell("migration.demand_refused", f"{what} refused: {reason}", step),
            )
        case AnswerLost(step, reason):
            told = Tell("migration.answer_lost", f"{what}: the answer was lost ({reason})", step)
            return state, (told,)


def _diverted(state: State, step: int, dest: str | None, message: str) -> Advanced:
    """Go on with a step that has failed to another destination, if there is one."""
    task = state.tasks[step]
    if dest is None or task.record.state is not MigrationState.FAILED:
        told = Tell("migration.not_diverted", f"{name(task)}: {message}", step)
        return state.with_task(replace(task, settled_failure=True)), (told,)
    record = msgspec.structs.replace(
        task.record,
        state=MigrationState.PENDING,
        dest=dest,
        tried=(*task.record.tried, task.record.dest),
        failures=0,
        ended_at=None,
        progress=None,
        demand=None,
        demanded_at=None,
    )
    told = Tell("migration.diverted", f"{name(task)} goes to {dest} instead: {message}", step)
    # the request to the old destination may still be on its way
    rest = state.settings.rest(1, task.answered)
    moved = Task(replace(task.step, dest=dest), record, rest=rest)
    return state.with_task(moved), (Record(record), told)


def _tick(state: State, tick: Tick) -> Advanced:
    instructions: list[Instruction] = []
    for stage in (_rest, _follow, _answer, _leave_out, _act, _start, _finish):
        state, more = stage(state, tick)
        instructions += more
        if stage is _follow:
            # what has just failed counts for what would start just now
            tick = _blamed(tick, more)
    return state, tuple(instructions)


def _blamed(tick: Tick, instructions: Iterable[Instruction]) -> Tick:
    troubles = dict(tick.orders.troubles)
    blames = [each for each in instructions if isinstance(each, Blame)]
    for each in blames:
        for host in each.hosts:
            before = troubles.get(host) or HostTrouble(host, 0, tick.at, tick.at, "")
            troubles[host] = msgspec.structs.replace(
                before, failures=before.failures + 1, last_at=tick.at, reason=each.reason
            )
    return replace(tick, orders=replace(tick.orders, troubles=troubles))


def _rest(state: State, tick: Tick) -> Advanced:
    """Let what is to be tried again become ready when it has rested; after a crash the rest begins anew."""
    changed: dict[int, Task] = {}
    for number, task in state.tasks.items():
        if task.rest is None:
            continue
        since = tick.now if task.rest_since is None else task.rest_since
        rested = tick.now - since >= task.rest
        changed[number] = replace(task, rest=None if rested else task.rest, rest_since=None if rested else since)
    return state.with_tasks(changed), ()


def _follow(state: State, tick: Tick) -> Advanced:
    """Look at everything in flight. What is being asked for just now is not: what Nova shows may be of before."""
    changed: dict[int, Task] = {}
    instructions: list[Instruction] = []
    looked_at = frozenset(tick.wanted.instances)
    for task in state.flying():
        number = task.step.id
        if task.step.instance in looked_at and not task.awaits_answer():
            changed[number], more = following.follow(task, tick, state.settings)
            instructions += more
            instructions += following.blame(task, changed[number], state.settings)
    state, told = answering.watch_rate(state.with_tasks(changed))
    return state, (*instructions, *told)


def _answer(state: State, tick: Tick) -> Advanced:
    """Do what is to be done about failures."""
    state, told = answering.answer(state, tick)
    state, asked = answering.ask_planner(state)
    return state, (*told, *asked)


def _leave_out(state: State, tick: Tick) -> Advanced:
    """Skip what waits for a migration that was not done, and everything once the walk is cancelled or halted."""
    changed: dict[int, Task] = {}
    instructions: list[Instruction] = []
    cancelled = state.cancelled or (tick.orders.cancel and any(task.open() for task in state.host_tasks.values()))
    for number, task in state.tasks.items():
        if task.record.state is not MigrationState.PENDING:
            continue
        reason = _ended_before(state, changed, task)
        if reason is None and tick.orders.cancel:
            reason = "the rearrangement was cancelled"
            cancelled = True
        elif reason is None and _turns_back(state, tick.orders):
            reason = "the rearrangement is rolled back"
        elif reason is None and state.halted is not None:
            reason = f"nothing more is started after {state.halted}"
        if reason is not None:
            changed[number], more = following.leave(task, reason, tick.at)
            instructions += more
    return replace(state.with_tasks(changed), cancelled=cancelled), tuple(instructions)


def _ended_before(state: State, changed: dict[int, Task], task: Task) -> str | None:
    """Why what a step waits for will never be done; nothing while something is being done about it."""
    for before in task.step.after:
        if before in state.host_tasks:
            host = state.host_tasks[before].record
            if host.state == "failed":
                return f"it waits for step {before}, {host.action} {host.host}, which failed: {host.reason}"
            continue
        other = changed.get(before) or state.tasks[before]
        lost = other.record.state in (MigrationState.FAILED, MigrationState.SKIPPED)
        if lost and not answering.is_open(state, other):
            return f"it waits for step {before}, which {ended_how(other.record.state)}"
    return None


def _act(state: State, tick: Tick) -> Advanced:
    """Begin host steps of which everything before has ended."""
    if not _may_start(state, tick.orders):
        return state, ()
    instructions: list[Instruction] = []
    for task in state.host_tasks.values():
        if not task.settled() and not task.asked and all(map(state.ended_well, task.after)):
            state = state.with_host_task(replace(task, asked=True))
            instructions.append(Act(task.record))
    return state, tuple(instructions)


def _ready(state: State) -> Iterator[Task]:
    """Tasks that only their hosts and limits may hold back."""
    first = _wave(state) if state.settings.pace == "waves" else None
    for task in state.tasks.values():
        if (
            task.record.state is MigrationState.PENDING
            and task.rest is None
            and (first is None or task.step.wave <= first)
            and all(map(state.ended_well, task.step.after))
        ):
            yield task


def _wave(state: State) -> int:
    """The wave that is being carried out."""
    return min((task.step.wave for task in state.tasks.values() if not task.settled()), default=1)


def _candidates(state: State, orders: Orders) -> Iterator[Task]:
    """What would start if nothing stood in the way, some of what something stood in the way of before, and some of
    what could start if the look shows that others have ended: so that it does at once."""
    now = Load(state, orders.elsewhere)
    later = Load(state, orders.elsewhere, without_own=True)
    waiting = ahead = 0
    for task in sorted(_ready(state), key=urgency):
        if later.full():
            break
        if not later.admits(task.step):
            continue
        fits = now.admits(task.step)
        if task.waiting_for is not None:
            # does not take a place in the queue, or it would keep others from being looked at
            if fits and waiting < MOST_WAITING:
                waiting += 1
                yield task
        elif fits or ahead < MOST_AHEAD:
            later.add(task.step)
            if fits:
                now.add(task.step)
            else:
                ahead += 1
            yield task


def _start(state: State, tick: Tick) -> Advanced:
    """Start what may start, on readings that were taken after all that was asked for before."""
    if not _may_start(state, tick.orders):
        return _stop_waiting(state, {}), ()
    load = Load(state, tick.orders.elsewhere)
    room = Room(tick, state)
    learned = turned_down(state)
    changed: dict[int, Task] = {}
    instructions: list[Instruction] = []
    begun = sum(1 for task in state.flying() if task.awaits_answer())
    for task in sorted((state.tasks[number] for number in tick.wanted.candidates), key=urgency):
        if begun >= MOST_AT_ONCE:
            break
        if task.record.state is not MigrationState.PENDING or not load.admits(task.step):
            continue
        more: tuple[Instruction, ...] = ()
        match verdict(task, tick, state, room, load, learned):
            case Start(was):
                task, more = _intend(task, tick, was)
                begun += 1
                load.add(task.step)
                room.take(task)
            case Wait(reason, limited):
                limited = limited and not load.touches(task.step.dest)
                task, more = _wait(task, reason, limited, tick, state.settings.start_wait_seconds)
            case Drop(MigrationState.SKIPPED, reason, failure):
                task, more = following.leave(task, reason, tick.at, failure)
            case Drop(ending, reason, failure):
                task, more = following.settle(task, ending, reason, tick.at, failure)
        changed[task.step.id] = task
        instructions += more
    return _stop_waiting(state.with_tasks(changed), changed), tuple(instructions)


def _stop_waiting(state: State, looked_at: Container[int]) -> State:
    """The time that a start is held back by limits or orders is not held against it."""
    return state.with_tasks(
        {
            number: replace(task, waiting_since=None)
            for number, task in state.tasks.items()
            if task.waiting_since is not None and number not in looked_at
        }
    )


def _intend(task: Task, tick: Tick, was: str) -> tuple[Task, tuple[Instruction, ...]]:
    record = msgspec.structs.replace(
        task.record,
        state=MigrationState.REQUESTED,
        attempt=task.record.attempt + 1,
        baseline=following.newest(tick.migrations.get(task.step.instance, ())),
        was=was,
        intended_at=tick.at,
        nova_migration=None,
        reason=None,
        method=task.step.method,
        demand=None,
        demanded_at=None,
    )
    return replace(task, record=record, waiting_since=None, waiting_for=None), (Intend(record),)


def _wait(task: Task, reason: str, limited: bool, tick: Tick, limit: float) -> tuple[Task, tuple[Instruction, ...]]:
    """Hold a start back; while something of ours may still change the host, the time does not count."""
    since = tick.now if task.waiting_since is None or not limited else task.waiting_since
    if limited and tick.now - since >= limit:
        late = f"not started within {limit:g} s: {reason}"
        if task.record.attempt:
            return following.leave(task, late, tick.at, FailureKind.NOT_STARTED)
        return following.settle(task, MigrationState.FAILED, late, tick.at, FailureKind.NOT_STARTED)
    told: tuple[Instruction, ...] = ()
    if task.waiting_for is None:
        told = (Tell("migration.waiting", f"{name(task)} waits: {reason}", task.step.id),)
    return replace(task, waiting_since=since, waiting_for=reason), told


def _finish(state: State, tick: Tick) -> Advanced:
    """End the walk when nothing is left to be done, nor anything being done about what has failed."""
    if not all(task.settled() for task in state.tasks.values()) or any(_at_work(state, tick.orders)):
        return state, ()
    return replace(state, finished=True), (Finish(*conclusion(state, rollback=_turns_back(state, tick.orders))),)


def _at_work(state: State, orders: Orders) -> Iterator[bool]:
    over = not orders.may_go_on() or state.halted is not None
    if state.planning is not None and not over:
        yield True
    if not over and any(answering.is_open(state, task) for task in state.tasks.values()):
        yield True
    yield from (_acting(task, over, state) for task in state.host_tasks.values())


def _acting(task: HostTask, over: bool, state: State) -> bool:
    """Whether a host step is being carried out, or will be."""
    if task.settled():
        return False
    return task.asked or (not over and all(map(state.ended_well, task.after)))
