"""The loop that walks a plan: reads what the state machine wants, does what it says, tells it what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import msgspec
import tenacity
from oslo_log import log as logging

from vmpath_service.engine.asking import Asking, Senders, Threads
from vmpath_service.engine.executor import machine
from vmpath_service.engine.executor.beginning import begin
from vmpath_service.engine.executor.events import (
    Diverted,
    Event,
    HostActed,
    Intended,
    NotReplanned,
    Orders,
    Replanned,
    Tick,
)
from vmpath_service.engine.executor.extending import FACTS, Rest, extend, resumed
from vmpath_service.engine.executor.facts import Facts
from vmpath_service.engine.executor.instructions import (
    Absolve,
    Act,
    Ask,
    Blame,
    Finish,
    Instruction,
    Intend,
    Plan,
    Record,
    Send,
    Tell,
)
from vmpath_service.engine.executor.state import Planning, State
from vmpath_service.engine.ports import Alarm, Clock, Cloud, Happenings, Store
from vmpath_service.engine.replanning import Destination, in_quarantine
from vmpath_service.engine.slowdown import Slowdown
from vmpath_service.model.errors import (
    CloudBusy,
    CloudError,
    Conflict,
    Fenced,
    StoreError,
    VmpathError,
)
from vmpath_service.model.records import SETTLED, HostAction, Migration, RearrangementState

LOG = logging.getLogger(__name__)

STORE_ATTEMPTS = 5
SOONEST = 0.25
"""The share of the usual pause between two looks that passes in any case, whatever happens."""
RECENT = 0.75
"""Seconds that a reading of instances may be old, where what ended is looked at again twice as long after it."""
LONGEST_BACK_OFF = 30.0
"""Seconds between two looks at a cloud that does not answer, at most."""

FROZEN = "everything is frozen: nothing new starts before the thaw"

Answer = TypeVar("Answer")


class Teller(Protocol):
    """Keeps an event of the rearrangement; ``host``: the one that it is about."""

    def __call__(self, kind: str, message: str, step: int | None, host: str | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a planner gets to know: the walk as it is, and hosts that are not to be counted on."""

    state: State
    quarantined: tuple[str, ...]


class Planner(Protocol):
    """Makes new plans beside the walk."""

    def begin(self, what: Planning, outlook: Outlook, step: int | None) -> Future[Rest | Destination]:
        """Begin to work it out; the answer raises VmpathError where there is none."""

    def stop(self) -> None:
        """Nobody waits for an answer any more."""


class _Stopped(Exception):
    """The engine is asked to stop."""


def stored(call: Callable[[], Answer], clock: Clock, stopping: Callable[[], bool]) -> Answer:
    """Do something with the database that may be repeated, a few times if it fails; raises StoreError, Fenced."""
    try:
        return call()
    except Fenced:
        raise
    except StoreError as error:
        LOG.debug("Asked again: %s", error)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(
            lambda error: isinstance(error, StoreError) and not isinstance(error, Fenced)
        ),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
        stop=lambda attempt: attempt.attempt_number >= STORE_ATTEMPTS or stopping(),
        sleep=clock.wait,
        reraise=True,
    )
    return retrying(call)


