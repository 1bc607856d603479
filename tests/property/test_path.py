"""Paths of random small clouds: whatever is found holds, whatever is said to be impossible is."""

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.property.path_problems import posed, problems, reachable
from tests.property.timings import some_timing_breaks
from vmpath_service.model import files
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidTarget
from vmpath_service.model.plan import Limits, Summary
from vmpath_service.pathfinder import PathSettings, check_plan, find_path
from vmpath_service.pathfinder.arrangements import Arrangements, reach
from vmpath_service.pathfinder.budget import Budget

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


@settings(max_examples=80, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=7), st.data())
def test_the_replay_sees_missing_edges_where_and_only_where_some_timing_breaks(problem, data):
    plan = plan_for(problem)
    boots = {step.id for step in plan.host_steps}
    edges = [(step.id, each) for step in plan.migrations for each in step.after if each not in boots]
    assume(edges and len(plan.migrations) < 8)
    dropped = data.draw(st.lists(st.sampled_from(edges), min_size=1, max_size=4, unique=True))
    steps = tuple(
        msgspec.structs.replace(step, after=tuple(each for each in step.after if (step.id, each) not in dropped))
        for step in plan.migrations
    )
    broken = msgspec.structs.replace(plan, migrations=steps)
    order = check_plan(problem[0], broken, target=problem[1]).problems
    assert any("may start" in each or "moves" in each for each in order) == bool(order)
    # waves and times were made with the edges, and hold without: what is told is the order alone
    assert bool(order) == some_timing_breaks(compile_cloud(problem[0]), broken)


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
    again = msgspec.structs.replace(migration, id=len(plan.migrations) + len(plan.host_steps) + 1)
    yield msgspec.structs.replace(plan, migrations=(*plan.migrations, again))
    for name in ("departures", "arrivals", "host_steps"):
        if plan.outcome == "found" and getattr(plan, name):
            yield msgspec.structs.replace(plan, **{name: getattr(plan, name)[1:]})
    for name in ("migrations", "extra_migrations", "bypasses", "memory_mb", "waves", "makespan_s"):
        wrong = {name: getattr(plan.summary, name) + 1}
        yield msgspec.structs.replace(plan, summary=msgspec.structs.replace(plan.summary, **wrong))
    elsewhere = {**plan.target, migration.instance: next(h for h in hosts if h != plan.target.get(migration.instance))}
    yield msgspec.structs.replace(plan, target=elsewhere)
    yield msgspec.structs.replace(plan, outcome="infeasible" if plan.outcome == "found" else "found")


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(problems(), st.data())
def test_the_replay_catches_damage(problem, data):
    plan = plan_for(problem)
    assume(plan.migrations)
    number = data.draw(st.integers(0, len(plan.migrations) - 1))
    for kind, damaged in enumerate(damages(plan, number, [host.name for host in problem[0].hosts])):
        assert not check_plan(problem[0], damaged, target=problem[1]).holds, f"damage number {kind}"


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=7))
def test_arrangements_of_classes_tell_what_can_be_reached(drawn):
    problem = posed(drawn)
    there_is_one = reachable(compile_cloud(drawn[0]), drawn[1])
    known = reach(problem, (), Budget(1_000_000))
    assert known in ("unknown", "reachable" if there_is_one else "unreachable")
    if Arrangements(problem, ()).applicable():
        assert known != "unknown"
