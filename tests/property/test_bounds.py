"""Lower bounds of random small clouds: no plan beats them, nor any schedule of a tiny cloud."""

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from tests.property.path_problems import problems
from tests.property.timetables import over_before
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidTarget
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import PathSettings, admission, find_path
from vmpath_service.pathfinder.bounds import lower_bounds
from vmpath_service.pathfinder.problem import pose

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
# A MiB takes a second.
MBPS = 8.0


def limits(per_host, in_total=None):
    return Limits(per_host=per_host, in_total=in_total, migration_mbps=MBPS)


def posed(snapshot, target, limited):
    cloud = compile_cloud(snapshot)
    try:
        admission.check_target(cloud, target, departures=True)
        problem = pose(cloud, target, limited)
        admission.check_sanity(problem)
    except InvalidTarget:
        assume(False)
    assume(problem.movers)
    return problem


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=3, most_instances=5), st.sampled_from([1, 2]), st.sampled_from([None, 2]))
def test_no_schedule_of_a_tiny_cloud_beats_the_bound(problem, per_host, in_total):
    posed_problem = posed(*problem, limits(per_host, in_total))
    bound = lower_bounds(posed_problem)
    event(str(bound.binding).split(" ", maxsplit=1)[0])
    beaten = over_before(posed_problem, bound.makespan_s - 0.002)
    event(f"beaten: {beaten}")
    assert not beaten, bound


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(
    problems(),
    st.sampled_from(["cost", "time", "balanced"]),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([None, 2]),
)
def test_no_plan_beats_the_bound(problem, objective, per_host, in_total):
    settings = PathSettings(objective=objective, limits=limits(per_host, in_total), departures=True)
    try:
        plan = find_path(compile_cloud(problem[0]), problem[1], settings, snapshot_identity="sha256:0")
    except InvalidTarget:
        assume(False)
    assume(plan.outcome == "found")
    assert plan.summary.makespan_s >= plan.summary.bounds.makespan_s - 0.002
