"""Pushing what is laid out in time to the end and back to the beginning."""

from tests.clouds import cloud, target
from tests.layouts import layout


def test_gaps_are_closed_and_slots_kept():
    snapshot = cloud({"a": 20, "b": 20}, {"x": ("a", 4), "y": ("a", 6)})
    found = layout(snapshot, target(x="b", y="b"), [("x", "a", "b"), ("y", "a", "b")], [5.0, 20.0])
    found.justify()
    assert sorted(zip(found.starts, found.ends, strict=True)) == [(0.0, 4.0), (4.0, 10.0)]


def test_what_is_not_in_the_way_makes_way():
    # y went first although z waits for the room of x on a; both want the slot of a
    snapshot = cloud({"a": 10, "b": 20, "c": 20}, {"x": ("a", 4), "y": ("a", 6), "z": ("c", 4)})
    wanted = target(x="b", y="b", z="a")
    moves = [("y", "a", "b"), ("x", "a", "b"), ("z", "c", "a")]
    found = layout(snapshot, wanted, moves, [0.0, 6.0, 10.0])
    assert found.makespan == 14
    found.justify()
    assert found.makespan == 10
    assert found.starts[2] >= min(found.ends[0], found.ends[1])


def test_room_is_kept_at_both_ends():
    snapshot = cloud({"a": 10, "b": 12}, {"x": ("a", 4), "y": ("b", 8)})
    found = layout(snapshot, target(x="b", y="a"), [("x", "a", "b"), ("y", "b", "a")], [0.0, 4.0], per_host=None)
    found.justify()
    assert (found.starts, found.ends) == ([0.0, 4.0], [4.0, 12.0])


def test_members_of_a_group_do_not_meet():
    snapshot = cloud({"a": 20, "b": 20, "c": 20}, {"x": ("a", 4), "y": ("b", 6)}, apart={"g": ["x", "y"]})
    moves = [("y", "b", "c"), ("x", "a", "b")]
    found = layout(snapshot, target(y="c", x="b"), moves, [1.0, 9.0])
    found.justify()
    assert found.starts[1] >= found.ends[0]
    assert found.makespan == 10


def test_nobody_leaves_before_it_has_come():
    snapshot = cloud({"a": 20, "b": 20, "c": 20}, {"x": ("a", 4)})
    found = layout(snapshot, target(x="c"), [("x", "a", "b"), ("x", "b", "c")], [3.0, 10.0])
    found.justify()
    assert [*found.starts, *found.ends] == [0.0, 4.0, 4.0, 8.0]
