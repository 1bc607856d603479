"""Paths of random small clouds: whatever is found holds, whatever is said to be impossible is."""

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.property.path_problems import problems, reachable
from tests.property.timings import some_timing_breaks
from vmpath_service.model import files
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidTarget
from vmpath_service.model.plan import Limits, Summary
from vmpath_service.pathfinder import PathSettings, check_plan, find_path

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def plan_for(problem, **more):
    snapshot, target = problem
    options = {"departures": True, **more}
    try:
        return find_path(compile_cloud(snapshot), target, PathSettings(**options), snapshot_identity="sha256:0")
    except InvalidTarget:
        assume(False)


limits = st.builds(
    Limits,
    per_host=st.sampled_from([None, 1, 2]),
    in_total=st.sampled_from([None, 1, 3]),
    per_group=st.sampled_from([None, 1]),
)


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
@given(problems(), st.sampled_from(["cost", "time", "balanced"]), limits, st.booleans())
def test_whatever_comes_out_holds(problem, objective, limits, best_effort):
    plan = plan_for(problem, objective=objective, limits=limits, best_effort=best_effort)
    check = check_plan(problem[0], plan, target=problem[1])
    assert check.problems == ()
    assert check.figures.suspects == 0
    assert not best_effort or plan.outcome in ("found", "partial")


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=7))
def test_a_path_is_found_if_and_only_if_there_is_one(problem):
    plan = plan_for(problem)
    assert plan.outcome == ("found" if reachable(compile_cloud(problem[0]), problem[1]) else "infeasible")


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=6))
def test_no_timing_breaks_a_plan(problem):
    plan = plan_for(problem)
    assume(1 < len(plan.migrations) < 8)
    assert not some_timing_breaks(compile_cloud(problem[0]), plan)


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=6), st.data())
def test_the_replay_sees_a_missing_edge_where_some_timing_breaks(problem, data):
    plan = plan_for(problem)
    edges = [(number, earlier) for number, each in enumerate(plan.migrations) for earlier in each.after]
    boots = {step.id for step in plan.host_steps}
    edges = [(number, earlier) for number, earlier in edges if earlier not in boots]
    assume(edges and len(plan.migrations) < 8)
    number, dropped = data.draw(st.sampled_from(edges))
    steps = list(plan.migrations)
    after = tuple(earlier for earlier in steps[number].after if earlier != dropped)
    steps[number] = msgspec.structs.replace(steps[number], after=after)
    broken = msgspec.structs.replace(plan, migrations=tuple(steps))
    assert check_plan(problem[0], broken).holds != some_timing_breaks(compile_cloud(problem[0]), broken)


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
@given(problems(), st.sampled_from(["cost", "time", "balanced"]))
def test_the_same_question_has_the_same_answer(problem, objective):
    def answer():
        plan = plan_for(problem, objective=objective)
        summary = {**msgspec.structs.asdict(plan.summary), "seconds": 0.0}
        return files.encode(msgspec.structs.replace(plan, summary=Summary(**summary)))

    assert answer() == answer()


def changed(plan, number, **values):
    steps = list(plan.migrations)
    steps[number] = msgspec.structs.replace(steps[number], **values)
    return msgspec.structs.replace(plan, migrations=tuple(steps))


def damages(plan, number, hosts):
    """The plan with one migration changed in a way that no plan may have."""
    migration = plan.migrations[number]
    yield changed(plan, number, dest=migration.source)
    yield changed(plan, number, source=migration.dest)
    yield changed(plan, number, end_s=migration.start_s)
    yield changed(plan, number, rate_mbps=9000.0)
    yield changed(plan, number, memory_mb=migration.memory_mb + 1)
    yield changed(plan, number, bypass=not migration.bypass)
    yield changed(plan, number, method="cold" if migration.method == "live" else "live")
    yield changed(plan, number, instance="nobody")
    yield changed(plan, number, dest="nowhere")
    if migration.after:
        yield changed(plan, number, start_s=0.0, end_s=0.05)
        yield changed(plan, number, id=min(migration.after))
    if any(earlier in [each.id for each in plan.migrations] for earlier in migration.after):
        yield changed(plan, number, wave=1)
    others = [host for host in hosts if host not in (migration.source, migration.dest)]
    last = max(each.id for each in plan.migrations if each.instance == migration.instance)
    if others and migration.id == last:
        yield changed(plan, number, dest=others[0])
    steps = plan.migrations[:number] + plan.migrations[number + 1 :]
    yield msgspec.structs.replace(plan, migrations=steps)


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(problems(), st.data())
def test_the_replay_catches_damage(problem, data):
    plan = plan_for(problem)
    assume(plan.migrations)
    number = data.draw(st.integers(0, len(plan.migrations) - 1))
    for damaged in damages(plan, number, [host.name for host in problem[0].hosts]):
        assert not check_plan(problem[0], damaged).holds
