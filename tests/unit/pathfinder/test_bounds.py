"""Lower bounds of clouds where they can be worked out by hand."""

import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.bottleneck import busy
from vmpath_service.pathfinder.bounds import lower_bounds
from vmpath_service.pathfinder.leastwork import LeastWork
from vmpath_service.pathfinder.onebyone import OneByOne
from vmpath_service.pathfinder.problem import pose
from vmpath_service.pathfinder.spacetime import Spaces
from vmpath_service.pathfinder.together import Together

# A MiB takes a second.
MBPS = 8.0


def bound(snapshot, wanted, per_host=1, **more):
    return lower_bounds(pose(compile_cloud(snapshot), wanted, Limits(per_host=per_host, migration_mbps=MBPS, **more)))


def test_slots_bind_where_there_is_room():
    snapshot = cloud({"a": 20, "b": 20}, {"x": ("a", 4), "y": ("a", 5)})
    found = bound(snapshot, target(x="b", y="b"))
    assert found.makespan_s == 9
    assert "slots of" in found.binding


def test_what_arrives_on_a_full_host_waits_for_what_leaves_it():
    # b is full: 4 MiB leave in 4 s before 4 MiB can come in 4 s, though each slot has but 4 s of work
    snapshot = cloud({"a": 20, "b": 4}, {"x": ("a", 4), "y": ("b", 4)})
    found = bound(snapshot, target(x="b", y="a"))
    assert found.makespan_s == 8
    assert found.binding == "arrivals on b, by turns for want of MEMORY_MB"


def test_free_room_of_a_zone_binds_those_who_may_not_leave_it():
    zones = {"a": "z1", "b": "z1", "c": "z2"}
    snapshot = cloud(
        {"a": 12, "b": 10, "c": 100},
        {f"i{number}": ("a" if number < 5 else "b", 2) for number in range(10)},
        of_host={host: {"availability_zone": zone} for host, zone in zones.items()},
        of_instance={f"i{number}": {"pinned_availability_zone": "z1"} for number in range(10)},
    )
    wanted = target(**{f"i{number}": "b" if number < 5 else "a" for number in range(10)})
    # ten times 2 MiB for 2 s each in 2 MiB
    found = bound(snapshot, wanted, per_host=2)
    assert found.makespan_s == 20
    assert found.binding == "free MEMORY_MB of zone z1"


def test_room_that_nobody_fits_in_is_idle_at_both_ends():
    # 3 MiB on a: until somebody has left, and after the last but one has come, 1 MiB of them is idle for 2 s
    snapshot = cloud({"a": 13, "b": 10}, {f"i{number}": ("a" if number < 5 else "b", 2) for number in range(10)})
    wanted = target(**{f"i{number}": "b" if number < 5 else "a" for number in range(10)})
    found = bound(snapshot, wanted, per_host=2)
    assert found.makespan_s == pytest.approx((40 + 2 + 2) / 3, abs=1e-3)
    assert found.binding == "free MEMORY_MB of all hosts"


def test_a_host_is_idle_until_it_is_up():
    # 16 MiB for 2 s each are to go through the 2 MiB of a and, after 30 s, the 10 MiB of c
    snapshot = cloud(
        {"a": 10, "b": 8, "c": 10},
        {f"i{number}": ("a" if number < 4 else "b", 2) for number in range(8)},
        off=["c"],
        of_host={"c": {"boot_s": 30}},
    )
    wanted = target(**{f"i{number}": "b" if number < 4 else "a" for number in range(8)})
    problem = pose(compile_cloud(snapshot), wanted, Limits(per_host=2, migration_mbps=MBPS))
    spaces = Spaces(problem, LeastWork(problem), problem.room())
    assert max(spaces.plain())[0] == pytest.approx(32 / 12)
    # if it takes 3 s at least, c is idle all the time
    assert max(spaces.sharp(3.0))[0] == pytest.approx((32 + 3 * 10) / 12)


def test_links_work_after_the_first_boot_behind_them():
    snapshot = cloud(
        {"a": 20, "b": 20, "c": 20},
        {"x": ("a", 4), "y": ("a", 4)},
        off=["b", "c"],
        of_host={
            "a": {"links": ["nic-a"]},
            "b": {"links": ["nic-b", "rack"], "boot_s": 30},
            "c": {"links": ["nic-c", "rack"], "boot_s": 50},
        },
        links={"nic-a": 8, "nic-b": 8, "nic-c": 8, "rack": 8},
    )
    found = bound(snapshot, target(x="b", y="b"), per_host=None)
    assert found.makespan_s == 38
    assert found.binding == "work of link nic-b inward"


