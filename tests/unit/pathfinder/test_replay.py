"""What the replay says of plans that are wrong in one way each."""

import msgspec
import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Arrival, HostStep
from vmpath_service.pathfinder import PathSettings, check_plan, find_path

# y leaves b for c, then x comes to b; z goes its own way
SNAPSHOT = cloud(
    {"a": 10, "b": 10, "c": 10, "d": 10, "e": 10},
    {"x": ("a", 8), "y": ("b", 8), "z": ("d", 2), "w": ("d", 2)},
    apart={"g": ["z", "w"]},
    at_most={"g": 2},
)
TARGET = target(x="b", y="c", z="e")


@pytest.fixture
def plan():
    plan = find_path(compile_cloud(SNAPSHOT), TARGET, PathSettings(), snapshot_identity="sha256:0")
    assert check_plan(SNAPSHOT, plan, target=TARGET).holds
    return plan


def with_migration(plan, uuid, **values):
    return msgspec.structs.replace(
        plan,
        migrations=tuple(
            msgspec.structs.replace(each, **values) if each.instance == uuid else each for each in plan.migrations
        ),
    )


def with_summary(plan, **values):
    return msgspec.structs.replace(plan, summary=msgspec.structs.replace(plan.summary, **values))


def problems(plan, snapshot=SNAPSHOT):
    return "\n".join(check_plan(snapshot, plan, target=TARGET).problems)


def test_figures(plan):
    figures = check_plan(SNAPSHOT, plan).figures
    assert (figures.migrations, figures.misplaced, figures.memory_mb, figures.suspects) == (3, 3, 18, 0)


def test_an_order_that_admits_a_bad_timing(plan):
    broken = with_migration(plan, "x", after=())
    assert "may start when it must not: b would hold 16 MEMORY_MB, it has 10" in problems(broken)


def test_an_order_that_is_broken_two_steps_back():
    # x needs both y and v gone; it is after y only by way of v
    snapshot = cloud({"a": 9, "b": 9, "c": 9}, {"x": ("a", 9), "y": ("b", 4), "v": ("b", 5)})
    wanted = target(x="b", y="c", v="c")
    plan = find_path(compile_cloud(snapshot), wanted, PathSettings(), snapshot_identity="sha256:0")
    ids = {each.instance: each.id for each in plan.migrations}
    first, second = sorted(("y", "v"), key=ids.__getitem__)
    chained = with_migration(with_migration(plan, second, after=(ids[first],)), "x", after=(ids[second],))
    assert not [each for each in check_plan(snapshot, chained).problems if "may start" in each]
    apart = with_migration(plan, "x", after=(ids[second],))
    assert [each for each in check_plan(snapshot, apart).problems if "may start" in each]


def test_a_sequence_that_is_illegal(plan):
    ids = {each.instance: each.id for each in plan.migrations}
    broken = with_migration(with_migration(plan, "x", id=ids["y"], after=()), "y", id=ids["x"])
    assert "x cannot go from a to b: b would hold 16 MEMORY_MB, it has 10" in problems(broken)


def test_an_instance_that_is_elsewhere(plan):
    assert "x is on a then, not on e" in problems(with_migration(plan, "x", source="e"))


def test_a_member_of_a_group_that_is_elsewhere(plan):
    assert "wave 1: the instance of migration" in problems(with_migration(plan, "z", source="a"))


def test_a_target_that_is_missed(plan):
    broken = msgspec.structs.replace(plan, migrations=plan.migrations[:-1])
    last = plan.migrations[-1]
    assert f"{last.instance} ends on {last.source}, the target wants it on {last.dest}" in problems(broken)


def test_another_target(plan):
    check = check_plan(SNAPSHOT, plan, target=target(x="b", y="c", z="a"))
    assert "the plan was made for another target: z differs" in check.problems


def test_a_wave_too_early(plan):
    text = problems(with_migration(plan, "x", wave=1))
    assert "which is in wave 1" in text
    assert "wave 1: migration" in text


def test_a_start_too_early(plan):
    assert "starts at 0.0 s, before" in problems(with_migration(plan, "x", start_s=0.0))


def test_a_rate_that_is_not_there(plan):
    assert "its rate is 9000 Mbit/s, possible are 8000" in problems(with_migration(plan, "x", rate_mbps=9000.0))