class Walk:
    """Walks one plan from a state to its end.

    ``turnstile`` is held from looking at the other rearrangements and at the hosts until the intentions are
    journaled, so that no two rearrangements of this engine count on the same room. Requests are sent by ``senders``,
    as soon as their intentions are in the database, while the walk goes on: a step is not looked at before its request
    is answered or has timed out. ``act`` carries out a host step and says what became of it. What ``happenings``
    tells of one of the instances brings the next look forward.
    """

    def __init__(
        self,
        identity: str,
        epoch: int,
        state: State,
        *,
        cloud: Cloud,
        store: Store,
        clock: Clock,
        poll_seconds: float,
        turnstile: threading.Lock,
        stopping: Callable[[], bool],
        tell: Teller,
        slowdown: Slowdown,
        planner: Planner,
        act: Callable[[HostAction], HostAction],
        happenings: Happenings | None = None,
        senders: Callable[[], Senders] = Threads,
    ) -> None:
        self._identity = identity
        self._happenings = happenings
        self._watched: frozenset[str] = frozenset()
        self._end_watch: Callable[[], None] | None = None
        self._epoch = epoch
        self._state = state
        self._cloud = cloud
        self._store = store
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._turnstile = turnstile
        self._stopping = stopping
        self._tell = tell
        self._slowdown = slowdown
        self._planner = planner
        self._act = act
        self._finish: Finish | None = None
        self._look_again = False
        self._out_of_reach = False
        self._frozen = False
        self._trouble: StoreError | None = None
        self._quarantined: tuple[str, ...] = ()
        self._planning: tuple[Plan, frozenset[int], Future[Rest | Destination]] | None = None
        self._recent = min(RECENT, state.settings.settle_seconds / 2)
        self._asking = Asking(
            identity,
            cloud=cloud,
            clock=clock,
            slowdown=slowdown,
            settle_seconds=state.settings.request_settle_seconds,
            still_ours=self._still_ours,
            stopping=stopping,
            senders=senders(),
        )
        self._to_ask: list[Send | Ask] = []
        self._answers: list[Event] = []
        self._to_act: list[HostAction] = []

    def run(self) -> Finish | None:
        """Walk until nothing will happen any more; None: the engine is asked to stop, all is journaled.

        Raises Fenced when another engine has taken over, StoreError when the database fails for longer than a few
        attempts: the walk is then taken up again from what the database has.
        """
        looking = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(CloudError),
            wait=tenacity.wait_random_exponential(multiplier=self._poll_seconds, max=LONGEST_BACK_OFF),
            stop=lambda _: self._stopping(),
            sleep=self._clock.wait,
            before_sleep=self._not_reached,
            reraise=True,
        )
        self._cloud.expect(len({task.step.instance for task in self._state.tasks.values() if not task.settled()}))
        alarm = self._clock.alarm()
        try:
            with contextlib.suppress(_Stopped):
                while self._finish is None and not self._stopping():
                    self._be_hurried(alarm)
                    looking(self._look)
                    if self._finish is None and not self._look_again:
                        soonest = self._clock.monotonic() + SOONEST * self._poll_seconds
                        self._hear(SOONEST * self._poll_seconds)
                        self._clock.wait(max(0.0, soonest - self._clock.monotonic()))
                        alarm.wait((1 - SOONEST) * self._poll_seconds)
            self._hear(None)
            return self._finish
        except (CloudError, StoreError) as error:
            if not self._stopping() or isinstance(error, Fenced):
                raise
        finally:
            if self._end_watch is not None:
                self._end_watch()
            if self._planning is not None:
                self._planner.stop()
            self._asking.close()
        return None

    def _be_hurried(self, alarm: Alarm) -> None:
        """Have the alarm rung for the instances of all steps there are by now."""
        instances = frozenset(task.step.instance for task in self._state.tasks.values())
        if self._happenings is None or instances == self._watched:
            return
        if self._end_watch is not None:
            self._end_watch()
        self._watched, self._end_watch = instances, self._happenings.watch(instances, alarm.ring)

    def _look(self) -> None:
        """One tick; raises CloudError, with nothing decided, if the cloud cannot be read."""
        if self._stopping():
            raise _Stopped
        if self._slowdown.left():
            self._clock.wait(self._slowdown.left())
            if self._stopping():
                raise _Stopped
        self._look_again = False
        self._take_plan()
        # known before the look, and written down with what that shows
        self._answers += self._asking.take()
        with self._turn() if machine.may_start_something(self._state) else contextlib.nullcontext():
            tick = self._read()
            self._apply_together(tick, partial(self._send, self._clock.monotonic()))
        acts, self._to_act = self._to_act, []
        if acts:
            # what was asked for before is to find the hosts as they were when it was decided
            self._hear(None)
        for action in acts:
            self._apply(HostActed(self._done(action)))
        if self._trouble is not None:
            self._hear(None)
            raise self._trouble

    def _send(self, decided_at: float) -> None:
        """Have asked what is to be asked."""
        asked, self._to_ask = self._to_ask, []
        self._look_again |= len(asked) >= machine.MOST_AT_ONCE
        self._asking.send(asked, decided_at)

    def _hear(self, seconds: float | None) -> None:
        """Wait for answers, until all are there (None) or for so long, and take them in."""
        self._asking.wait(seconds)
        self._answers += self._asking.take()
        if self._answers:
            self._apply_together()

    def _still_ours(self) -> bool:
        try:
            return self._store.get(self._identity).epoch == self._epoch
        except StoreError:
            return False

    def _tell_frozen(self, frozen: bool) -> None:
        """Whoever watches is to know why nothing new starts, and since when it may again."""
        if frozen and not self._frozen:
            self._tell("rearrangement.frozen", FROZEN, None)
        elif self._frozen and not frozen:
            self._tell("rearrangement.thawed", "the freeze is lifted: what is left may start", None)
        self._frozen = frozen

    def _orders(self) -> Orders:
        cool_down = self._state.settings.cool_down_seconds

        def read() -> Orders:
            with self._store.at_once():
                return found()

        def found() -> Orders:
            rearrangement = self._store.get(self._identity)
            if rearrangement.epoch != self._epoch:
                raise Fenced(f"rearrangement {self._identity} belongs to {rearrangement.owner} now")
            since = self._clock.time() - cool_down
            return Orders(
                frozen=self._store.frozen() is not None,
                paused=rearrangement.state is RearrangementState.PAUSED,
                cancel=rearrangement.cancel_requested,
                abort=rearrangement.abort_requested,
                rollback=rearrangement.rolling_back,
                elsewhere=tuple(self._store.unresolved(but=self._identity)),
                troubles=self._store.troubles(),
                moved=self._store.moved_since(since, but=self._identity) if cool_down else {},
            )

        return self._stored(read)

    def _read(self) -> Tick:
        """Look at the cloud: what ended is seen before the room that it left.

        The others' migrations are asked for before the room that they may be about to take; whether anything may
        start at all is asked again last, as reading a large cloud takes a while.
        """
        before = self._orders()
        self._tell_frozen(before.frozen)
        wanted = machine.wanted(self._state, before)
        now = self._clock.monotonic()
        migrations = self._cloud.read_migrations(wanted.instances) if wanted.instances else {}
        wanted = machine.glance(self._state, before, wanted, migrations)
        instances = self._cloud.read_instances(wanted.instances, within=self._recent) if wanted.instances else {}
        allocations = self._cloud.read_allocations(wanted.holdings) if wanted.holdings else {}
        hosts = self._cloud.read_hosts(wanted.hosts) if wanted.hosts else {}
        if wanted.instances:
            self._slowdown.fine()
            if self._out_of_reach:
                self._out_of_reach = False
                self._tell("cloud.reached", "the cloud answers again", None)
        orders = self._orders() if wanted.candidates or self._acts_are_open() else before
        known = {(each.rearrangement, each.step) for each in before.elsewhere}
        new = tuple(each for each in orders.elsewhere if (each.rearrangement, each.step) not in known)
        orders = dataclasses.replace(orders, elsewhere=before.elsewhere + new)
        self._quarantined = in_quarantine(orders.troubles, self._state.settings.quarantine.failures)
        return Tick(now, self._clock.time(), orders, wanted, instances, hosts, migrations, allocations)

    def _acts_are_open(self) -> bool:
        return any(task.open() for task in self._state.host_tasks.values())

    def _apply_together(self, tick: Tick | None = None, send: Callable[[], None] = lambda: None) -> None:
        """Feed what was answered, and a look, to the machine. All that follows is in the database, in one transaction,
        before anything is asked of Nova; that is the first thing then."""
        answers, self._answers = self._answers, []
        with self._store.together():
            self._store.afterwards(send)
            for event in (*answers, *(() if tick is None else (tick,))):
                self._apply(event)
        send()

    def _apply(self, event: Event) -> None:
        """Feed an event to the machine and do what it says; what is to be asked of Nova is kept for later."""
        self._state, instructions = machine.advance(self._state, event)
        for instruction in instructions:
            self._do(instruction)

    def _do(self, instruction: Instruction) -> None:
        match instruction:
            case Record(migration):
                self._record(migration)
            case Tell(kind, message, step):
                self._tell(kind, message, step)
            case Intend(migration):
                self._intend(migration)
            case Send() | Ask():
                self._to_ask.append(instruction)
            case Act(action):
                self._to_act.append(action)
            case Plan(what, step):
                outlook = Outlook(self._state, self._quarantined)
                known = frozenset(
                    number for number, task in self._state.tasks.items() if task.record.failure is not None
                )
                self._planning = (instruction, known, self._planner.begin(what, outlook, step))
            case Blame(hosts, reason, limit):
                for host in hosts:
                    trouble = self._stored(partial(self._store.blame, host, reason))
                    if trouble.failures == limit:
                        self._tell("host.quarantined", f"host {host} is in quarantine, after {reason}", None, host)
            case Absolve(hosts):
                for host in hosts:
                    if self._stored(partial(self._store.absolve, host)):
                        self._tell("host.absolved", f"host {host} works again: a migration is done", None, host)
            case Finish():
                self._finish = instruction

    def _intend(self, migration: Migration) -> None:
        if self._trouble is not None or self._stopping():
            return
        try:
            self._store.intend(self._epoch, migration)
        except Fenced:
            raise
        except (StoreError, Conflict) as error:
            # it may be in the database or not: what the database has is read again before going on
            LOG.warning("Rearrangement %s: an intention was not journaled: %s", self._identity, error)
            self._trouble = StoreError(f"step {migration.step} could not be journaled: {error}")
            return
        self._apply(Intended(migration.step))

    def _record(self, migration: Migration) -> None:
        self._stored(lambda: self._store.record(self._epoch, migration))
        self._look_again |= migration.state in SETTLED

    def _done(self, action: HostAction) -> HostAction:
        """Carry out a host step and write down what became of it."""

        def keep(now: HostAction) -> None:
            self._stored(lambda: self._store.record_host_action(self._epoch, now))

        keep(action)
        try:
            ended = self._act(action)
        except CloudError as error:
            ended = msgspec.structs.replace(action, state="failed", reason=str(error))
        ended = msgspec.structs.replace(ended, ended_at=self._clock.time())
        keep(ended)
        said = f": {ended.reason}" if ended.reason else ""
        kind = f"host.{ended.action}d" if ended.state == "done" else "host.failed"
        self._tell(kind, f"{ended.action} {ended.host} {ended.state}{said}", ended.step, ended.host)
        return ended

    def _take_plan(self) -> None:
        """Take over what the planner has worked out, if it has."""
        if self._planning is None or not self._planning[2].done():
            return
        asked, known, future = self._planning
        self._planning = None
        try:
            found = future.result()
        except VmpathError as error:
            if self._stopping():
                # whoever planned was told to end: it is planned in the next life
                raise _Stopped from None
            no = NotReplanned(str(error)) if asked.step is None else Diverted(asked.step, None, str(error))
            self._apply(no)
            return
        if isinstance(found, Destination) and asked.step is not None:
            self._apply(Diverted(asked.step, found.host, found.message))
        elif isinstance(found, Rest):
            self._apply(self._extended(found, known))

    def _extended(self, rest: Rest, known: frozenset[int]) -> Replanned:
        """Have the longer plan in the database, and the state that goes with it."""
        plan = self._stored(lambda: self._store.plan(self._identity))
        records = [task.record for task in self._state.tasks.values()]
        longer = extend(self._identity, plan, records, rest, known)
        # tried again it would find its own steps there: whether it was done is read anew
        self._store.extend_plan(self._identity, self._epoch, longer.plan, longer.added, longer.changed)
        fresh = begin(
            longer.plan,
            self._stored(lambda: self._store.migrations(self._identity)),
            Facts.of(longer.plan.extra[FACTS]),
            self._state.settings,
            self._stored(lambda: self._store.host_actions(self._identity)),
        )
        given_up = f"; given up: {'; '.join(rest.given_up)}" if rest.given_up else ""
        message = f"a new plan for the rest: {len(longer.added)} migrations{given_up}"
        return Replanned(resumed(fresh, self._state), message)

    def _stored(self, call: Callable[[], Answer]) -> Answer:
        return stored(call, self._clock, self._stopping)

    def _not_reached(self, attempt: tenacity.RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        if isinstance(error, CloudBusy):
            self._slowdown.busy(error.retry_after)
        if not self._out_of_reach:
            self._out_of_reach = True
            self._tell("cloud.unreachable", f"nothing is decided until the cloud can be read again: {error}", None)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        while not self._turnstile.acquire(timeout=0.5):
            if self._stopping():
                raise _Stopped
        try:
            yield
        finally:
            self._turnstile.release()