@pytest.mark.parametrize(
    ("coming", "going", "free", "seconds"),
    [
        ([(4, 4), (4, 4)], [(4, 4), (4, 4)], 0, 12),
        ([(4, 4), (4, 4)], [(4, 4), (4, 4)], 4, 8),
        # nothing has to leave for who asks for nothing
        ([(0, 4)], [(4, 4)], -4, 4),
        # what leaves takes long: four seconds before the first of the two can come
        ([(2, 1), (2, 1)], [(2, 4), (2, 4)], 0, 6),
        # room for the only one, but for what rounding takes away: 16/19 of the first departure, then the arrival
        ([(1600, 3.3)], [(3000, 5.4), (1900, 0.3), (200, 8.9)], 0, 0.3 * 16 / 19 + 3.3),
    ],
)
def test_turns_on_one_slot(coming, going, free, seconds):
    assert busy(coming, going, free, 1) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("coming", "going", "free", "slots", "seconds"),
    [
        # whoever leaves does so whole: no four of the six MiB are free before all six are
        ([((4,), 4)], [((6,), 6)], (0,), 2, 10),
        # two of the three leave one after the other before the second can come
        ([((5,), 5), ((5,), 5)], [((5,), 5), ((5,), 5), ((5,), 5)], (-5,), 2, 15),
        # of the two classes, the one that takes longer to free counts
        ([((4, 4), 4)], [((4, 0), 4), ((0, 4), 5)], (0, 0), 1, 9),
        # long ones first, though the short one has room at once
        ([((1,), 1), ((1,), 1), ((1,), 4)], [], (3,), 2, 4),
        # never: nothing to say
        ([((4,), 4)], [((3,), 3)], (0,), 2, 0),
    ],
)
def test_whole_arrivals_one_by_one(coming, going, free, slots, seconds):
    assert OneByOne(coming, going, free, slots).least() == pytest.approx(seconds)


def test_turns_on_a_full_host_are_taken_by_whole_instances():
    # 4 MiB can come once the 6 MiB are gone; by shares, 4 MiB of them went through two slots in 2 s
    snapshot = cloud({"a": 20, "b": 6}, {"x": ("a", 4), "y": ("b", 6)})
    found = bound(snapshot, target(x="b", y="a"), per_host=2)
    assert found.makespan_s == 10
    assert found.binding.endswith(" b, one by one for want of MEMORY_MB")


def test_departures_follow_from_one_another():
    # the first 3 MiB can come after 3 s, and all 5 MiB after 4 s, but not both: either way it takes a second more
    coming, going = [((3,), 3), ((2,), 2)], [((3,), 3), ((5,), 4)]
    arrivals = OneByOne(coming, going, (0,), 1)
    known = arrivals.least()
    assert known == pytest.approx(8)
    assert Together(arrivals, going, all_go=True).least(known, 100.0, 1000)[0] == pytest.approx(9)


def test_who_never_has_room_is_not_waited_for_beyond_what_is_looked_for():
    arrivals = OneByOne([((5,), 1)], [], (0,), 1)
    assert Together(arrivals, [], all_go=True).least(1.0, 10.0, 100_000)[0] == pytest.approx(10, rel=0.05)


def test_who_is_to_stay_may_step_aside_sooner_than_others_leave():
    # x needs 4 GB of disk: y, which is to leave, takes 6 s to free them, z but 1 s, and is back before 7 s are over
    host = {"MEMORY_MB": 100, "DISK_GB": 8}
    snapshot = cloud(
        {"a": {"MEMORY_MB": 100, "DISK_GB": 100}, "b": host},
        {
            "x": ("a", {"MEMORY_MB": 6, "DISK_GB": 4}),
            "y": ("b", {"MEMORY_MB": 6, "DISK_GB": 4}),
            "z": ("b", {"MEMORY_MB": 1, "DISK_GB": 4}),
        },
    )
    assert bound(snapshot, target(x="b", y="a"), per_host=2).makespan_s == 7
