"""Small clouds, each with one thing that makes the path what it is."""

import msgspec
import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.constraints import registry
from vmpath_service.model.constraints.base import CompiledConstraint, Constraint
from vmpath_service.model.errors import InvalidInput, InvalidTarget, NotFound
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import PathSettings, check_plan, find_path


def find(snapshot, wanted, **options):
    """The plan, which the replay has confirmed."""
    plan = find_path(compile_cloud(snapshot), wanted, PathSettings(**options), snapshot_identity="sha256:0")
    assert check_plan(snapshot, plan, target=wanted).problems == ()
    return plan


def steps(plan):
    return [f"{each.instance}: {each.source} -> {each.dest}" for each in plan.migrations]


def by_instance(plan):
    return {each.instance: each for each in plan.migrations}


def test_what_is_in_place_needs_no_path():
    plan = find(cloud({"a": 10}, {"x": ("a", 4)}), target(x="a"))
    assert (plan.outcome, plan.migrations, plan.explanation) == ("found", (), None)


def test_where_everything_fits_at_once_nothing_waits():
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 4), "y": ("b", 4)})
    plan = find(snapshot, target(x="b", y="a"))
    assert [each.after for each in plan.migrations] == [(), ()]
    assert plan.summary.waves == 1


def test_a_chain_frees_its_last_host_first():
    hosts = {"a": 10, "b": 10, "c": 10}
    snapshot = cloud(hosts, {"x": ("a", 8), "y": ("b", 8)})
    plan = find(snapshot, target(x="b", y="c"))
    assert steps(plan) == ["y: b -> c", "x: a -> b"]
    assert by_instance(plan)["x"].after == (by_instance(plan)["y"].id,)
    assert by_instance(plan)["x"].start_s >= by_instance(plan)["y"].end_s


def test_a_swap_goes_by_a_third_host():
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 8), "y": ("b", 6)})
    plan = find(snapshot, target(x="b", y="a"))
    assert steps(plan) == ["y: b -> c", "x: a -> b", "y: c -> a"]
    assert [each.bypass for each in plan.migrations] == [True, False, False]
    assert plan.migrations[0].reason == "makes room on b before it goes to a"
    assert (plan.summary.extra_migrations, plan.summary.bypasses, plan.summary.memory_mb) == (1, 1, 20)
    assert (plan.summary.bounds.migrations, plan.summary.bounds.memory_mb) == (2, 14)


def test_a_settled_instance_steps_aside_and_comes_back():
    # nobody who moves fits on c, but s does
    snapshot = cloud({"a": 10, "b": 10, "c": 3}, {"x": ("a", 5), "u": ("a", 3), "y": ("b", 5), "s": ("b", 3)})
    plan = find(snapshot, target(x="b", y="a"))
    assert plan.outcome == "found"
    assert {"u", "s"} & {each.instance for each in plan.migrations if each.bypass}
    assert any(each.reason == "comes back" for each in plan.migrations)


def test_a_third_host_is_cleared_when_it_must_be():
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10, "d": 4},
        {"x": ("a", 8), "y": ("b", 8), "z": ("c", 4)},
    )
    plan = find(snapshot, target(x="b", y="a"))
    assert steps(plan)[0] == "z: c -> d"
    assert steps(plan)[-1] == "z: d -> c"
    assert plan.summary.migrations == 5


def test_a_cycle_without_room_is_proved_impossible():
    plan = find(cloud({"a": 10, "b": 10}, {"x": ("a", 8), "y": ("b", 6)}), target(x="b", y="a"))
    assert (plan.outcome, plan.migrations) == ("infeasible", ())
    assert "x from a to b is out of reach: it asks for 8 MEMORY_MB, and all hosts together have 6 free" in (
        plan.explanation
    )
    assert "It would help to have 4 MEMORY_MB more on any host, or to shelve y" in plan.explanation


