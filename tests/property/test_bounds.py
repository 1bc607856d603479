"""Lower bounds of random small clouds: no plan beats them, nor any schedule of a tiny cloud."""

from itertools import permutations
from math import inf

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from tests.clouds import cloud
from tests.property.path_problems import problems
from tests.property.timetables import over_before
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidTarget
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import PathSettings, admission, find_path
from vmpath_service.pathfinder.bottleneck import busy
from vmpath_service.pathfinder.bounds import lower_bounds
from vmpath_service.pathfinder.leastwork import LeastWork
from vmpath_service.pathfinder.onebyone import OneByOne
from vmpath_service.pathfinder.problem import pose
from vmpath_service.pathfinder.spacetime import Spaces
from vmpath_service.pathfinder.together import Together

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


@st.composite
def zones(draw):
    """Two hosts of a zone and one of another between which some instances may not go, nearly full: those that are to
    change places within the zone are bound to it, all or some."""
    sizes = st.tuples(st.integers(1, 5), st.integers(0, 3))
    count = draw(st.integers(2, 4))
    needs = {f"i{number}": draw(sizes) for number in range(count + draw(st.integers(0, 1)))}
    names = list(needs)
    start = {name: draw(st.sampled_from(["a", "b"])) for name in names}
    for name in names[count:]:
        start[name] = "c"
    end = {name: draw(st.sampled_from(["a", "b"] if name in names[:count] else ["a", "b", "c"])) for name in names}
    rooms = {}
    for host in ("a", "b", "c"):
        held = [[needs[name] for name in names if where[name] == host] for where in (start, end)]
        rooms[host] = {
            kind: max(sum(need[number] for need in each) for each in held) + draw(st.integers(0, 4))
            for number, kind in enumerate(("MEMORY_MB", "DISK_GB"))
        }
    bound = [name for name in names[:count] if draw(st.booleans())]
    snapshot = cloud(
        rooms,
        {name: (start[name], {"MEMORY_MB": need[0], "DISK_GB": need[1]}) for name, need in needs.items()},
        of_host={host: {"availability_zone": "far" if host == "c" else "near"} for host in rooms},
        of_instance={name: {"pinned_availability_zone": "near"} for name in bound},
    )
    return snapshot, Placement({name: host for name, host in end.items() if host != start[name]})


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
@given(st.one_of(zones(), problems(most_hosts=3, most_instances=5)), st.sampled_from([None, 1, 2]))
def test_no_schedule_of_a_tiny_cloud_beats_room_times_time(problem, per_host):
    posed_problem = posed(*problem, limits(per_host))
    spaces = Spaces(posed_problem, LeastWork(posed_problem), posed_problem.room())
    plain = max((seconds for seconds, _ in spaces.plain()), default=0.0)
    sharp, what = max(spaces.sharp(0.0), default=(0.0, ""))
    assert sharp >= plain
    beaten = over_before(posed_problem, sharp - 0.002)
    event(f"sharper: {sharp > plain + 1e-9}, of {what.split(' ')[-2:]}, beaten: {beaten}")
    assert not beaten, (sharp, what)


@st.composite
def crowds(draw):
    """Exchanges on a full host, with all the room in the world, or a little, elsewhere."""
    sizes = st.tuples(st.integers(1, 6), st.integers(0, 4))
    inside = draw(st.lists(sizes, min_size=1, max_size=3))
    outside = draw(st.lists(sizes, min_size=1, max_size=3 if len(inside) < 3 else 2))
    stays = draw(st.sampled_from([None, None, 0]))
    names = [f"i{number}" for number in range(len(inside) + len(outside))]
    first = [f"i{number}" for number in range(len(inside))]
    leaving = first if stays is None else first[1:]
    coming = names[len(inside) :]
    need = dict(zip(names, [*inside, *outside], strict=True))

    def taken(some):
        return [sum(need[name][number] for name in some) for number in (0, 1)]

    most = [max(pair) for pair in zip(taken(first), taken(set(names) - set(leaving)), strict=True)]
    slack = draw(st.tuples(st.integers(0, 3), st.integers(0, 2)))
    spare = draw(st.sampled_from([0, 3, 40]))
    elsewhere = [max(pair) + spare for pair in zip(taken(coming), taken(leaving), strict=True)]
    sides = {"full": [a + b for a, b in zip(most, slack, strict=True)], "roomy": elsewhere, "third": [spare, spare]}
    snapshot = cloud(
        {host: {"MEMORY_MB": amounts[0], "DISK_GB": amounts[1]} for host, amounts in sides.items()},
        {
            name: ("full" if name in first else "roomy", {"MEMORY_MB": need[name][0], "DISK_GB": need[name][1]})
            for name in names
        },
    )
    target = dict.fromkeys(leaving, "roomy") | dict.fromkeys(coming, "full")
    return snapshot, Placement(target)


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(crowds(), st.sampled_from([1, 2]))
def test_no_schedule_of_a_crowded_host_beats_the_bound(problem, per_host):
    posed_problem = posed(*problem, limits(per_host))
    bound = lower_bounds(posed_problem)
    event("one by one" if "one by one" in bound.binding else "another")
    beaten = over_before(posed_problem, bound.makespan_s - 0.002)
    event(f"beaten: {beaten}")
    assert not beaten, bound


