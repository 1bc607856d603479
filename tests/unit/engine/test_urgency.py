"""What may not fit is tried first."""

from vmpath_service.engine.executor.admission import urgency
from vmpath_service.engine.executor.facts import InstanceFacts, Keys, gather
from vmpath_service.engine.executor.state import Step, Task
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.records import Migration
from vmpath_service.model.snapshot import Host, Instance, Snapshot


def test_facts_tell_what_the_scheduler_decides_and_what_the_flavor_wishes() -> None:
    extra = {"scheduler_decides": ["pinned CPUs"], "flavor_wishes": {"vmpath:mode": "post-copy", "vmpath:no_go": "x"}}
    instances = (Instance("x", "a", {}, extra=extra), Instance("y", "a", {}, metadata={"vmpath:mode": "pre-copy"}))
    cloud = compile_cloud(Snapshot(hosts=(Host("a", {}),), instances=instances))
    facts = gather(cloud, ["x", "y"], ["a"], Keys()).instances
    assert (facts["x"].undecided, facts["x"].mode, facts["x"].no_go) == (True, "post-copy", "x")
    assert (facts["y"].undecided, facts["y"].mode, facts["y"].no_go) == (False, "pre-copy", None)


def task(number: int, chain: float, undecided: bool = False) -> Task:
    facts = InstanceFacts({}, undecided=undecided)
    return Task(Step(number, f"x{number}", "a", "b", (), facts, chain), Migration("r", number, f"x{number}", "a", "b"))


def test_what_the_scheduler_decides_starts_first_then_the_longest_chain() -> None:
    tasks = [task(1, 1.0), task(2, 9.0), task(3, 1.0, undecided=True), task(4, 9.0)]
    assert [each.step.id for each in sorted(tasks, key=urgency)] == [3, 2, 4, 1]