def test_a_member_that_is_leaving_blocks_its_sibling():
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 1), "y": ("b", 1)}, apart={"g": ["x", "y"]})
    plan = find(snapshot, target(x="b", y="c"))
    assert by_instance(plan)["x"].after == (by_instance(plan)["y"].id,)


def test_siblings_swap_by_a_third_host():
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 1), "y": ("b", 1)}, apart={"g": ["x", "y"]})
    assert find(snapshot, target(x="b", y="a")).summary.bypasses == 1


def test_a_group_may_admit_two_on_a_host():
    snapshot = cloud({"a": 9, "b": 9}, {"x": ("a", 1), "y": ("b", 1)}, apart={"g": ["x", "y"]}, at_most={"g": 2})
    assert find(snapshot, target(x="b")).summary.migrations == 1


def test_disk_may_be_what_is_tight():
    tight = {"MEMORY_MB": 100, "DISK_GB": 10}
    snapshot = cloud(
        {"a": tight, "b": tight, "c": tight},
        {"x": ("a", {"MEMORY_MB": 1, "DISK_GB": 8}), "y": ("b", {"MEMORY_MB": 1, "DISK_GB": 8})},
    )
    plan = find(snapshot, target(x="b", y="c"))
    assert steps(plan) == ["y: b -> c", "x: a -> b"]


def test_an_overfull_host_may_shrink_but_not_grow():
    snapshot = cloud({"a": 5, "b": 10}, {"x": ("a", 4), "y": ("a", 4), "z": ("b", 1)})
    assert find(snapshot, target(x="b")).outcome == "found"
    with pytest.raises(InvalidTarget, match="asks for 9 MEMORY_MB on a, which has 5 and holds 8 now"):
        find(snapshot, target(z="a"))


def test_an_overfull_host_admits_who_asks_for_none_of_it():
    small = {"MEMORY_MB": 5, "DISK_GB": 5}
    snapshot = cloud({"a": small, "b": small}, {"x": ("a", 4), "y": ("a", 4), "z": ("b", {"DISK_GB": 1})})
    assert find(snapshot, target(z="a")).outcome == "found"


def test_a_host_that_stays_overfull_can_never_admit():
    snapshot = cloud({"a": 5, "b": 10}, {"x": ("a", 4), "y": ("a", 4), "z": ("b", 3)})
    plan = find(snapshot, target(x="b", z="a"))
    assert plan.outcome == "infeasible"
    assert "z can never arrive on a" in plan.explanation


def test_a_disabled_host_may_be_left_but_not_entered():
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 4), "y": ("b", 4)}, disabled=["a"])
    assert steps(find(snapshot, target(x="b"))) == ["x: a -> b"]
    with pytest.raises(InvalidTarget, match="puts y on a, which is disabled"):
        find(snapshot, target(y="a"))


def test_a_host_that_is_down_cannot_be_left():
    plan = find(cloud({"a": 10, "b": 10}, {"x": ("a", 4)}, down=["a"]), target(x="b"))
    assert plan.outcome == "infeasible"
    assert "x cannot leave a, which is down" in plan.explanation


def test_a_host_that_is_off_boots_first():
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 4)}, off=["b"], of_host={"b": {"boot_s": 180}})
    plan = find(snapshot, target(x="b"))
    (boot,) = plan.host_steps
    assert (boot.host, boot.action, boot.start_s, boot.end_s) == ("b", "power-on", 0, 180)
    assert plan.migrations[0].after == (boot.id,)
    assert plan.migrations[0].start_s == 180
    assert "boot of b" in plan.summary.bounds.binding


def test_a_spare_host_is_powered_on_only_if_nothing_else_helps():
    hosts, instances = {"a": 10, "b": 10, "c": 10}, {"x": ("a", 8), "y": ("b", 8)}
    plan = find(cloud(hosts, instances, off=["c"]), target(x="b", y="a"))
    assert [step.host for step in plan.host_steps] == ["c"]
    plan = find(cloud({**hosts, "d": 10}, instances, off=["c"]), target(x="b", y="a"))
    assert plan.host_steps == ()


