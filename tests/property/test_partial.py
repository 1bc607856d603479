"""Parts of a way: within the limits, nobody half way, and in small clouds as good as can be."""

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.property.path_problems import legal_moves, problems
from vmpath_service.model.compiled import NOWHERE, compile_cloud
from vmpath_service.model.errors import InvalidTarget
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.pathfinder import PathSettings, check_plan, find_path

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def plan_for(problem, **more):
    snapshot, target = problem
    options = PathSettings(departures=True, **more)
    try:
        return find_path(compile_cloud(snapshot), target, options, snapshot_identity="sha256:0")
    except InvalidTarget:
        assume(False)


def left_by(snapshot, plan):
    """Memory and number of the instances that a plan leaves misplaced."""
    where = {each.uuid: each.host for each in snapshot.instances}
    where.update({each.instance: each.dest for each in plan.migrations})
    left = [
        each.memory_mb()
        for each in snapshot.instances
        if each.host is not None and plan.target.get(each.uuid) not in (None, where[each.uuid])
    ]
    return sum(left), len(left)


def least_left(snapshot, target, most):
    """The least that any sequence of at most so many migrations leaves misplaced, with nobody half way."""
    compiled = compile_cloud(snapshot)
    goal = list(compiled.home)
    for uuid, host in target.placement.items():
        goal[compiled.instance_index[uuid]] = NOWHERE if host is None else compiled.host_index[host]
    gone = [guest for guest, host in enumerate(goal) if host == NOWHERE]
    movers = [guest for guest, host in enumerate(goal) if NOWHERE not in (host, compiled.home[guest])]
    ring = {tuple(Occupancy(compiled, gone).where)}
    seen = set(ring)
    best = None
    for step in range(most + 1):
        following = set()
        for state in ring:
            at_rest = all(
                host in (NOWHERE, goal[guest], compiled.home[guest]) or (guest not in movers and host == goal[guest])
                for guest, host in enumerate(state)
            )
            if at_rest:
                left = [snapshot.instances[guest].memory_mb() for guest in movers if state[guest] != goal[guest]]
                best = min(best or (sum(left), len(left)), (sum(left), len(left)))
            if step == most:
                continue
            accounts = Occupancy(compiled, gone)
            for guest, host in enumerate(state):
                if host != accounts.where[guest]:
                    accounts.move(guest, host)
            for guest, host in legal_moves(compiled, accounts, state):
                if guest not in gone:
                    following.add((*state[:guest], host, *state[guest + 1 :]))
        ring = following - seen
        seen |= ring
    return best


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=7), st.integers(1, 4))
def test_so_many_migrations_leave_as_little_misplaced_as_they_can(problem, most):
    plan = plan_for(problem, max_migrations=most, best_effort=True)
    assert plan.outcome in ("found", "partial")
    assert len(plan.migrations) <= most
    assert check_plan(problem[0], plan, target=problem[1]).problems == ()
    assert left_by(problem[0], plan) == least_left(*problem, most)


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(problems(), st.integers(1, 20), st.booleans())
def test_no_more_memory_is_moved_than_was_allowed(problem, most, best_effort):
    plan = plan_for(problem, max_memory_mb=most, best_effort=best_effort)
    assert plan.outcome in ("found", "partial", "infeasible")
    assert plan.summary.memory_mb <= most
    check = check_plan(problem[0], plan, target=problem[1])
    assert check.problems == ()
    assert check.figures.suspects == 0
    whole = plan_for(problem)
    if whole.outcome == "found" and whole.summary.memory_mb <= most:
        assert plan.outcome == "found"
    if plan.outcome == "found":
        assert whole.outcome == "found"


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=7, most_instances=14), st.integers(0, 12))
def test_a_search_that_is_stopped_gives_the_best_so_far(problem, moment):
    looks = iter(range(1000000))
    snapshot, target = problem
    try:
        plan = find_path(
            compile_cloud(snapshot),
            target,
            PathSettings(departures=True),
            snapshot_identity="sha256:0",
            stop=lambda: next(looks) >= moment,
        )
    except InvalidTarget:
        assume(False)
    assert check_plan(snapshot, plan, target=target).problems == ()
    assert plan.outcome in ("found", "partial", "infeasible") if plan.extra else plan.outcome != "partial"
    assert not plan.time_limited
