"""The engine: takes orders, and carries each rearrangement through its life in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from oslo_log import log as logging

from vmpath_service.engine import views
from vmpath_service.engine.executor.beginning import BACK
from vmpath_service.engine.keeping import Keeper
from vmpath_service.engine.perseverance import persevere
from vmpath_service.engine.planning import Job, Work, apart, job_for
from vmpath_service.engine.ports import Clock, Cloud, Happenings, Store, Within, just_made
from vmpath_service.engine.rearranging import Rearranging, Surroundings
from vmpath_service.engine.replanning import in_quarantine
from vmpath_service.engine.settings import EngineSettings, PolicySection
from vmpath_service.engine.slowdown import Slowdown
from vmpath_service.model import event_kinds
from vmpath_service.model.errors import Conflict, Fenced, InvalidInput, NotFound, Outdated, PlanningFailed, StoreError
from vmpath_service.model.hints import hint
from vmpath_service.model.options import OptionValue, read_options
from vmpath_service.model.records import (
    ENDED,
    Event,
    Freeze,
    MigrationState,
    Rearrangement,
    RearrangementState,
    Request,
)
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.policies import registry

LOG = logging.getLogger(__name__)

GOING = (
    *(RearrangementState.PLANNING, RearrangementState.RUNNING, RearrangementState.PAUSED),
    RearrangementState.ROLLING_BACK,
)
MAY_TURN_BACK = (
    *(RearrangementState.RUNNING, RearrangementState.PAUSED),
    *(RearrangementState.SUCCEEDED, RearrangementState.FAILED, RearrangementState.CANCELLED),
)
WAITING = (RearrangementState.PLANNED, RearrangementState.AWAITING_APPROVAL)


class Engine:
    """Everything that people and programs ask of vmpath is asked of it, from any thread.

    ``notify`` gets every event after it is in the database; what it raises is logged and does no harm.
    ``happenings`` tells that something happened to instances, if anybody does.
    """

    def __init__(
        self,
        cloud: Cloud,
        store: Store,
        clock: Clock,
        settings: EngineSettings,
        notify: Callable[[Event], None] | None = None,
        happenings: Happenings | None = None,
    ) -> None:
        self._cloud = cloud
        self._store = store
        self._clock = clock
        self._settings = settings
        self._policies: Mapping[str, PolicySection] = settings.policies
        self._notify = notify
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._keeper = Keeper(
            store,
            clock,
            settings.owner,
            settings.lease_seconds,
            GOING,
            attends=self._attends,
            take=self._take_up,
            stopping=self._stop.is_set,
        )
        self._around = Surroundings(
            cloud=cloud,
            store=store,
            clock=clock,
            settings=settings,
            turnstile=threading.Lock(),
            planners=threading.Semaphore(settings.planners),
            stopping=self._stop.is_set,
            tell=self._tell,
            options=self._options,
            slowdown=Slowdown(clock),
            happenings=happenings,
        )

    # its own life

    def resume(self) -> int:
        """Take up what was going on when this engine ended, and what another left; returns how many that are.

        From then on what an engine holds that falls silent is taken over, too.
        """
        return self._keeper.begin()

    def stop(self) -> bool:
        """Let everything stop where it is, journaled; returns whether all threads have ended in time."""
        self._stop.set()
        self._clock.wake()
        deadline = time.monotonic() + self._settings.stop_seconds
        for thread in self._alive():
            thread.join(max(0.0, deadline - time.monotonic()))
        left = self._alive()
        if not left:
            self._keeper.end(max(1.0, deadline - time.monotonic()))
        for thread in left:
            LOG.warning("Thread %s has not ended within %g s", thread.name, self._settings.stop_seconds)
        return not left

    def use(self, policies: Mapping[str, PolicySection]) -> None:
        """From now on these are the policies; what is planned already stays as it is."""
        self._policies = policies

    # what can be asked

    def policies(self) -> list[dict[str, Any]]:
        """All policies with their options and values, by name."""
        return views.policies(self._policies)

    def policy(self, name: str) -> dict[str, Any]:
        """One of them; raises InvalidInput for an unknown name."""
        return views.policy(name, self._section(name))

    def hosts(self) -> list[dict[str, Any]]:
        """All hosts as they are now; raises CloudError."""
        troubles = self._store.troubles()
        closed = in_quarantine(troubles, self._settings.executor.quarantine.failures)
        return views.hosts(self._cloud.read(), {host: troubles[host] for host in closed})

    def instances(self) -> list[dict[str, Any]]:
        """All instances as they are now, with what keeps them where they are; raises CloudError."""
        return views.instances(self._cloud.read(), self._settings.constraints)

    # what can be ordered; known: the version that whoever orders it has seen (raises Outdated), None for any

    def create(self, request: Request, within: Within = just_made) -> Rearrangement:
        """Begin a rearrangement, made by ``within``. Raises InvalidInput for an unknown policy or wrong options,
        Conflict if too many are going on, and what ``within`` raises; whatever is wrong with hosts and zones is found
        while it is planned."""
        self._options(request)
        with self._lock:
            self._check_bound()
            with self._store.together():
                record = within(partial(self._store.create, request))
            self._tell("rearrangement.planning", f"rearrangement with policy {request.policy} begun", record.id, None)
            self._start(record.id)
        return record

    def approve(self, identity: str, known: int | None = None) -> Rearrangement:
        """Let a plan be walked. Raises NotFound, Conflict if the rearrangement does not wait for that."""
        with self._lock:
            record = self._seen(identity, known)
            if record.state is RearrangementState.PLANNED:
                raise Conflict(f"rearrangement {identity} is a dry run: nothing is moved for it")
            if record.state is not RearrangementState.AWAITING_APPROVAL:
                raise Conflict(f"rearrangement {identity} is {record.state.value}, not awaiting approval")
            self._check_bound()
            record = self._take(record, RearrangementState.RUNNING, known)
            self._tell("rearrangement.running", "rearrangement approved", identity, None)
            self._start(identity)
        return record

    def cancel(self, identity: str, known: int | None = None, *, abort: bool = False) -> Rearrangement:
        """Start nothing more; what is in flight is followed to its end, or aborted where Nova can do that.

        Raises NotFound, Conflict if it has ended.
        """
        with self._lock:
            with self._store.together():
                record = self._store.request_cancel(identity, abort=abort, known=known)
                waited = record.state in WAITING
                if waited:
                    record = self._take(record, RearrangementState.CANCELLED)
            if waited:
                self._tell("rearrangement.cancelled", "rearrangement cancelled", identity, None)
            else:
                what = "cancel requested, with what is in flight" if abort else "cancel requested"
                self._tell("rearrangement.cancelling", what, identity, None)
        return record

    def rollback(self, identity: str, known: int | None = None, *, abort: bool = False) -> Rearrangement:
        """Move back what was moved, as far as that is possible by now; also after the rearrangement has ended.

        Nothing new of the plan starts; what is in flight is followed to its end, or aborted where Nova can do that.
        Raises NotFound, Conflict if nothing was moved yet, or it goes back already.
        """
        with self._lock:
            record = self._seen(identity, known)
            if record.state not in MAY_TURN_BACK:
                raise Conflict(f"rearrangement {identity} is {record.state.value}: there is nothing to move back")
            going = record.state not in ENDED
            if not going:
                if not any(
                    each.attempt and each.state is MigrationState.DONE for each in self._store.migrations(identity)
                ):
                    raise Conflict(f"rearrangement {identity} has moved nothing")
                if BACK in self._store.plan(identity).extra:
                    raise Conflict(f"rearrangement {identity} has been rolled back already")
                self._check_bound()
            with self._store.together():
                record = self._store.request_rollback(identity, expected=(record.state,), abort=abort, known=known)
                if going:
                    record = self._switch(identity, (record.state,), RearrangementState.ROLLING_BACK)
                else:
                    record = self._take(record, RearrangementState.ROLLING_BACK)
            if not going:
                self._start(identity)
            self._tell("rearrangement.rolling_back", "rollback requested", identity, None)
        return record

    def release(self, host: str) -> bool:
        """Forget the failures of a host, so that migrations go to and from it again; whether there were any."""
        found = self._store.absolve(host)
        if found:
            self._tell("host.absolved", f"host {host} is released from quarantine", None, None, host)
        return found

    def pause(self, identity: str, known: int | None = None) -> Rearrangement:
        """Start nothing more for now; what is in flight is followed to its end.

        Raises NotFound, Conflict if it is not running.
        """
        going = (RearrangementState.RUNNING, RearrangementState.ROLLING_BACK)
        record = self._switch(identity, going, RearrangementState.PAUSED, known)
        self._tell("rearrangement.paused", "rearrangement paused", identity, None)
        return record

    def proceed(self, identity: str, known: int | None = None) -> Rearrangement:
        """Undo ``pause``. Raises NotFound, Conflict if it is not paused."""
        back = self._store.get(identity).rolling_back
        after = RearrangementState.ROLLING_BACK if back else RearrangementState.RUNNING
        record = self._switch(identity, (RearrangementState.PAUSED,), after, known)
        self._tell("rearrangement.running", "rearrangement goes on", identity, None)
        return record

    def delete(self, identity: str, known: int | None = None) -> None:
        """Forget a rearrangement that has ended; raises NotFound, Conflict if it has not.

        A dry run has ended when it is planned.
        """
        with self._lock, self._store.together():
            record = self._store.get(identity)
            if record.state is RearrangementState.PLANNED:
                self._take(record, RearrangementState.CANCELLED, known)
                known = None
            self._store.delete(identity, known=known)

    def freeze(self, reason: str, by: str) -> Freeze:
        """Nothing new starts anywhere until ``thaw``; what is in flight is followed to its end."""
        freeze = self._store.freeze(reason, by)
        self._tell("engine.frozen", f"everything is frozen by {freeze.by}: {freeze.reason}", None, None)
        return freeze

    def thaw(self) -> None:
        """Undo ``freeze``."""
        self._store.thaw()
        self._tell("engine.thawed", "the freeze is lifted", None, None)

    # what maintenances and schedules lean on

    def stopping(self) -> bool:
        """Whether it has been told to end."""
        return self._stop.is_set()

    def check(self, request: Request) -> None:
        """Raise InvalidInput for an unknown policy or wrong options; nothing is begun."""
        self._options(request)

    def values(self, request: Request) -> Mapping[str, OptionValue]:
        """The value of each option that a request's policy has; raises InvalidInput."""
        return self._options(request)[1]

    def job(self, request: Request, snapshot: Snapshot) -> Job:
        """What planning needs for a request; raises InvalidInput."""
        driver, options = self._options(request)
        return job_for(self._settings, request, driver, options, snapshot)

    def beside(self, work: Work, make: Callable[[Work], bytes], cancelled: Callable[[], bool]) -> bytes:
        """Work something out in a process of its own, in turn with what is planned; see ``apart``."""
        planners = self._around.planners
        while not planners.acquire(timeout=0.5):
            if cancelled():
                raise PlanningFailed("planning was cancelled")
        try:
            return apart(work, cancelled, make)
        finally:
            planners.release()

    def tell(self, kind: str, message: str, subject: str) -> None:
        """Keep an event about something that is no rearrangement."""
        self._tell(kind, message, subject, None)

    # how it is done

    def _section(self, name: str) -> PolicySection:
        section = self._policies.get(name)
        if section is None:
            raise InvalidInput(f"there is no policy {name!r}{hint(name, self._policies, None)}")
        return section

    def _options(self, request: Request) -> tuple[str, dict[str, OptionValue]]:
        """The driver of a request's policy and the values of its options; raises InvalidInput."""
        section = self._section(request.policy)
        declared = registry.find(section.driver).declared()
        given = {**section.settings, **request.options}
        return section.driver, read_options(declared, given, texts=False, where=f"policy {request.policy}")

    def _seen(self, identity: str, known: int | None) -> Rearrangement:
        """As it is now; raises Outdated if that is not what whoever orders something has seen. The change compares
        again."""
        record = self._store.get(identity)
        if known is not None and record.version != known:
            raise Outdated(f"rearrangement {identity} has changed: it is at version {record.version} now, not {known}")
        return record

    def _take(self, record: Rearrangement, state: RearrangementState, known: int | None = None) -> Rearrangement:
        """Change one that nobody attends to, whoever did before."""
        with self._store.together():
            epoch = self._store.claim(record.id, self._settings.owner, known=known)
            return self._store.change(record.id, epoch, expected=(record.state,), state=state)

    def _switch(
        self,
        identity: str,
        before: tuple[RearrangementState, ...],
        after: RearrangementState,
        known: int | None = None,
    ) -> Rearrangement:
        record = self._store.get(identity)
        try:
            return self._store.change(identity, record.epoch, expected=before, known=known, state=after)
        except Fenced as error:
            raise Conflict(f"rearrangement {identity} has just been taken over; ask again") from error

    def _check_bound(self) -> None:
        if self._stop.is_set():
            raise Conflict("the engine is stopping")
        if len(self._alive()) >= self._settings.max_active:
            raise Conflict(f"{self._settings.max_active} rearrangements are going on already, more are not allowed")

    def _alive(self) -> list[threading.Thread]:
        self._threads = {name: thread for name, thread in self._threads.copy().items() if thread.is_alive()}
        return sorted(self._threads.values(), key=lambda thread: thread.name)

    def _attends(self, identity: str) -> bool:
        thread = self._threads.get(identity)
        return thread is not None and thread.is_alive()

    def _take_up(self, record: Rearrangement) -> bool:
        """Carry on what nobody attends to, if that is still so."""
        with self._lock:
            if self._stop.is_set() or self._attends(record.id):
                return False
            try:
                now = self._store.get(record.id)
            except NotFound:
                return False
            if now.state not in GOING or now.epoch != record.epoch:
                return False
            left = record.owner not in (None, self._settings.owner)
            by = f", as engine {record.owner} does not show itself any more" if left else ""
            message = f"rearrangement taken up again, {now.state.value}{by}"
            self._tell("rearrangement.resumed", message, record.id, None)
            self._start(record.id)
        return True

    def _start(self, identity: str) -> None:
        # a daemon: what hangs in a call must not keep the process, as everything is journaled
        thread = threading.Thread(
            target=self._attend, args=(identity,), name=f"rearrangement-{identity[:8]}", daemon=True
        )
        self._threads[identity] = thread
        thread.start()

    def _attend(self, identity: str) -> None:
        """Carry a rearrangement on; after an error, again from what the database has, until it works or we stop."""

        def in_trouble(error: BaseException | None) -> None:
            self._tell("rearrangement.trouble", f"it is taken up again after an error: {error}", identity, None)

        work = Rearranging(identity, self._around).carry_on
        persevere(f"Rearrangement {identity}", work, self._clock, self._stop.is_set, in_trouble)

    def _tell(
        self, kind: str, message: str, rearrangement: str | None, step: int | None, host: str | None = None
    ) -> None:
        LOG.log(
            logging.INFO if event_kinds.find(kind).level == "info" else logging.WARNING,
            "%s%s",
            f"{rearrangement}: " if rearrangement else "",
            message,
        )
        try:
            event = self._store.add_event(kind, message, subject=rearrangement, step=step, host=host)
        except StoreError:
            # the change itself is in the database or will be tried again: its event is in the log at least
            LOG.exception("The event above could not be written to the database")
            return
        self._store.afterwards(lambda: self._notified(event))

    def _notified(self, event: Event) -> None:
        if self._notify is not None:
            try:
                self._notify(event)
            except Exception:
                LOG.exception("A notification could not be sent")