def test_a_zone_keeps_its_own():
    zones = {"a": {"availability_zone": "az1"}, "b": {"availability_zone": "az1"}, "c": {"availability_zone": "az2"}}
    pinned = {name: {"pinned_availability_zone": "az1"} for name in ("x", "y")}
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 8), "y": ("b", 8)}, of_host=zones, of_instance=pinned)
    assert find(snapshot, target(x="b", y="a")).outcome == "infeasible"
    with pytest.raises(InvalidTarget, match="c is in zone az2, the instance is pinned to az1"):
        find(snapshot, target(x="c"))


def test_guests_never_go_back_to_an_older_hypervisor():
    versions = {"a": 8000, "b": 7000, "c": 9000, "d": 8000}
    of_host = {name: {"hypervisor_version": version} for name, version in versions.items()}
    snapshot = cloud(dict.fromkeys(versions, 10), {"x": ("a", 8), "y": ("d", 8)}, of_host=of_host)
    plan = find(snapshot, target(x="b"))
    assert plan.outcome == "infeasible"
    assert "b has an older hypervisor than a" in plan.explanation
    # the only ways to swap x and y would be over b or c, and there is no way there or no way back
    assert find(snapshot, target(x="d", y="a")).outcome == "infeasible"


def test_two_hypervisors_that_do_not_know_each_other_are_joined_by_a_third():
    of_host = {"a": {"hypervisor_type": "QEMU"}, "b": {}, "c": {"hypervisor_type": "KVM"}}
    snapshot = cloud(dict.fromkeys("abc", 10), {"x": ("a", 4)}, of_host=of_host)
    assert steps(find(snapshot, target(x="c"))) == ["x: a -> b", "x: b -> c"]


def test_what_is_immovable_makes_a_legal_target_infeasible():
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 4), "y": ("a", 1)}, immovable=["x"])
    plan = find(snapshot, target(x="b", y="b"))
    assert plan.outcome == "infeasible"
    assert "x cannot be moved from a: it is not movable" in plan.explanation
    plan = find(snapshot, target(x="b", y="b"), best_effort=True)
    assert (plan.outcome, steps(plan)) == ("partial", ["y: a -> b"])


def test_a_strict_affinity_group_is_neither_split_nor_moved():
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 1), "y": ("a", 1)}, together={"g": ["x", "y"]})
    with pytest.raises(InvalidTarget, match="splits the strict affinity server group g over a, b"):
        find(snapshot, target(x="b"))
    plan = find(snapshot, target(x="b", y="b"))
    assert plan.outcome == "infeasible"
    assert "strict affinity server group g" in plan.explanation


def test_what_is_resized_where_it_is_counts_there_once():
    snapshot = cloud({"a": 10, "b": 10}, {"f": ("a", 5), "x": ("b", 4)}, in_flight={"f": ("a", "a")})
    assert find(snapshot, target(x="a")).outcome == "found"


def test_what_is_in_flight_counts_at_both_ends():
    flight = {"in_flight": {"f": ("a", "b")}}
    snapshot = cloud({"a": 10, "b": 10}, {"f": ("a", 6), "x": ("a", 4)}, **flight)
    assert find(snapshot, target(x="b")).outcome == "found"
    snapshot = cloud({"a": 20, "b": 10}, {"f": ("a", 6), "x": ("a", 5)}, **flight)
    with pytest.raises(InvalidTarget, match="asks for 11 MEMORY_MB on b"):
        find(snapshot, target(x="b"))


def test_departures_make_room_and_arrivals_come_last():
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 8), "gone": ("b", 8), "new": (None, 9)})
    wanted = target(x="b", gone=None, new="a")
    with pytest.raises(InvalidTarget, match="--allow-departures"):
        find(snapshot, wanted)
    plan = find(snapshot, wanted, departures=True)
    assert (plan.departures, steps(plan)) == (("gone",), ["x: a -> b"])
    assert [(each.instance, each.host) for each in plan.arrivals] == [("new", "a")]


