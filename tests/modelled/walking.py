"""Walking a plan in the modelled world, in one thread and no real time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, ClassVar

import msgspec

from tests.modelled.clock import StepClock
from tests.modelled.cloud import HostState, ModelCloud, Server
from tests.modelled.senders import AtOnce
from tests.modelled.store import MemoryStore
from vmpath_service.engine.asking import Senders
from vmpath_service.engine.executor.beginning import BACK, begin
from vmpath_service.engine.executor.extending import FACTS, Rest, extend
from vmpath_service.engine.executor.facts import Facts, Keys
from vmpath_service.engine.executor.instructions import Finish
from vmpath_service.engine.executor.settings import Limits, Settings
from vmpath_service.engine.executor.state import Planning
from vmpath_service.engine.host_steps import HostSteps
from vmpath_service.engine.hosts import HostSwitch
from vmpath_service.engine.planning import Job, facts_of
from vmpath_service.engine.ports import Clock, Store
from vmpath_service.engine.replanning import Destination, GoOn, make_destination, make_rest, rest_of
from vmpath_service.engine.slowdown import Slowdown
from vmpath_service.engine.walk import Outlook, Walk
from vmpath_service.model import files
from vmpath_service.model import plan as plans
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.constraints import registry
from vmpath_service.model.errors import CloudUnreachable, VmpathError
from vmpath_service.model.plan import Migration as PlanMigration
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import Migration, MigrationState, RearrangementState, Request
from vmpath_service.policies.base import Scope

POLL = 2.0
READ_ATTEMPTS = 5
SETTINGS = Settings(limits=Limits(2, 2, 10), retries=0, on_failure="retry")


def settings(**values: Any) -> Settings:
    """As ``Settings``, but nothing is tried again, and there is no new plan, unless it is said."""
    return Settings(**{"retries": 0, "on_failure": "retry"} | values)


def plan_of(*steps: tuple[str, str, str] | tuple[str, str, str, Sequence[int]]) -> Plan:
    """``("x", "a", "b", [1])``: step n moves x from a to b after step 1."""
    migrations = tuple(
        PlanMigration(number, step[0], step[1], step[2], after=tuple(step[3]) if len(step) > 3 else ())
        for number, step in enumerate(steps, 1)
    )
    return Plan(
        outcome="found", target={step[0]: step[2] for step in steps}, snapshot="sha256:0", migrations=migrations
    )


class World:
    """A modelled cloud, a store, and a rearrangement in it that is about to be walked.

    ``hosts``: memory; ``instances``: host and memory. ``make_store`` may be replaced by one that gives a database.
    ``scope``: what is to be drained, where a new plan asks the policy again.
    """

    make_store: ClassVar[Callable[[Clock], Store]] = MemoryStore

    def __init__(
        self,
        hosts: Mapping[str, int],
        instances: Mapping[str, tuple[str, int]],
        plan: Plan,
        settings: Settings = SETTINGS,
    ) -> None:
        self.clock = StepClock()
        self.store = type(self).make_store(self.clock)
        self.cloud = ModelCloud(
            self.clock,
            {name: HostState({"MEMORY_MB": memory}) for name, memory in hosts.items()},
            {uuid: Server(host, {"MEMORY_MB": memory}) for uuid, (host, memory) in instances.items()},
            frozen=lambda: self.store.frozen() is not None,
        )
        self.plan = plan
        self.settings = settings
        self.slowdown = Slowdown(self.clock)
        self.senders: Callable[[], Senders] = AtOnce
        self.stop: Callable[[], bool] = lambda: False
        self.identity = self.store.create(Request("drain")).id
        epoch = self.store.claim(self.identity, "engine")
        self.store.save_plan(
            self.identity,
            epoch,
            plan,
            [Migration(self.identity, each.id, each.instance, each.source, each.dest) for each in plan.migrations],
        )
        self.store.change(self.identity, epoch, state=RearrangementState.RUNNING)
        self.policy: tuple[str, dict[str, Any]] = ("drain", {"objective": "balanced", "max_migrations": None})
        self.scope = Scope()
        self.keep_facts()

    def keep_facts(self) -> None:
        """Take the facts that the plan knows of from the cloud as it is."""
        facts = facts_of(compile_cloud(self.cloud.read(), registry.make()), self.plan, Keys())
        self.plan = msgspec.structs.replace(self.plan, extra={FACTS: facts.plain()})
        epoch = self.store.get(self.identity).epoch
        self.store.extend_plan(self.identity, epoch, self.plan, (), ())
        self.cloud.calls.clear()

    def walk(self) -> Walk:
        """A walk from what the store has, as after a start of the engine."""
        epoch = self.store.claim(self.identity, "engine")
        plan = self.store.plan(self.identity)
        state = begin(
            plan,
            self.store.migrations(self.identity),
            Facts.of(plan.extra[FACTS]),
            self.settings,
            self.store.host_actions(self.identity),
        )

        def keep_disabled(hosts: tuple[str, ...]) -> None:
            self.store.change(self.identity, epoch, disabled=hosts)

        switch = HostSwitch("vmpath: rearrangement", self.cloud, self.clock, lambda: self.stop(), keep_disabled)
        steps = HostSteps(
            switch,
            lambda: self.store.get(self.identity).disabled,
            lambda action: self.store.record_host_action(epoch, action),
        )
        return Walk(
            self.identity,
            epoch,
            state,
            cloud=self.cloud,
            store=self.store,
            clock=self.clock,
            poll_seconds=POLL,
            turnstile=threading.Lock(),
            stopping=lambda: self.stop(),
            tell=self.tell,
            slowdown=self.slowdown,
            planner=self,
            act=steps.act,
            senders=self.senders,
        )

    def job(self) -> Job:
        """The present as a planner gets it; asked for again while Nova is busy."""
        driver, options = self.policy
        for _ in range(READ_ATTEMPTS):
            with contextlib.suppress(CloudUnreachable):
                snapshot = self.cloud.read()
                break
            self.clock.wait(5.0)
        else:
            snapshot = self.cloud.read()
        return Job(files.encode(snapshot), "policy", driver, options, self.scope, plans.Limits(), registry.make())

    def begin(self, what: Planning, outlook: Outlook, step: int | None) -> Future[Rest | Destination]:
        """Plan at once, in this process: fulfils ``Planner``."""
        answer: Future[Rest | Destination] = Future()
        records = tuple(task.record for task in outlook.state.tasks.values())
        plan = msgspec.json.encode(self.store.plan(self.identity))
        try:
            work = GoOn(self.job(), plan, records, outlook.quarantined, step=step)
            if what == "destination":
                answer.set_result(msgspec.json.decode(make_destination(work), type=Destination))
            else:
                answer.set_result(rest_of(make_rest(work)))
        except VmpathError as error:
            answer.set_exception(error)
        return answer

    def turn_back(self) -> None:
        """Put the way back behind the plan, if it is not there yet."""
        epoch = self.store.claim(self.identity, "engine")
        plan, records = self.store.plan(self.identity), tuple(self.store.migrations(self.identity))
        if BACK not in plan.extra:
            self.store.change(self.identity, epoch, abort_requested=False)
            rest = rest_of(make_rest(GoOn(self.job(), msgspec.json.encode(plan), records, back=True)))
            longer = extend(self.identity, plan, records, rest, (), back=True)
            self.store.extend_plan(self.identity, epoch, longer.plan, longer.added, longer.changed)

    def roll_back(self, limit: float = 50_000.0) -> Finish:
        """Walk back what was done, after a walk that ended for it."""
        self.turn_back()
        return self.run(limit)

    def run(self, limit: float = 50_000.0) -> Finish:
        """Walk to the end; an end that does not come within ``limit`` modelled seconds is an error."""
        self.stop = lambda: self.clock.now > limit
        finish = self.walk().run()
        assert finish is not None, f"still walking after {limit} s: {self.store.migrations(self.identity)}"
        return finish

    def run_for(self, seconds: float) -> Finish | None:
        """Walk for a while, then be asked to stop."""
        end = self.clock.now + seconds
        self.stop = lambda: self.clock.now >= end
        return self.walk().run()

    def tell(self, kind: str, message: str, step: int | None, host: str | None = None) -> None:
        self.store.add_event(kind, message, subject=self.identity, step=step, host=host)

    def states(self) -> list[str]:
        return [migration.state.value for migration in self.store.migrations(self.identity)]

    def reason(self, step: int) -> str:
        return next(each.reason or "" for each in self.store.migrations(self.identity) if each.step == step)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.store.events(self.identity)]

    def all_done(self) -> bool:
        return all(each.state is MigrationState.DONE for each in self.store.migrations(self.identity))


def one_move(**of_settings: Any) -> World:
    """x goes from a to b."""
    return World({"a": 10, "b": 10}, {"x": ("a", 4)}, plan_of(("x", "a", "b")), settings(**of_settings))


def swap(**of_executor: Any) -> World:
    """x and y change places by way of c: y to c, x to b, y to a."""
    return World(
        {"a": 10, "b": 10, "c": 10},
        {"x": ("a", 6), "y": ("b", 6)},
        plan_of(("y", "b", "c"), ("x", "a", "b", [1]), ("y", "c", "a", [1, 2])),
        settings(**of_executor),
    )