def test_too_many_at_once():
    snapshot = cloud({"a": 9, "b": 9}, {f"x{n}": ("a", 1) for n in range(3)})
    wanted = target(x0="b", x1="b", x2="b")
    plan = find_path(compile_cloud(snapshot), wanted, PathSettings(), snapshot_identity="sha256:0")
    tighter = msgspec.structs.replace(plan, limits=msgspec.structs.replace(plan.limits, per_host=1))
    text = "\n".join(check_plan(snapshot, tighter).problems)
    assert "outgoing migrations of a: 2, at most 1 may be" in text
    assert "there are 2 incoming migrations of b, at most 1 may be" in text


def test_figures_that_do_not_agree(plan):
    assert "summary/migrations says 7, the plan has 3" in problems(with_summary(plan, migrations=7))
    assert "summary/makespan_s says 7.0" in problems(with_summary(plan, makespan_s=7.0))
    bounds = msgspec.structs.replace(plan.summary.bounds, memory_mb=19)
    assert "summary/bounds/memory_mb says that 19 is the least" in problems(with_summary(plan, bounds=bounds))


def test_outcomes_that_do_not_agree(plan):
    stuck = msgspec.structs.replace(plan, outcome="infeasible")
    assert "the outcome is infeasible, but the plan reaches the target" in problems(stuck)
    assert "nothing is explained" in problems(stuck)
    empty = msgspec.structs.replace(plan, migrations=())
    assert "the outcome is found, but the plan does not reach the target" in problems(empty)


def test_a_partial_plan_leaves_nobody_half_way(plan):
    half = msgspec.structs.replace(
        with_migration(plan, "z", dest="a", bypass=True), outcome="partial", explanation="z is stuck"
    )
    assert "z is left on a, which is neither its target nor its home" in problems(half)


def test_names_that_nobody_has(plan):
    assert "there is no host 'nowhere'" in problems(with_migration(plan, "x", dest="nowhere"))
    stranger = msgspec.structs.replace(plan, arrivals=(Arrival("nobody", "a"),))
    assert "arrival: there is no instance 'nobody'" in problems(stranger)


def test_an_arrival_of_someone_who_is_there(plan):
    assert "arrival: w is placed already" in problems(msgspec.structs.replace(plan, arrivals=(Arrival("w", "d"),)))


def test_a_departure_that_nobody_asked_for(plan):
    assert "the target does not take w away" in problems(msgspec.structs.replace(plan, departures=("w",)))


def test_an_immovable_instance(plan):
    fixed = cloud(
        {"a": 10, "b": 10, "c": 10, "d": 10, "e": 10},
        {"x": ("a", 8), "y": ("b", 8), "z": ("d", 2), "w": ("d", 2)},
        immovable=["z"],
    )
    assert "z may not be moved: it is not movable" in problems(plan, fixed)


def test_a_host_that_is_not_up_yet():
    snapshot = cloud({"a": 9, "b": 9}, {"x": ("a", 1)}, off=["b"])
    plan = find_path(compile_cloud(snapshot), target(x="b"), PathSettings(), snapshot_identity="sha256:0")
    assert check_plan(snapshot, plan).holds
    without = with_migration(plan, "x", after=())
    assert any("may come in either order" in each for each in check_plan(snapshot, without).problems)
    (boot,) = plan.host_steps
    quick = msgspec.structs.replace(plan, host_steps=(msgspec.structs.replace(boot, end_s=5.0),))
    assert any("b takes 120 s to come up, planned are 5 s" in each for each in check_plan(snapshot, quick).problems)
    never = msgspec.structs.replace(without, host_steps=())
    assert any("x cannot go to b: b is not up" in each for each in check_plan(snapshot, never).problems)


def test_a_host_that_is_powered_off_with_someone_on_it():
    snapshot = cloud({"a": 9, "b": 9}, {"x": ("a", 1), "y": ("a", 1)})
    plan = find_path(compile_cloud(snapshot), target(x="b"), PathSettings(), snapshot_identity="sha256:0")
    end = plan.migrations[0].end_s
    off = msgspec.structs.replace(plan, host_steps=(HostStep(2, "a", "power-off", (1,), end, end),))
    assert any("powers off a with y on it" in each for each in check_plan(snapshot, off).problems)
