"""What is done where the rehearsal gets stuck: proofs without a search, other orders, a search of the stuck part."""

from tests.clouds import cloud, target
from tests.unit.pathfinder.test_find_path import find
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import PathSettings, check_plan, core
from vmpath_service.pathfinder.attempt import rehearse
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.fixity import never_moving
from vmpath_service.pathfinder.ordering import legal
from vmpath_service.pathfinder.problem import Move, pose


def fixed(snapshot, budget=None):
    problem = pose(compile_cloud(snapshot), target(), Limits())
    names = [instance.uuid for instance in snapshot.instances]
    return {names[guest]: reason for guest, reason in never_moving(problem, budget).items()}


def test_members_that_fill_all_places_of_their_group_stay():
    hosts = {f"h{number}": 1000 for number in range(6)}
    residents = {f"m{number}": (f"h{number}", 1) for number in range(6)}
    fillers = {f"f{number}": (f"h{number % 6}", 10) for number in range(60)}
    group = {"g": list(residents)}
    full = cloud(hosts, {**residents, **fillers}, apart=group)
    assert set(fixed(full)) == set(residents)
    plan = find(full, target(m0="h1", m1="h0"))
    assert plan.outcome == "infeasible"
    assert "each of the 6 hosts that admit one holds as many as it may (1)" in plan.explanation
    roomy = cloud({**hosts, "h6": 1}, {**residents, **fillers}, apart=group)
    assert fixed(roomy) == {}
    assert find(roomy, target(m0="h1", m1="h0")).outcome == "found"


def test_a_disabled_host_is_no_open_place():
    hosts = {"a": 10, "b": 10, "c": 10}
    snapshot = cloud(hosts, {"x": ("a", 1), "y": ("b", 1)}, apart={"g": ["x", "y"]}, disabled=["c"])
    assert set(fixed(snapshot)) == {"x", "y"}


def test_who_stays_takes_room_from_others():
    # big stays since 9 are not free in all; beside it b has 5, a too little for mid: mid stays, small does not
    instances = {"big": ("b", 9), "mid": ("a", 4), "small": ("a", 2)}
    assert set(fixed(cloud({"a": 8, "b": 12}, instances))) == {"big", "mid"}
    assert set(fixed(cloud({"a": 8, "b": 12, "c": 9}, instances))) == set()


def test_who_has_no_room_on_two_hosts_however_the_others_are_put_stays():
    # three of 4 do not fit on one host, and 7 leaves no room for one of them on its own two
    instances = {"big": ("a", 7), "x": ("b", 4), "y": ("b", 4), "z": ("c", 4)}
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, instances)
    assert fixed(snapshot) == {}
    assert set(fixed(snapshot, Budget(1000))) == {"big"}
    assert fixed(snapshot, Budget(1)) == {}
    plan = find(snapshot, target(big="b", x="a", y="c"))
    assert plan.outcome == "infeasible"
    assert "there is no room for it on two hosts at once" in plan.explanation
    roomy = cloud({"a": 10, "b": 10, "c": 12}, instances)
    assert fixed(roomy, Budget(1000)) == {}
    assert find(roomy, target(big="b", x="a", y="c")).outcome == "found"


def test_room_is_judged_beside_what_is_too_much_already():
    # a is over its capacity: what is on it may leave it, and come back only where there is room
    over = cloud({"a": 5, "b": 10, "c": 8}, {"big": ("a", 7), "x": ("b", 4), "y": ("c", 4)})
    assert fixed(over, Budget(1000)) == {}
    assert find(over, target(big="b", x="c", y="a")).outcome == "found"


def test_the_stuck_part_is_searched_from_where_the_rehearsal_ended():
    hosts = {"a": 10, "b": 10, **{f"h{number}": 10 for number in range(8)}}
    instances = {"x": ("a", 8), "y": ("b", 8), **{f"f{number}": (f"h{number}", 1 + number % 2) for number in range(8)}}
    problem = pose(compile_cloud(cloud(hosts, instances)), target(x="b", y="a"), Limits())
    stuck = rehearse(problem, PathSettings(), Budget(1))
    assert stuck.pending
    answer = core.part(problem, stuck, Budget(100_000))
    assert answer is not None
    assert answer.outcome == "found"
    assert legal(problem, answer.moves)
    assert len(answer.moves) == 3


def test_who_has_stepped_aside_for_nothing_comes_back():
    # aside is where there is most room; its home is among the last of which the search would think
    hosts = {"a": 10, "b": 10, "roomy": 30, "home": 10, **{f"h{number}": 10 for number in range(8)}}
    instances = {"x": ("a", 8), "y": ("b", 8), "aside": ("home", 3)}
    compiled = compile_cloud(cloud(hosts, {**instances, "full": ("home", 7)}))
    problem = pose(compiled, target(x="b", y="a"), Limits())
    stuck = rehearse(problem, PathSettings(), Budget(1))
    aside, home, roomy = compiled.instance_index["aside"], compiled.host_index["home"], compiled.host_index["roomy"]
    stuck.moves.append(Move(aside, home, roomy))
    stuck.room.move(aside, roomy)
    answer = core.part(problem, stuck, Budget(100_000))
    assert answer is not None
    assert legal(problem, answer.moves)
    assert [move.dest for move in answer.moves if move.guest == aside] == [roomy, home]


def test_other_orders_are_tried_in_a_small_cloud():
    hosts = {"a": 10, "b": 10, "c": 10}
    problem = pose(compile_cloud(cloud(hosts, {"x": ("a", 8), "y": ("b", 8)})), target(x="b", y="a"), Limits())
    answer = core.reorder(problem, PathSettings(), Budget(100_000))
    assert answer is not None
    assert legal(problem, answer.moves)


def test_a_plan_put_together_from_both_holds():
    snapshot = cloud({"a": 10, "b": 10, "c": 9}, {"x": ("a", 8), "y": ("b", 8), "z": ("c", 2)})
    wanted = target(x="b", y="a")
    plan = find(snapshot, wanted)
    assert plan.outcome == "found"
    assert check_plan(snapshot, plan, target=wanted).problems == ()
