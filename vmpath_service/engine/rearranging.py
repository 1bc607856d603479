"""The life of one rearrangement: planned, approved or not, walked, ended. Run in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec
from oslo_log import log as logging

from vmpath_service.engine.executor.beginning import BACK, begin
from vmpath_service.engine.executor.extending import FACTS, extend, pending
from vmpath_service.engine.executor.facts import Facts
from vmpath_service.engine.executor.instructions import Finish
from vmpath_service.engine.executor.settings import Settings
from vmpath_service.engine.host_steps import HostSteps
from vmpath_service.engine.hosts import OF_REARRANGEMENT, HostSwitch, reason_of
from vmpath_service.engine.perseverance import read_patiently
from vmpath_service.engine.planners import PlannerBeside
from vmpath_service.engine.planning import Job, Planned, facts_of, job_for, plan_apart
from vmpath_service.engine.ports import Clock, Cloud, Happenings, Store
from vmpath_service.engine.replanning import GoOn, rest_apart
from vmpath_service.engine.settings import EngineSettings, for_policy
from vmpath_service.engine.slowdown import Slowdown
from vmpath_service.engine.walk import FROZEN, Walk, stored
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import (
    CloudError,
    CloudUnreachable,
    Fenced,
    InvalidInput,
    NoDecision,
    NotFound,
    PlanningFailed,
    StoreError,
    VmpathError,
)
from vmpath_service.model.options import OptionValue
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import HostAction, Rearrangement, RearrangementState, Request
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.policies.approval import needs_a_person
from vmpath_service.policies.guards import dated

LOG = logging.getLogger(__name__)

READ_ATTEMPTS = 3
ENDINGS: Mapping[str, RearrangementState] = {
    "succeeded": RearrangementState.SUCCEEDED,
    "failed": RearrangementState.FAILED,
    "cancelled": RearrangementState.CANCELLED,
    "rolled back": RearrangementState.ROLLED_BACK,
}
WALKING = (RearrangementState.RUNNING, RearrangementState.PAUSED, RearrangementState.ROLLING_BACK)
NOTHING_TO_DO = "the cloud already is as the policy wants it"

Answer = TypeVar("Answer")


class Tell(Protocol):
    """Keeps an event; ``host``: the one that it is about."""

    def __call__(
        self, kind: str, message: str, rearrangement: str | None, step: int | None, host: str | None = None
    ) -> None: ...


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
    slowdown: Slowdown
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
        migrations = pending(self._identity, plan.migrations, Facts.of(plan.extra.get(FACTS, {})))
        self._stored(lambda: self._store.save_plan(self._identity, self._epoch, plan, migrations))
        facts = {"decision": decision, "summary": msgspec.to_builtins(plan.summary)}
        state, explanation = after_planning(record.request, planned, approval)
        return self._end_planning(state, explanation, **facts)

    def _make_plan(self, record: Rearrangement) -> tuple[Planned, OptionValue]:
        request = record.request
        driver, options = self._around.options(request)
        self._wait_for_planner(self._cancelled)
        try:
            snapshot = self._lately(self._read(), options)
            job = job_for(self._around.settings, request, driver, options, snapshot, self._asleep(snapshot, options))
            planned = plan_apart(job, lambda: self._around.stopping() or self._cancelled())
        except (CloudError, PlanningFailed):
            if self._around.stopping():
                raise _Abandoned from None
            raise
        finally:
            self._around.planners.release()
        for step in planned.plan.host_steps:
            if step.action not in ("enable", "disable"):
                what = f"{step.action} {step.host} (there is no power driver)"
                raise PlanningFailed(f"the plan needs a step that is not carried out: {what}")
        return planned, options["approval"]

    def _wait_for_planner(self, cancelled: Callable[[], bool]) -> threading.Semaphore:
        """Hold one of the few places for planning; raises PlanningFailed if nobody waits for the plan any more."""
        while not self._around.planners.acquire(timeout=0.5):
            if self._around.stopping():
                raise _Abandoned
            if cancelled():
                raise PlanningFailed("planning was cancelled")
        return self._around.planners

    def _lately(self, snapshot: Snapshot, options: Mapping[str, OptionValue]) -> Snapshot:
        """The snapshot with when others moved its instances, where the policy leaves those alone (cool_down)."""
        cool_down = options.get("cool_down")
        if not isinstance(cool_down, (int, float)) or not cool_down:
            return snapshot
        now = self._around.clock.time()
        moved = self._stored(lambda: self._store.moved_since(now - cool_down, but=self._identity))
        return dated(snapshot, moved, now)

    def _asleep(self, snapshot: Snapshot, options: Mapping[str, OptionValue]) -> tuple[str, ...]:
        """The hosts that the policies named by ``wake`` have freed and disabled, and that still are so."""
        policies = options.get("wake")
        if not isinstance(policies, tuple) or not policies:
            return ()
        found = []
        for host in snapshot.hosts:
            mark, _, identity = (host.disabled_reason or "").partition(OF_REARRANGEMENT)
            if host.status != "disabled" or mark or not identity:
                continue
            try:
                record = self._stored(partial(self._store.get, identity))
            except NotFound:
                continue
            if record.request.policy in policies and host.name in (record.decision or {}).get("emptied", ()):
                found.append(host.name)
        return tuple(found)

    def _read(self) -> Snapshot:
        around = self._around
        return read_patiently(around.cloud, around.clock, around.stopping, READ_ATTEMPTS)

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
        switch = HostSwitch(
            reason_of(self._identity), self._cloud, self._around.clock, self._around.stopping, self._keep_disabled
        )
        steps = HostSteps(switch, lambda: self._kept().disabled, self._keep_host_action)
        if not self._close_hosts(record, switch):
            return
        finish = self._walk_plan(record, steps, fresh=fresh)
        if finish.outcome == "rollback":
            if not self._turn_back(record, switch, finish.explanation):
                return
            finish = self._walk_plan(record, steps, fresh=True)
            for action in self._stored(lambda: self._store.host_actions(self._identity)):
                steps.undo(action)
        self._end(finish, switch, record)

    def _walk_plan(self, record: Rearrangement, steps: HostSteps, *, fresh: bool) -> Finish:
        """Walk the plan as the database has it; raises _Abandoned if the engine stops meanwhile."""
        plan = self._stored(lambda: self._store.plan(self._identity))
        walk = Walk(
            self._identity,
            self._epoch,
            begin(
                plan,
                self._stored(lambda: self._store.migrations(self._identity)),
                self._facts(plan, fresh=fresh),
                self._settings(record.request),
                self._stored(lambda: self._store.host_actions(self._identity)),
            ),
            cloud=self._cloud,
            store=self._store,
            clock=self._around.clock,
            poll_seconds=self._around.settings.poll_seconds,
            turnstile=self._around.turnstile,
            stopping=self._around.stopping,
            tell=self._tell_of,
            slowdown=self._around.slowdown,
            planner=PlannerBeside(
                self._identity, lambda _: self._present(record), self._wait_for_planner, self._around.stopping
            ),
            act=steps.act,
            happenings=self._around.happenings,
        )
        finish = walk.run()
        if finish is None:
            raise _Abandoned
        return finish

    def _settings(self, request: Request) -> Settings:
        """How the executor behaves for this one; a policy that is gone meanwhile says nothing any more."""
        try:
            return for_policy(self._around.settings.executor, self._around.options(request)[1])
        except InvalidInput as error:
            LOG.warning("Rearrangement %s: its policy says nothing any more: %s", self._identity, error)
            return self._around.settings.executor

    def _close_hosts(self, record: Rearrangement, switch: HostSwitch) -> bool:
        """Disable what the decision wants disabled, before the first migration; False if it ended with that."""
        records = self._stored(lambda: self._store.migrations(self._identity))
        wanted = tuple((record.decision or {}).get("disable", ()))
        begun = record.rolling_back or any(each.attempt for each in records)
        if not wanted or begun or not self._may_begin():
            return True
        try:
            switch.disable(wanted, record.disabled)
        except CloudError as error:
            if self._around.stopping():
                raise _Abandoned from None
            self._end(Finish("failed", f"a host could not be disabled: {error}"), switch, record)
            return False
        return True

    def _present(self, record: Rearrangement) -> tuple[Job, Plan]:
        """The cloud as it is now for a new plan, and the plan as it stands."""
        driver, options = self._around.options(record.request)
        plan = self._stored(lambda: self._store.plan(self._identity))
        snapshot = self._lately(self._read(), options)
        return job_for(self._around.settings, record.request, driver, options, snapshot), plan

    def _turn_back(self, record: Rearrangement, switch: HostSwitch, why: str | None) -> bool:
        """Put the way back behind the plan; False if it ended with that."""
        if self._kept().state is not RearrangementState.ROLLING_BACK:
            self._change(WALKING, state=RearrangementState.ROLLING_BACK, rolling_back=True)
            self._told(RearrangementState.ROLLING_BACK, why)
        if BACK in self._stored(lambda: self._store.plan(self._identity)).extra:
            return True
        # an abort was meant for what was in flight then, not for the way back
        self._change(WALKING, abort_requested=False)
        left = switch.enable(self._kept().disabled)
        self._wait_for_planner(lambda: False)
        try:
            job, plan = self._present(record)
            records = tuple(self._stored(lambda: self._store.migrations(self._identity)))
            work = GoOn(job, msgspec.json.encode(plan), records, back=True)
            rest = rest_apart(work, self._around.stopping)
        except (StoreError, CloudUnreachable, NoDecision):
            # not for ever: it is taken up again, with growing pauses
            if self._around.stopping():
                raise _Abandoned from None
            raise
        except VmpathError as error:
            if self._around.stopping():
                raise _Abandoned from None
            self._end(Finish("failed", f"there is no way back: {error}"), switch, record)
            return False
        finally:
            self._around.planners.release()
        longer = extend(self._identity, plan, records, rest, (), back=True)
        self._store.extend_plan(self._identity, self._epoch, longer.plan, longer.added, longer.changed)
        given_up = [*rest.given_up, *(f"{host} could not be enabled again" for host in left)]
        message = f"the way back: {len(longer.added)} migrations"
        message += f"; what cannot go back: {'; '.join(given_up)}" if given_up else ""
        self._around.tell("rearrangement.way_back", message, self._identity, None)
        return True

    def _kept(self) -> Rearrangement:
        return self._stored(lambda: self._store.get(self._identity))

    def _keep_host_action(self, action: HostAction) -> None:
        self._stored(lambda: self._store.record_host_action(self._epoch, action))

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

    def _facts(self, plan: Plan, *, fresh: bool) -> Facts:
        """What is known of instances and hosts: as planned, or as it is now if the plan was made a while ago."""
        facts = Facts.of(plan.extra.get(FACTS, {}))
        if fresh or not plan.migrations:
            return facts
        try:
            cloud = compile_cloud(self._cloud.read(), self._around.settings.constraints)
        except (CloudError, InvalidInput) as error:
            LOG.warning("Rearrangement %s: sizes of instances are those of the plan: %s", self._identity, error)
            return facts
        return facts.updated(facts_of(cloud, plan, self._around.settings.keys))

    def _end(self, finish: Finish, switch: HostSwitch, record: Rearrangement) -> None:
        outcome, explanation = finish.outcome, finish.explanation
        disabled = self._kept().disabled
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

    def _tell_of(self, kind: str, message: str, step: int | None, host: str | None = None) -> None:
        self._around.tell(kind, message, self._identity, step, host)

    def _told(self, state: RearrangementState, explanation: str | None) -> None:
        message = f"rearrangement {state.value}" + (f": {explanation}" if explanation else "")
        self._around.tell(f"rearrangement.{state.name.lower()}", message, self._identity, None)


def after_planning(
    request: Request, planned: Planned, approval: OptionValue
) -> tuple[RearrangementState, str | None]:
    """What follows a plan that was made, and what there is to say about it."""
    plan, shortage = planned.plan, planned.decision["shortage"]
    if plan.outcome != "found":
        return RearrangementState.FAILED, plan.explanation or f"no path was found: {plan.outcome}"
    if broken := planned.decision.get("rehearsal", {}).get("problems"):
        return RearrangementState.FAILED, f"the plan breaks in rehearsal, nothing was moved: {broken[0]}"
    nothing = not (plan.migrations or plan.host_steps or planned.decision["disable"])
    explanation = shortage or (NOTHING_TO_DO if nothing else None)
    if request.dry_run:
        return RearrangementState.PLANNED, explanation
    if nothing:
        return (RearrangementState.FAILED if shortage else RearrangementState.SUCCEEDED), explanation
    if needs_a_person(str(approval), len(plan.migrations)) and not request.approve:
        return RearrangementState.AWAITING_APPROVAL, explanation
    return RearrangementState.RUNNING, explanation
