"""What the state machine says to single events."""

from tests.modelled.walking import SETTINGS, plan_of
from vmpath_service.engine.executor import machine
from vmpath_service.engine.executor.beginning import begin
from vmpath_service.engine.executor.events import Accepted, Intended, Orders, Refused, Tick, Wanted
from vmpath_service.engine.executor.facts import Facts, InstanceFacts
from vmpath_service.engine.executor.instructions import Finish, Instruction, Intend, Send, Tell
from vmpath_service.engine.executor.state import State
from vmpath_service.model.readings import HostReading, InstanceReading
from vmpath_service.model.records import Migration, MigrationState

OPEN = Orders()
FACTS = Facts({"x": InstanceFacts({"MEMORY_MB": 1})})


def state(**of_record: object) -> State:
    return begin(plan_of(("x", "a", "b")), [Migration("r", 1, "x", "a", "b", **of_record)], FACTS, SETTINGS)


def look(before: State, orders: Orders = OPEN) -> tuple[State, tuple[Instruction, ...]]:
    hosts = {name: HostReading(name, True, True, {"MEMORY_MB": 10}) for name in "ab"}
    wanted = machine.wanted(before, orders)
    instances = {"x": InstanceReading("x", "a", "ACTIVE", None)}
    return machine.advance(before, Tick(0.0, 0.0, orders, wanted, instances, hosts, {"x": ()}))


def test_nothing_is_sent_before_it_is_journaled() -> None:
    after, instructions = look(state())
    assert [type(each) for each in instructions] == [Intend]
    after, instructions = machine.advance(after, Intended(1))
    assert [each for each in instructions if isinstance(each, Send)] == [Send(1, "x", "b")]


def test_events_call_an_instance_by_its_name() -> None:
    for name, label in (("web-1", "web-1 (x)"), (None, "x")):
        after, _ = look(state(instance_name=name))
        _, instructions = machine.advance(after, Intended(1))
        told = [each.message for each in instructions if isinstance(each, Tell)]
        assert told == [f"migration of {label} from a to b requested"]


def test_it_is_sent_once_however_often_the_journal_says_so() -> None:
    after, _ = look(state())
    after, _ = machine.advance(after, Intended(1))
    assert machine.advance(after, Intended(1)) == (after, ())


def test_what_was_journaled_before_a_crash_is_not_sent_again() -> None:
    resumed = state(state=MigrationState.REQUESTED, attempt=1, was="ACTIVE")
    assert machine.advance(resumed, Intended(1)) == (resumed, ())
    _, instructions = look(resumed)
    assert not [each for each in instructions if isinstance(each, (Intend, Send))]


def test_a_refusal_does_not_outweigh_what_nova_shows() -> None:
    running = state(state=MigrationState.RUNNING, attempt=1, nova_migration=7, was="ACTIVE")
    assert machine.advance(running, Refused(1, 0.0, "409")) == (running, ())


def test_frozen_nothing_is_read_that_could_start() -> None:
    assert machine.wanted(state(), Orders(frozen=True)) == Wanted()
    assert machine.wanted(state(), Orders()) == Wanted(("x",), ("a", "b"), (1,))


def test_frozen_while_reading_nothing_starts() -> None:
    before = state()
    tick = Tick(0.0, 0.0, Orders(frozen=True), machine.wanted(before, Orders()), {}, {}, {})
    assert machine.advance(before, tick) == (before, ())


def test_nothing_happens_after_the_end() -> None:
    ended, instructions = look(state(state=MigrationState.DONE))
    assert instructions == (Finish("succeeded", None),)
    assert look(ended) == (ended, ())
    assert machine.advance(ended, Accepted(1)) == (ended, ())


def test_steps_of_one_instance_follow_each_other_whatever_the_plan_says() -> None:
    plan = plan_of(("x", "a", "b"), ("x", "b", "c"))
    records = [Migration("r", step.id, step.instance, step.source, step.dest) for step in plan.migrations]
    assert begin(plan, records, FACTS, SETTINGS).tasks[2].step.after == (1,)