def test_an_arrival_on_a_host_that_is_off_boots_it():
    plan = find(cloud({"a": 10, "b": 10}, {"new": (None, 9)}, off=["b"]), target(new="b"))
    assert [step.host for step in plan.host_steps] == ["b"]
    assert plan.summary.makespan_s == 120


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    [
        (target(nobody="a"), NotFound, "instance 'nobody'"),
        (target(x="nowhere"), NotFound, "host 'nowhere'"),
        (target(x="b", y="b"), InvalidTarget, "asks for 12 MEMORY_MB on b, which has 10"),
        (target(x="off"), InvalidTarget, "which is disabled"),
        (target(x="down"), InvalidTarget, "which is down"),
        (target(u="b", v="b"), InvalidTarget, "2 members of server group g on b, where at most 1 may be"),
    ],
)
def test_an_insane_target_is_refused(wanted, error, words):
    snapshot = cloud(
        {"a": 20, "b": 10, "off": 10, "down": 10},
        {"x": ("a", 6), "y": ("a", 6), "u": ("a", 1), "v": ("down", 1)},
        apart={"g": ["u", "v"]},
        disabled=["off"],
        down=["down"],
    )
    with pytest.raises(error, match=words):
        find(snapshot, wanted)


@pytest.mark.parametrize("objective", ["cost", "time", "balanced"])
def test_who_could_not_come_back_does_not_step_aside(objective):
    # x and y exchange; s would be the cheaper one to make room, but misses a trait on c, where it may stay
    def asked(more):
        return find(
            cloud(
                {"a": 10, "b": 10, "c": 6 + more, "d": 1},
                {"x": ("a", 6), "y": ("b", 8), "s": ("c", 1)},
                of_instance={"s": {"required_traits": ["T"]}},
                of_host={name: {"traits": ["T"]} for name in "abd"},
            ),
            target(x="b", y="a"),
            objective=objective,
        )

    assert asked(0).outcome == "infeasible"
    plan = asked(1)
    assert plan.outcome == "found"
    assert {move.instance for move in plan.migrations} == {"x", "y"}


def test_limits_that_admit_nothing_are_refused():
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 6)})
    for rate in (0, 1e-300):
        with pytest.raises(InvalidInput, match=r"the rate of migrations must be at least 0\.001 Mbit/s"):
            find(snapshot, target(x="b"), limits=Limits(migration_mbps=rate))
    with pytest.raises(InvalidInput, match="time limit"):
        find(snapshot, target(x="b"), time_limit=0)


def test_limits_shape_waves_and_schedule():
    snapshot = cloud({"a": 100, "b": 100}, {f"x{n}": ("a", 10) for n in range(6)})
    wanted = target(**{f"x{n}": "b" for n in range(6)})
    for limits, waves in (
        (Limits(per_host=None), 1),
        (Limits(per_host=2), 3),
        (Limits(per_host=None, in_total=1), 6),
        (Limits(per_host=4, in_total=3), 2),
    ):
        plan = find(snapshot, wanted, limits=limits)
        assert plan.summary.waves == waves
        assert plan.summary.makespan_s == pytest.approx(plan.migrations[0].end_s * waves)


def test_links_are_shared():
    snapshot = cloud(
        {"a": 9, "b": 9, "c": 9, "d": 9},
        {"x": ("a", 8), "y": ("b", 8)},
        links={"nic-a": 80, "nic-b": 80, "rack": 100, "other": 1000},
        of_host={
            "a": {"links": ["nic-a", "rack"]},
            "b": {"links": ["nic-b", "rack"]},
            "c": {"links": ["other"]},
            "d": {"links": ["other"]},
        },
    )
    plan = find(snapshot, target(x="c", y="d"), limits=Limits(per_host=None))
    first, second = sorted(plan.migrations, key=lambda each: each.start_s)
    assert (first.rate_mbps, second.rate_mbps) == (80, 80)
    assert second.start_s == first.end_s  # the rack carries one of them at a time
    assert plan.summary.bounds.binding == "work of link rack outward"