def quickest(coming, going, free, slots, all_go=False):
    """When all have arrived on one host: all orders of arrivals and departures, each as early as it can be.

    With ``all_go``, when all departures have ended too."""
    best = None
    for leaving in permutations(going):
        times, ended = [0.0] * slots, []
        for size, seconds in leaving:
            times.sort()
            times[0] += seconds
            ended.append((times[0], size))
        for arriving in permutations(coming):
            at, slot, held = 0.0, [0.0] * slots, [-amount for amount in free]
            for size, seconds in arriving:
                slot.sort()
                held = [a + b for a, b in zip(held, size, strict=True)]
                moments = [at, slot[0], *(end for end, _ in ended)]
                possible = [
                    moment
                    for moment in moments
                    if moment >= max(at, slot[0])
                    and all(
                        not size[number] or held[number] <= sum(gone[number] for end, gone in ended if end <= moment)
                        for number in range(len(free))
                    )
                ]
                if not possible:
                    break
                at = min(possible)
                slot[0] = at + seconds
            else:
                end = max([*slot, *times] if all_go else slot)
                best = end if best is None else min(best, end)
    return best


tasks = st.tuples(st.tuples(st.integers(0, 6), st.integers(0, 6)), st.sampled_from([0.5, 1.0, 2.0, 3.0, 4.0, 7.5]))


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(
    st.lists(tasks, min_size=1, max_size=4),
    st.lists(tasks, max_size=4),
    st.tuples(st.integers(-2, 4), st.integers(0, 8)),
    st.integers(1, 3),
)
def test_one_by_one_is_a_bound_on_one_host(coming, going, free, slots):
    best = quickest(coming, going, free, slots)
    assume(best is not None)
    least = OneByOne(coming, going, free, slots).least()
    event("exact" if least > best - 1e-6 else "lower")
    assert least <= best + 1e-6
    for number in (0, 1):
        loads = [[(size[number], seconds) for size, seconds in some] for some in (coming, going)]
        simple = busy(*loads, free[number], slots)
        event("beyond the simple bound" if least > simple + 1e-6 else "no better")
        assert least >= simple * 0.999


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(
    st.lists(tasks, min_size=1, max_size=4),
    st.lists(tasks, max_size=4),
    st.tuples(st.integers(-2, 4), st.integers(0, 8)),
    st.integers(1, 3),
    st.booleans(),
)
def test_arrivals_and_departures_laid_out_together_are_a_bound_on_one_host(coming, going, free, slots, all_go):
    best = quickest(coming, going, free, slots, all_go)
    assume(best is not None)
    arrivals = OneByOne(coming, going, free, slots)
    known = arrivals.least()
    least, _ = Together(arrivals, going, all_go).least(known, inf, 100_000)
    event("exact" if least > best - 1e-6 else "lower")
    event("higher" if least > known + 1e-6 else "no higher")
    assert known <= least <= best + 1e-6
    # what is left out is when departures end that no arrival waits for
    assert all_go or least >= best - 1e-6
    barely, _ = Together(arrivals, going, all_go).least(known, inf, 5)
    assert known <= barely <= best + 1e-6


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
