"""The life of one rearrangement: planned, approved or not, walked, ended. Run in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import tenacity
from oslo_log import log as logging

from vmpath_service.engine.executor.instructions import Finish
from vmpath_service.engine.executor.state import begin
from vmpath_service.engine.hosts import HostSwitch, reason_of
from vmpath_service.engine.planning import Job, Planned, plan_apart
from vmpath_service.engine.ports import Clock, Cloud, Happenings, Store
from vmpath_service.engine.settings import EngineSettings
from vmpath_service.engine.walk import FROZEN, Walk, stored
from vmpath_service.model import files
from vmpath_service.model.errors import (
    CloudDenied,
    CloudError,
    Fenced,
    NotFound,
    PlanningFailed,
    StoreError,
    VmpathError,
)
from vmpath_service.model.options import OptionValue
from vmpath_service.model.plan import Limits, Plan
from vmpath_service.model.records import Migration, Rearrangement, RearrangementState, Request
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.policies.approval import needs_a_person
from vmpath_service.policies.base import Scope

LOG = logging.getLogger(__name__)

READ_ATTEMPTS = 3
ENDINGS: Mapping[str, RearrangementState] = {
    "succeeded": RearrangementState.SUCCEEDED,
    "failed": RearrangementState.FAILED,
    "cancelled": RearrangementState.CANCELLED,
}
WALKING = (RearrangementState.RUNNING, RearrangementState.PAUSED)
NOTHING_TO_DO = "the cloud already is as the policy wants it"

Answer = TypeVar("Answer")
Tell = Callable[[str, str, str | None, int | None], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all rearrangements of an engine share.

    ``tell`` gets kind, message, rearrangement and step. ``options`` gives the driver of a policy and the values of
    its options for a request.
    """

    cloud: Cloud
    store: Store
    clock: Clock
    settings: EngineSettings
    turnstile: threading.Lock
    planners: threading.Semaphore
    stopping: Callable[[], bool]
    tell: Tell
    options: Callable[[Request], tuple[str, dict[str, OptionValue]]]
    happenings: Happenings | None = None


class _Abandoned(Exception):
    """The engine stops; what was being done is taken up again when it starts."""


