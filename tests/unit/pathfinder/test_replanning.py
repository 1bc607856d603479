"""A new plan for the rest, and the way back, in stories of two or three hosts."""

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.pathfinder import PathSettings, check_plan, find_path
from vmpath_service.pathfinder.replanning import Underway, replan, way_back

HOSTS = {"a": 10, "b": 10, "c": 10}
SETTINGS = PathSettings()


def plan_for(snapshot, wanted):
    plan = find_path(compile_cloud(snapshot), wanted, SETTINGS, snapshot_identity="sha256:0")
    assert plan.outcome == "found"
    return plan


def under_way(plan, done=(), in_flight=(), failed=()):
    """How far a plan has come, by instances; ``done`` in the plan's order."""
    ids = {each.instance: each.id for each in plan.migrations}
    return Underway(plan, frozenset(done), *(frozenset(ids[each] for each in some) for some in (in_flight, failed)))


def steps(found, snapshot):
    assert check_plan(snapshot, found.plan).problems == ()
    return [f"{each.instance}: {each.source} -> {each.dest}" for each in found.plan.migrations]


def rest(snapshot, underway, **more):
    return replan(compile_cloud(snapshot), underway, SETTINGS, snapshot_identity="sha256:1", **more)


def back(snapshot, underway):
    return way_back(compile_cloud(snapshot), underway, SETTINGS, snapshot_identity="sha256:1")


# x and y change places by way of c
SWAP = {"x": ("a", 6), "y": ("b", 6)}
SWAPPED = target(x="b", y="a")


def test_a_settled_instance_that_stepped_aside_comes_back():
    hosts = {"a": 10, "b": 9, "c": 6}
    plan = plan_for(cloud(hosts, {"x": ("a", 6), "y": ("c", 6), "s": ("b", 4)}), target(x="c", y="a"))
    assert (plan.migrations[0].instance, plan.migrations[0].dest) == ("s", "a")
    # s is on a, and y is gone: x goes straight, s goes home though the target does not name it
    now = cloud(hosts, {"x": ("a", 6), "s": ("a", 4)})
    found = rest(now, Underway(plan, done=frozenset([plan.migrations[0].id])))
    assert sorted(steps(found, now)) == ["s: a -> b", "x: a -> c"]


def test_an_instance_that_is_gone_makes_its_steps_needless():
    plan = plan_for(cloud(HOSTS, SWAP), SWAPPED)
    aside = plan.migrations[0].instance
    other = "y" if aside == "x" else "x"
    now = cloud(HOSTS, {other: SWAP[other]})
    found = rest(now, under_way(plan))
    assert steps(found, now) == [f"{other}: {SWAP[other][0]} -> {SWAPPED.placement[other]}"]
    assert [(each.instance, each.reason) for each in found.given_up] == [(aside, "it is gone")]


def test_an_instance_in_flight_counts_at_both_ends_and_is_awaited():
    plan = plan_for(cloud(HOSTS, SWAP), SWAPPED)
    first, second, _ = plan.migrations
    now = cloud(HOSTS, SWAP, in_flight={first.instance: (first.source, first.dest)})
    flying = Underway(plan, in_flight=frozenset([first.id]))
    # the snapshot need not know of it
    for snapshot in (now, cloud(HOSTS, SWAP)):
        found = rest(snapshot, flying)
        assert steps(found, snapshot) == []
        short = [(each.instance, each.reason) for each in found.given_up]
        assert short == [(second.instance, f"{first.source} would be 2 MEMORY_MB short")]  # for now
        assert found.awaits == (first.instance,)
    # with room for all, the other goes on
    wide = {"a": 20, "b": 20, "c": 10}
    roomy = cloud(wide, SWAP, in_flight={first.instance: (first.source, first.dest)})
    assert steps(rest(roomy, flying), roomy) == [f"{second.instance}: {second.source} -> {second.dest}"]


def test_a_failed_instance_stays_and_the_others_find_another_way():
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 2), "y": ("a", 3)})
    plan = plan_for(snapshot, target(x="b", y="b"))
    found = rest(snapshot, under_way(plan, failed=["x"]))
    assert steps(found, snapshot) == ["y: a -> b"]
    assert [each.reason for each in found.given_up] == ["its migration to b failed"]


def test_a_host_that_takes_nothing_in_is_given_up():
    plan = plan_for(cloud(HOSTS, {"x": ("a", 2), "y": ("a", 3)}), target(x="b", y="c"))
    for change, reason in (
        ({"down": ["b"]}, "b is down and takes nothing in"),
        ({"disabled": ["b"]}, "b is disabled and takes nothing in"),
    ):
        now = cloud(HOSTS, {"x": ("a", 2), "y": ("a", 3)}, **change)
        found = rest(now, under_way(plan))
        assert steps(found, now) == ["y: a -> c"]
        assert [(each.instance, each.host, each.reason) for each in found.given_up] == [("x", "b", reason)]
    now = cloud({"a": 10, "c": 10}, {"x": ("a", 2), "y": ("a", 3)})
    assert [each.reason for each in rest(now, under_way(plan)).given_up] == ["b is gone"]
    elsewhere = rest(now, under_way(plan), target=target(x="c", y="c"))
    assert sorted(steps(elsewhere, now)) == ["x: a -> c", "y: a -> c"]
    assert not elsewhere.given_up


def test_of_those_who_no_longer_fit_the_smallest_that_suffices_is_given_up():
    sizes = {"x": ("a", 2), "y": ("a", 3), "z": ("a", 5)}
    plan = plan_for(cloud(HOSTS, sizes), target(x="b", y="b", z="b"))
    now = cloud({"a": 20, "b": 10, "c": 10}, {**sizes, "y": ("a", 5), "new": ("b", 1)})
    found = rest(now, under_way(plan))
    assert [(each.instance, each.reason) for each in found.given_up] == [("y", "b would be 3 MEMORY_MB short")]
    assert sorted(steps(found, now)) == ["x: a -> b", "z: a -> b"]


def test_the_way_back_is_the_mirror():
    plan = plan_for(cloud(HOSTS, SWAP), SWAPPED)
    now = cloud(HOSTS, {"x": ("b", 6), "y": ("a", 6)})
    found = back(now, Underway(plan, done=frozenset(each.id for each in plan.migrations)))
    mirror = [f"{each.instance}: {each.dest} -> {each.source}" for each in reversed(plan.migrations)]
    assert steps(found, now) == mirror
    assert list(found.kept.values()) == [each.id for each in reversed(plan.migrations)]


def test_where_the_mirror_is_not_legal_another_way_is_searched():
    plan = plan_for(cloud(HOSTS, SWAP), SWAPPED)
    # somebody has filled c; d is new
    now = cloud({**HOSTS, "d": 10}, {"x": ("b", 6), "y": ("a", 6), "new": ("c", 9)})
    found = back(now, Underway(plan, done=frozenset(each.id for each in plan.migrations)))
    assert found.plan.outcome == "found"
    assert len(steps(found, now)) == 3
    assert {each.dest for each in found.plan.migrations} == {"a", "b", "d"}


def test_who_was_moved_on_by_others_is_left_there():
    plan = plan_for(cloud(HOSTS, {"x": ("a", 2), "y": ("a", 3)}), target(x="b", y="b"))
    now = cloud(HOSTS, {"x": ("c", 2), "y": ("b", 3)})
    found = back(now, Underway(plan, done=frozenset(each.id for each in plan.migrations)))
    assert steps(found, now) == ["y: b -> a"]
    assert [each.reason for each in found.given_up] == ["it is no longer on b, where it was brought"]
