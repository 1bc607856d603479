"""The loop that walks a plan: reads what the state machine wants, does what it says, tells it what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import tenacity
from oslo_log import log as logging

from vmpath_service.engine.executor import machine
from vmpath_service.engine.executor.events import Accepted, AnswerLost, Event, Intended, Orders, Refused, Tick
from vmpath_service.engine.executor.instructions import Finish, Intend, Record, Send, Tell
from vmpath_service.engine.executor.state import State
from vmpath_service.engine.ports import Alarm, Clock, Cloud, Happenings, Store
from vmpath_service.model.errors import CloudDenied, CloudError, Conflict, Fenced, RequestRefused, StoreError
from vmpath_service.model.records import SETTLED, Migration, RearrangementState

LOG = logging.getLogger(__name__)

SENDERS = 8
"""How many requests are sent at once."""
STORE_ATTEMPTS = 5
SOONEST = 0.25
"""The share of the usual pause between two looks that passes in any case, whatever happens."""
LONGEST_BACK_OFF = 30.0
"""Seconds between two looks at a cloud that does not answer, at most."""

FROZEN = "everything is frozen: nothing new starts before the thaw"

Answer = TypeVar("Answer")
Teller = Callable[[str, str, int | None], None]


class _Stopped(Exception):
    """The engine is asked to stop."""


def stored(call: Callable[[], Answer], clock: Clock, stopping: Callable[[], bool]) -> Answer:
    """Do something with the database that may be repeated, a few times if it fails; raises StoreError, Fenced."""
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
    journaled, so that no two rearrangements of this engine count on the same room. Requests of one tick are sent
    by a few threads at once; the next look is taken when all of them have answered or timed out, so that it shows
    the cloud as it is after them. What ``happenings`` tells of one of the instances brings the next look forward.
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
        happenings: Happenings | None = None,
    ) -> None:
        self._identity = identity
        self._happenings = happenings
        self._epoch = epoch
        self._state = state
        self._cloud = cloud
        self._store = store
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._turnstile = turnstile
        self._stopping = stopping
        self._tell = tell
        self._finish: Finish | None = None
        self._something_ended = False
        self._out_of_reach = False
        self._frozen = False
        self._trouble: StoreError | None = None

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
        alarm = self._clock.alarm()
        with self._hurried_by(alarm), ThreadPoolExecutor(SENDERS, f"send-{self._identity[:8]}") as senders:
            try:
                while not self._stopping():
                    looking(self._look, senders)
                    if self._finish is not None:
                        return self._finish
                    if not self._something_ended:
                        self._clock.wait(SOONEST * self._poll_seconds)
                        alarm.wait((1 - SOONEST) * self._poll_seconds)
            except _Stopped:
                pass
            except (CloudError, StoreError) as error:
                if not self._stopping() or isinstance(error, Fenced):
                    raise
        return None

    @contextlib.contextmanager
    def _hurried_by(self, alarm: Alarm) -> Iterator[None]:
        if self._happenings is None:
            yield
            return
        instances = {task.step.instance for task in self._state.tasks.values() if not task.settled()}
        end = self._happenings.watch(instances, alarm.ring)
        try:
            yield
        finally:
            end()

    def _look(self, senders: ThreadPoolExecutor) -> None:
        """One tick; raises CloudError, with nothing decided, if the cloud cannot be read."""
        if self._stopping():
            raise _Stopped
        self._something_ended = False
        orders = self._orders()
        self._tell_frozen(orders.frozen)
        wanted = machine.wanted(self._state, orders)
        if wanted.candidates:
            with self._turn():
                sends = self._apply(self._read())
        else:
            sends = self._apply(self._read())
        for answer in senders.map(self._ask, sends):
            self._apply(answer)
        if self._trouble is not None:
            raise self._trouble

    def _tell_frozen(self, frozen: bool) -> None:
        """Whoever watches is to know why nothing new starts, and since when it may again."""
        if frozen and not self._frozen:
            self._tell("rearrangement.frozen", FROZEN, None)
        elif self._frozen and not frozen:
            self._tell("rearrangement.thawed", "the freeze is lifted: what is left may start", None)
        self._frozen = frozen

    def _orders(self) -> Orders:
        def read() -> Orders:
            rearrangement = self._store.get(self._identity)
            if rearrangement.epoch != self._epoch:
                raise Fenced(f"rearrangement {self._identity} belongs to {rearrangement.owner} now")
            return Orders(
                frozen=self._store.frozen() is not None,
                paused=rearrangement.state is RearrangementState.PAUSED,
                cancel=rearrangement.cancel_requested,
                elsewhere=tuple(each for each in self._store.unresolved() if each.rearrangement != self._identity),
            )

        return stored(read, self._clock, self._stopping)

    def _read(self) -> Tick:
        """Look at the cloud: what ended is seen before the room that it left.

        The others' migrations are asked for before the room that they may be about to take; whether anything may
        start at all is asked again last, as reading a large cloud takes a while.
        """
        before = self._orders()
        wanted = machine.wanted(self._state, before)
        now = self._clock.monotonic()
        migrations = self._cloud.read_migrations(wanted.instances) if wanted.instances else {}
        instances = self._cloud.read_instances(wanted.instances) if wanted.instances else {}
        hosts = self._cloud.read_hosts(wanted.hosts) if wanted.hosts else {}
        if self._out_of_reach and wanted.instances:
            self._out_of_reach = False
            self._tell("cloud.reached", "the cloud answers again", None)
        orders = self._orders()
        known = {(each.rearrangement, each.step) for each in before.elsewhere}
        new = tuple(each for each in orders.elsewhere if (each.rearrangement, each.step) not in known)
        orders = dataclasses.replace(orders, elsewhere=before.elsewhere + new)
        return Tick(now, self._clock.time(), orders, wanted, instances, hosts, migrations)

    def _apply(self, event: Event) -> list[Send]:
        """Feed an event to the machine and do what it says; returns what is to be sent."""
        self._state, instructions = machine.advance(self._state, event)
        sends: list[Send] = []
        for instruction in instructions:
            match instruction:
                case Record(migration):
                    self._record(migration)
                case Tell(kind, message, step):
                    self._tell(kind, message, step)
                case Intend(migration):
                    if self._trouble is None and not self._stopping():
                        try:
                            self._store.intend(self._epoch, migration)
                        except Fenced:
                            raise
                        except (StoreError, Conflict) as error:
                            # it may be in the database or not: what the database has is read again before going on
                            LOG.warning("Rearrangement %s: an intention was not journaled: %s", self._identity, error)
                            self._trouble = StoreError(f"step {migration.step} could not be journaled: {error}")
                            continue
                        sends += self._apply(Intended(migration.step))
                case Send():
                    sends.append(instruction)
                case Finish():
                    self._finish = instruction
        return sends

    def _record(self, migration: Migration) -> None:
        stored(lambda: self._store.record(self._epoch, migration), self._clock, self._stopping)
        self._something_ended |= migration.state in SETTLED

    def _ask(self, send: Send) -> Event:
        try:
            self._cloud.live_migrate(send.instance, send.dest)
        except (RequestRefused, CloudDenied) as error:
            return Refused(send.step, self._clock.time(), str(error))
        except CloudError as error:
            return AnswerLost(send.step, str(error))
        except Exception as error:
            LOG.exception("Rearrangement %s: the request of step %s broke", self._identity, send.step)
            return AnswerLost(send.step, f"{type(error).__name__}: {error}")
        return Accepted(send.step)

    def _not_reached(self, attempt: tenacity.RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
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