class Rearranging:
    """Carries one rearrangement as far as it goes without a person, from whatever state it is in."""

    def __init__(self, identity: str, around: Surroundings) -> None:
        self._identity = identity
        self._around = around
        self._cloud = around.cloud
        self._store = around.store
        self._epoch = 0

    def carry_on(self) -> None:
        """Plan it if it is to be planned, walk it if it is to be walked.

        Raises StoreError when the database does not do its part: what the database has is where to go on. Raises
        Fenced when another engine has taken over.
        """
        try:
            self._epoch = self._stored(lambda: self._store.claim(self._identity, self._around.settings.owner))
            record = self._stored(lambda: self._store.get(self._identity))
        except NotFound:
            LOG.info("Rearrangement %s: deleted before it could be taken up", self._identity)
            return
        try:
            fresh = record.state is RearrangementState.PLANNING
            if fresh:
                record = self._plan(record)
            if record.state in WALKING:
                self._walk(record, fresh=fresh)
        except _Abandoned:
            LOG.info("Rearrangement %s: left as it is until the engine starts again", self._identity)

    # planning

    def _plan(self, record: Rearrangement) -> Rearrangement:
        try:
            planned, approval = self._make_plan(record)
        except (StoreError, _Abandoned):
            raise
        except VmpathError as error:
            if self._cancelled():
                return self._end_planning(RearrangementState.CANCELLED, "cancelled while it was planned")
            return self._end_planning(RearrangementState.FAILED, str(error))
        except Exception as error:
            LOG.exception("Rearrangement %s: planning broke", self._identity)
            return self._end_planning(
                RearrangementState.FAILED, f"planning broke ({type(error).__name__}: {error}); the log says more"
            )
        plan, decision = planned.plan, planned.decision
        migrations = [
            Migration(self._identity, each.id, each.instance, each.source, each.dest) for each in plan.migrations
        ]
        self._stored(lambda: self._store.save_plan(self._identity, self._epoch, plan, migrations))
        facts = {"decision": decision, "summary": msgspec.to_builtins(plan.summary)}
        state, explanation = _after_planning(record.request, planned, approval)
        return self._end_planning(state, explanation, **facts)

    def _make_plan(self, record: Rearrangement) -> tuple[Planned, OptionValue]:
        settings, request = self._around.settings, record.request
        driver, options = self._around.options(request)
        limits = settings.executor.limits
        self._wait_for_planner()
        try:
            snapshot = self._read()
            job = Job(
                snapshot=files.encode(snapshot),
                policy=request.policy,
                driver=driver,
                settings=options,
                scope=Scope(request.zones, request.aggregates, request.hosts),
                limits=Limits(
                    per_host=_least(limits.per_source, limits.per_destination),
                    in_total=limits.in_total,
                    migration_mbps=settings.migration_mbps,
                ),
                constraints=settings.constraints,
                cost=settings.cost,
                strategy=settings.strategy,
                seconds=settings.planning_timeout,
            )
            planned = plan_apart(job, lambda: self._around.stopping() or self._cancelled())
        except (CloudError, PlanningFailed):
            if self._around.stopping():
                raise _Abandoned from None
            raise
        finally:
            self._around.planners.release()
        if planned.plan.host_steps:
            step = planned.plan.host_steps[0]
            raise PlanningFailed(f"the plan needs a step that is not carried out: {step.action} {step.host}")
        return planned, options["approval"]

    def _wait_for_planner(self) -> None:
        while not self._around.planners.acquire(timeout=0.5):
            if self._around.stopping():
                raise _Abandoned
            if self._cancelled():
                raise PlanningFailed("planning was cancelled")

    def _read(self) -> Snapshot:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, CloudError) and not isinstance(error, CloudDenied)
            ),
            wait=tenacity.wait_random_exponential(multiplier=1, max=10),
            stop=lambda attempt: attempt.attempt_number >= READ_ATTEMPTS or self._around.stopping(),
            sleep=self._around.clock.wait,
            reraise=True,
        )
        return retrying(self._cloud.read)

    def _end_planning(self, state: RearrangementState, explanation: str | None, **facts: Any) -> Rearrangement:
        record = self._change((RearrangementState.PLANNING,), state=state, explanation=explanation, **facts)
        self._told(state, explanation)
        waits = state in (RearrangementState.PLANNED, RearrangementState.AWAITING_APPROVAL)
        if waits and record.cancel_requested:
            # asked for while the plan was being written down; nobody else looks at it any more
            record = self._change((state,), state=RearrangementState.CANCELLED)
            self._told(RearrangementState.CANCELLED, None)
        return record

    # walking

    def _walk(self, record: Rearrangement, *, fresh: bool) -> None:
        plan = self._stored(lambda: self._store.plan(self._identity))
        records = self._stored(lambda: self._store.migrations(self._identity))
        switch = HostSwitch(
            reason_of(self._identity), self._cloud, self._around.clock, self._around.stopping, self._keep_disabled
        )
        wanted = tuple((record.decision or {}).get("disable", ()))
        disabled = record.disabled
        if wanted and not any(each.attempt for each in records) and self._may_begin():
            try:
                disabled = switch.disable(wanted, disabled)
            except CloudError as error:
                if self._around.stopping():
                    raise _Abandoned from None
                kept = self._stored(lambda: self._store.get(self._identity)).disabled
                self._end(Finish("failed", f"a host could not be disabled: {error}"), switch, kept, record)
                return
        walk = Walk(
            self._identity,
            self._epoch,
            begin(plan, records, self._resources(plan, fresh=fresh), self._around.settings.executor),
            cloud=self._cloud,
            store=self._store,
            clock=self._around.clock,
            poll_seconds=self._around.settings.poll_seconds,
            turnstile=self._around.turnstile,
            stopping=self._around.stopping,
            tell=lambda kind, message, step: self._around.tell(kind, message, self._identity, step),
            happenings=self._around.happenings,
        )
        finish = walk.run()
        if finish is None:
            raise _Abandoned
        self._end(finish, switch, disabled, record)

    def _may_begin(self) -> bool:
        """Wait while everything is frozen or this one paused; False if it was cancelled meanwhile."""

        def look() -> tuple[bool, bool, bool]:
            record = self._store.get(self._identity)
            frozen = self._store.frozen() is not None
            return record.cancel_requested, frozen, record.state is RearrangementState.PAUSED

        told = False
        while True:
            cancelled, frozen, paused = self._stored(look)
            if cancelled or not (frozen or paused):
                return not cancelled
            if frozen and not told:
                self._around.tell("rearrangement.frozen", FROZEN, self._identity, None)
                told = True
            self._around.clock.wait(self._around.settings.poll_seconds)
            if self._around.stopping():
                raise _Abandoned

    def _resources(self, plan: Plan, *, fresh: bool) -> Mapping[str, Mapping[str, int]]:
        """What each instance takes: as planned, or as it is now if the plan was made a while ago."""
        resources: dict[str, Mapping[str, int]] = dict(plan.extra["resources"])
        if fresh or not plan.migrations:
            return resources
        try:
            snapshot = self._cloud.read()
        except CloudError as error:
            LOG.warning("Rearrangement %s: sizes of instances are those of the plan: %s", self._identity, error)
            return resources
        for instance in snapshot.instances:
            if instance.uuid in resources:
                resources[instance.uuid] = instance.resources
        return resources

    def _end(self, finish: Finish, switch: HostSwitch, disabled: tuple[str, ...], record: Rearrangement) -> None:
        outcome, explanation = finish.outcome, finish.explanation
        shortage = (record.decision or {}).get("shortage")
        if outcome == "succeeded" and shortage:
            # all that was planned has been done, yet not what was asked for: nobody may take it for that
            outcome, explanation = "failed", shortage
        if outcome != "succeeded" and disabled and (left := switch.enable(disabled)):
            if self._around.stopping():
                raise _Abandoned
            explanation = f"{explanation}; {', '.join(left)} could not be enabled again"
        state = ENDINGS[outcome]
        self._change(WALKING, state=state, explanation=explanation)
        self._told(state, explanation)

    # the database

    def _keep_disabled(self, hosts: tuple[str, ...]) -> None:
        self._change(WALKING, disabled=hosts)

    def _change(self, expected: tuple[RearrangementState, ...], **values: Any) -> Rearrangement:
        return self._stored(lambda: self._store.change(self._identity, self._epoch, expected=expected, **values))

    def _cancelled(self) -> bool:
        record = self._stored(lambda: self._store.get(self._identity))
        if record.epoch != self._epoch:
            raise Fenced(f"rearrangement {self._identity} belongs to {record.owner} now")
        return record.cancel_requested

    def _stored(self, call: Callable[[], Answer]) -> Answer:
        return stored(call, self._around.clock, self._around.stopping)

    def _told(self, state: RearrangementState, explanation: str | None) -> None:
        message = f"rearrangement {state.value}" + (f": {explanation}" if explanation else "")
        self._around.tell(f"rearrangement.{state.name.lower()}", message, self._identity, None)


def _after_planning(
    request: Request, planned: Planned, approval: OptionValue
) -> tuple[RearrangementState, str | None]:
    """What follows a plan that was made, and what there is to say about it."""
    plan, shortage = planned.plan, planned.decision["shortage"]
    if plan.outcome != "found":
        return RearrangementState.FAILED, plan.explanation or f"no path was found: {plan.outcome}"
    nothing = not plan.migrations and not planned.decision["disable"]
    explanation = shortage or (NOTHING_TO_DO if nothing else None)
    if request.dry_run:
        return RearrangementState.PLANNED, explanation
    if nothing:
        return (RearrangementState.FAILED if shortage else RearrangementState.SUCCEEDED), explanation
    if needs_a_person(str(approval), len(plan.migrations)) and not request.approve:
        return RearrangementState.AWAITING_APPROVAL, explanation
    return RearrangementState.RUNNING, explanation


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