def test_a_best_effort_leaves_nobody_half_way():
    hosts = {"a": 10, "b": 10, "c": 10}
    snapshot = cloud(hosts, {"x": ("a", 8), "y": ("b", 8), "z": ("c", 4), "w": ("c", 5)}, immovable=["w"])
    assert find(snapshot, target(x="b", y="a", z="c")).outcome == "infeasible"
    plan = find(snapshot, target(x="b", y="a"), best_effort=True)
    assert (plan.outcome, steps(plan)) == ("partial", [])
    assert "x from a to b and y from b to a is out of reach: it asks for 8 MEMORY_MB" in plan.explanation


def test_cold_and_restless_instances_are_marked():
    busy = {"memory": {"used_mb": 4000, "dirty_mb_s": 2000.0}}
    snapshot = cloud({"a": 9000, "b": 9000}, {"x": ("a", 4000), "y": ("a", 4000)}, cold=["x"], of_instance={"y": busy})
    plan = by_instance(find(snapshot, target(x="b", y="b")))
    assert (plan["x"].method, plan["x"].reason) == ("cold", None)
    assert plan["y"].method == "live"
    assert "will not converge: it writes 2000 MiB/s and 1000 MiB/s are copied" in plan["y"].reason


class NeverBeforeY(Constraint):
    """x may enter b only while y is on c."""

    name = "never-before-y"

    def compile(self, snapshot):
        def veto(instance, host, where):
            return "y is not on c" if instance.uuid == "x" and host.name == "b" and where["y"] != "c" else None

        return CompiledConstraint(veto=veto)


def test_a_veto_is_asked_for_each_move():
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 1), "y": ("a", 1)})
    rules = [*registry.make(), NeverBeforeY()]
    wanted = target(x="b", y="c")
    plan = find_path(compile_cloud(snapshot, rules), wanted, PathSettings(), snapshot_identity="sha256:0")
    assert steps(plan) == ["y: a -> c", "x: a -> b"]
    assert check_plan(snapshot, plan, rules, wanted).holds
    first, second = plan.migrations
    swapped = (msgspec.structs.replace(second, id=1, after=()), msgspec.structs.replace(first, id=2, after=(1,)))
    broken = msgspec.structs.replace(plan, migrations=swapped)
    assert any("y is not on c" in problem for problem in check_plan(snapshot, broken, rules, wanted).problems)
    stuck = find_path(compile_cloud(snapshot, rules), target(x="b"), PathSettings(), snapshot_identity="sha256:0")
    assert stuck.outcome == "found"  # y steps aside and comes back
    assert check_plan(snapshot, stuck, rules, target(x="b")).holds


def test_progress_is_told():
    heard = []
    snapshot = cloud({"a": 3000, "b": 3000}, {f"x{n}": ("a", 1) for n in range(2000)})
    find_path(
        compile_cloud(snapshot),
        target(**{f"x{n}": "b" for n in range(2000)}),
        PathSettings(),
        snapshot_identity="sha256:0",
        progress=lambda *news: heard.append(news),
    )
    assert heard == [
        ("starting whatever may start", 0, 0),
        ("finding the path", 1000, 2000),
        ("finding the path", 2000, 2000),
        ("looking for a better path (so far 2000 migrations, 2000 MiB)", 0, 0),
    ]


def test_what_a_search_does_is_told():
    heard = []
    plan = find_path(
        compile_cloud(cloud({"a": 10, "b": 10}, {"x": ("a", 6), "y": ("b", 6), "z": ("a", 1)})),
        target(x="b", y="a"),
        PathSettings(),
        snapshot_identity="sha256:0",
        progress=lambda *news: heard.append(news),
    )
    assert plan.outcome == "infeasible"
    assert [what for what, _, _ in heard] == [
        "starting whatever may start",
        "looking for the cheapest path, one migration after the other",
        "some are stuck: looking for a way, or a proof that there is none",
        "trying out what would help",
    ]
    assert {(done, of) for _, done, of in heard} == {(0, 0)}
