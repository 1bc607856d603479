"""Walking a plan in the modelled world, in one thread and no real time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from modelled.clock import StepClock
from modelled.cloud import HostState, ModelCloud, Server
from modelled.store import MemoryStore

from vmpath_service.engine.executor.instructions import Finish
from vmpath_service.engine.executor.state import Limits, Settings, begin
from vmpath_service.engine.ports import Clock, Store
from vmpath_service.engine.walk import Walk
from vmpath_service.model.plan import Migration as PlanMigration
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import Migration, MigrationState, RearrangementState, Request

POLL = 2.0
SETTINGS = Settings(limits=Limits(2, 2, 10), retries=0)


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
        self.resources = {uuid: {"MEMORY_MB": memory} for uuid, (_, memory) in instances.items()}

    def walk(self) -> Walk:
        """A walk from what the store has, as after a start of the engine."""
        epoch = self.store.claim(self.identity, "engine")
        state = begin(self.plan, self.store.migrations(self.identity), self.resources, self.settings)
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
        )

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

    def tell(self, kind: str, message: str, step: int | None) -> None:
        self.store.add_event(kind, message, rearrangement=self.identity, step=step)

    def states(self) -> list[str]:
        return [migration.state.value for migration in self.store.migrations(self.identity)]

    def reason(self, step: int) -> str:
        return next(each.reason or "" for each in self.store.migrations(self.identity) if each.step == step)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.store.events(self.identity)]

    def all_done(self) -> bool:
        return all(each.state is MigrationState.DONE for each in self.store.migrations(self.identity))
