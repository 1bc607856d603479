"""The executor as a state machine that is driven at random: lives that end at any call, engines that take over from
one that only stood still, orders, drifts, outages; live and cold migrations and host steps. Whatever the order of it
all, no legality is broken, nothing is started twice, and every run ends in a state that was told truthfully.

``VMPATH_EXAMPLES`` multiplies how many runs are tried.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import msgspec
from hypothesis import HealthCheck, Phase
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.modelled.cloud import End, Fate
from tests.modelled.mishaps import Deaths, Drift, Interrupted, Killed, Mortal
from tests.modelled.senders import AtOnce, late
from tests.modelled.walking import World, plan_of
from tests.property.test_executor_answers import DECLARED, Tale, check, executors, fates
from tests.property.test_executor_walk import CAPACITY, HOSTS, plans
from vmpath_service.engine.executor.instructions import Finish
from vmpath_service.model.errors import CloudUnreachable, Fenced
from vmpath_service.model.plan import HostStep, Plan
from vmpath_service.model.records import RearrangementState

TIMES = int(os.environ.get("VMPATH_EXAMPLES", "1"))
REASONS = (None, "vmpath: emptied by rearrangement 7", "a broken fan")
COLD_ENDS: tuple[End, ...] = (
    *("completed", "completed", "failed before", "failed midway", "no valid host"),
    *("confirm refused", "deleted midway"),
)  # type: ignore[assignment]
LONGEST = 50_000.0
cold_fates = st.builds(
    Fate,
    end=st.sampled_from(COLD_ENDS),
    answer=st.sampled_from(["accepted", "accepted", "refused", "lost", "lost and never arrives"]),
    demanded=st.sampled_from(["accepted", "accepted", "lost"]),
    copying=st.sampled_from([3.0, 40.0]),
)
spans = st.sampled_from([5.0, 30.0, 150.0, 600.0])
calls = st.integers(0, 60)


@dataclass
class Scene(Tale):
    """A tale with stopped instances and host steps: ``closed`` are hosts that are disabled, and why."""

    stopped: set[str] = field(default_factory=set)
    closed: dict[str, str] = field(default_factory=dict)
    host_steps: tuple[HostStep, ...] = ()
    late: int = 0
    """After how many readings of the cloud a request is sent; 0: before the walk goes on."""

    def plan(self) -> Plan:
        made = plan_of(*self.steps)
        opened = {step.host: step.id for step in self.host_steps if step.action == "enable"}
        return msgspec.structs.replace(
            made,
            migrations=tuple(
                msgspec.structs.replace(
                    each,
                    method="cold" if each.instance in self.stopped else "live",
                    after=(*each.after, *((opened[each.dest],) if each.dest in opened else ())),
                )
                for each in made.migrations
            ),
            host_steps=self.host_steps,
        )

    def world(self) -> World:
        world = World(dict.fromkeys(HOSTS, CAPACITY), self.instances, self.plan(), self.settings)
        world.cloud.fates = self.fates
        for host, declared in self.declared.items():
            state = world.cloud.hosts[host]
            state.declared, state.reason, state.enabled = declared, self.closed.get(host), host not in self.closed
        for name in self.stopped:
            world.cloud.servers[name].status = "SHUTOFF"
        for name in self.forbidding:
            world.cloud.servers[name].post_copy = "forbidden"
        world.keep_facts()
        return world


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    instances, steps = draw(plans())
    some = st.sets(st.sampled_from(sorted(instances)), max_size=2) if instances else st.just(set[str]())
    declared = {host: draw(st.sampled_from(DECLARED)) for host in HOSTS}
    late = draw(st.sampled_from((0, 1, 2, 5)))
    scene = Scene(instances, steps, draw(executors), declared, draw(some), stopped=draw(some), late=late)
    for name in sorted(instances):
        scene.fates[name] = draw(st.lists(cold_fates if name in scene.stopped else fates, max_size=3))
    number = len(steps)
    for host in sorted(draw(st.sets(st.sampled_from(HOSTS), max_size=2))):
        number += 1
        leaving = tuple(step for step, (_, source, _, _) in enumerate(steps, 1) if source == host)
        if draw(st.booleans()):
            reason = draw(st.sampled_from(REASONS))
            scene.closed |= {host: reason} if reason is not None else {}
            scene.host_steps += (HostStep(number, host, "enable"),)
        else:
            scene.host_steps += (HostStep(number, host, "disable", after=leaving),)
    return scene


class Walking(RuleBasedStateMachine):
    """A rearrangement and its engines."""

    @initialize(scene=scenes())
    def begin(self, scene: Scene) -> None:
        self.scene = scene
        self.world = scene.world()
        self.touched: set[str] = set()
        self.finish: Finish | None = None
        self.turning = False
        self.store, self.cloud = self.world.store, self.world.cloud
        self.lateness = ExitStack()
        if scene.late:
            self.world.senders = self.lateness.enter_context(late(self.cloud, scene.late))
        wait, cloud = self.world.clock.wait, self.cloud

        def pass_time(seconds: float) -> None:
            wait(seconds)
            cloud.happen()

        self.world.clock.wait = pass_time  # type: ignore[method-assign]

    # what engines do

    def going(self) -> bool:
        return self.finish is None

    @precondition(going)
    @rule(seconds=spans)
    def live(self, seconds: float) -> None:
        """An engine carries on, and is asked to stop."""
        self.live_for(seconds)

    @precondition(going)
    @rule(at=calls, seconds=spans)
    def die(self, at: int, seconds: float) -> None:
        """An engine carries on, and dies at one of its calls."""
        deaths = Deaths([at])
        with self.ports(lambda port: Mortal(port, deaths)):
            try:
                self.live_for(seconds)
            except Killed:
                self.world.clock.wait(1.0)

    @precondition(going)
    @rule(at=calls, seconds=spans)
    def hang(self, at: int, seconds: float) -> None:
        """An engine stands still at one of its calls; another takes over, and then the first one goes on."""
        at_call, overtaken = Deaths([at]), False

        def take_over() -> None:
            nonlocal overtaken
            overtaken = True
            with self.ports(lambda port: port):
                self.live_for(seconds)
            self.until(LONGEST)

        with self.ports(lambda port: Interrupted(port, at_call, take_over)):
            if self.overtaken(seconds):
                assert overtaken

    @precondition(going)
    @rule(seconds=spans)
    def stand_still(self, seconds: float) -> None:
        """An engine stands still between a decision and its request; another takes over, and then the first one goes
        on: it sends nothing any more."""
        senders, decided_at, asked = self.world.senders, None, 0

        def take_over() -> None:
            nonlocal decided_at, asked
            if decided_at is None:
                decided_at = self.world.clock.now
                self.world.senders = senders
                self.live_for(seconds)
                self.until(LONGEST)
                asked = len(self.cloud.requests)

        self.world.senders = lambda: AtOnce(take_over)
        try:
            if self.overtaken(seconds):
                assert decided_at is not None
                assert len(self.cloud.requests) == asked
        finally:
            self.world.senders = senders

    # what people and other programs do

    @rule(order=st.sampled_from(["pause", "resume", "freeze", "thaw"]))
    def order(self, order: str) -> None:
        going, paused = RearrangementState.RUNNING, RearrangementState.PAUSED
        record = self.store.get(self.world.identity)
        match order:
            case "pause" | "resume":
                self.store.change(record.id, record.epoch, state=paused if order == "pause" else going)
            case "freeze":
                self.store.freeze("quiet", "me")
            case "thaw":
                self.store.thaw()

    @precondition(going)
    @rule(abort=st.booleans())
    def cancel(self, abort: bool) -> None:
        self.store.request_cancel(self.world.identity, abort=abort)
        self.scene.cancel = (0.0, abort)

    @rule(abort=st.booleans())
    def roll_back(self, abort: bool) -> None:
        self.store.request_rollback(self.world.identity, expected=tuple(RearrangementState), abort=abort)
        if self.finish is not None and not self.turning:
            self.finish, self.turning = None, True

    @rule(
        kind=st.sampled_from(["boot", "disable", "delete", "stop", "start", "busy", "move"]),
        number=st.integers(0, 7),
        host=st.sampled_from(HOSTS),
        amount=st.integers(1, 6),
    )
    def drift(self, kind: str, number: int, host: str, amount: int) -> None:
        names = sorted(self.scene.instances)
        name = host if kind in ("boot", "disable") or not names else names[number % len(names)]
        Drift(0.0, kind, name, host, amount).apply(self.cloud, self.touched)

    @rule(seconds=st.sampled_from([3.0, 40.0]), busy=st.booleans())
    def outage(self, seconds: float, busy: bool) -> None:
        if busy:
            self.cloud.busy = 3
        else:
            self.cloud.unreachable = True
            self.cloud.later(seconds, lambda: setattr(self.cloud, "unreachable", False))

    # what holds all the time, and in the end

    @invariant()
    def nothing_is_done_that_must_not_be(self) -> None:
        if not hasattr(self, "cloud"):
            return
        assert self.cloud.violations == []
        journaled: Counter[str] = Counter()
        for each in self.store.migrations(self.world.identity):
            journaled[each.instance] += each.attempt
        assert Counter(name for name, _ in self.cloud.requests) <= journaled

    def teardown(self) -> None:
        if not hasattr(self, "cloud"):
            return
        with self.lateness:
            self.order("thaw")
            self.order("resume")
            while self.finish is None:
                self.live_for(LONGEST)
                assert self.world.clock.now < 10 * LONGEST
            check(self.scene, self.world, self.touched, self.finish)
            self.check_hosts()

    def check_hosts(self) -> None:
        assert self.finish is not None
        actions = self.store.host_actions(self.world.identity)
        assert all(each.state in ("pending", "done", "failed") for each in actions)
        assert all(each.reason for each in actions if each.state == "failed")
        if self.finish.outcome == "succeeded":
            assert all(each.state == "done" for each in actions)
        if any(each.state == "failed" for each in actions):
            assert self.finish.outcome != "succeeded"

    # how engines come and go

    def live_for(self, seconds: float) -> None:
        if self.turn_back():
            self.take(self.world.run_for(seconds))

    def overtaken(self, seconds: float) -> bool:
        """An engine carries on, with the ports and senders of now, though another may take over meanwhile; whether it
        has noticed that."""
        try:
            if not self.turn_back():
                return False
            walk = self.world.walk()
            mine = self.store.get(self.world.identity).epoch
            self.until(seconds)
            finish = walk.run()
        except Fenced:
            return True
        # overtaken in its last look it may take the walk for ended: what it writes of that is refused
        if self.store.get(self.world.identity).epoch == mine:
            self.take(finish)
        return False

    def turn_back(self) -> bool:
        """Have the way back planned, if that is what is walked; False if it cannot be now."""
        if not self.turning:
            return True
        try:
            self.world.turn_back()
        except CloudUnreachable:
            self.world.clock.wait(30.0)
            return False
        return True

    def take(self, finish: Finish | None) -> None:
        if finish is not None and finish.outcome == "rollback":
            self.turning = True
            self.store.request_rollback(self.world.identity, expected=tuple(RearrangementState))
        else:
            self.finish = finish

    def until(self, seconds: float) -> None:
        end = self.world.clock.now + seconds
        self.world.stop = lambda: self.world.clock.now >= end

    @contextmanager
    def ports(self, wrap: Callable[[object], object]) -> Iterator[None]:
        before = self.world.cloud, self.world.store
        self.world.cloud, self.world.store = wrap(self.cloud), wrap(self.store)  # type: ignore[assignment]
        try:
            yield
        finally:
            self.world.cloud, self.world.store = before


TestWalking = Walking.TestCase
TestWalking.settings = of_hypothesis(
    max_examples=60 * TIMES,
    stateful_step_count=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
