"""Chains of migrations in a layout are broken, and what does not help is taken back."""

import random
from bisect import bisect_right

import pytest

from tests.clouds import cloud, target
from tests.layouts import layout
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.hastening.course import Course
from vmpath_service.pathfinder.hastening.justification import Layout
from vmpath_service.pathfinder.hastening.mending import mend
from vmpath_service.pathfinder.hastening.shifts import Shifts
from vmpath_service.pathfinder.hastening.style import Style
from vmpath_service.pathfinder.ordering import legal
from vmpath_service.pathfinder.problem import pose
from vmpath_service.pathfinder.samples import Sample, sample

PLENTY = 1_000_000


def at(line, moment):
    """What holds at a moment."""
    return line.values[bisect_right(line.times, moment) - 1]


def holds(made):
    """Whether a layout is legal in the order of its starts and keeps the slots of hosts."""
    positions = sorted(range(len(made.moves)), key=lambda each: (made.starts[each], each))
    changes = []
    for move, start, end in zip(made.moves, made.starts, made.ends, strict=True):
        for share in made.problem.ways.shares(move.guest, move.source, move.dest):
            changes += [(round(end, 6), 0, share), (round(start, 6), 1, share)]
    used = {}
    for _, begins, (key, amount, limit) in sorted(changes):
        used[key] = used.get(key, 0) + (amount if begins else -amount)
        if used[key] > limit:
            return False
    # what ends when another begins has to have left before: ends in time order, then starts
    room = made.problem.room()
    events = [(round(made.starts[each], 6), 1, each) for each in positions]
    events += [(round(made.ends[each], 6), 0, each) for each in positions]
    for _, begins, each in sorted(events):
        move = made.moves[each]
        if not begins:
            room.release(move.guest, move.source)
        elif room.fits(move.guest, move.dest):
            room.hold(move.guest, move.dest)
        else:
            return False
    return legal(made.problem, [made.moves[each] for each in positions])


@pytest.fixture
def course():
    """A course through a made-up cloud that is rather full."""
    snapshot, wanted = sample(Sample(hosts=24, instances=240, fill=0.85, moved=1.0, groups=3, seed=5))
    problem = pose(compile_cloud(snapshot), wanted, Limits(per_host=2, in_total=30))
    made = Course(problem, Style(big=0.8))
    assert made.run(Budget(PLENTY))
    return made


def test_a_chain_is_broken_by_a_stop():
    # x waits for z to leave b, and y for x to leave a
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10, "d": 10, "spare": 100}, {"x": ("a", 10), "y": ("c", 10), "z": ("b", 10)}
    )
    wanted = target(x="b", y="a", z="d")
    found = layout(snapshot, wanted, [("z", "b", "d"), ("x", "a", "b"), ("y", "c", "a")], [0.0, 10.0, 20.0])
    mended = mend(found, 10.0, Budget(PLENTY))
    assert mended.makespan == 20
    assert len(mended.moves) == 4
    assert holds(mended)
    assert found.makespan == 30


def test_no_stop_where_there_is_no_room():
    snapshot = cloud({"a": 10, "b": 10, "c": 10, "d": 10}, {"x": ("a", 10), "y": ("c", 10), "z": ("b", 10)})
    wanted = target(x="b", y="a", z="d")
    found = layout(snapshot, wanted, [("z", "b", "d"), ("x", "a", "b"), ("y", "c", "a")], [0.0, 10.0, 20.0])
    assert mend(found, 10.0, Budget(PLENTY)) is found


def test_who_can_wait_makes_way():
    # y took the slot of a first although z waits for the room of x
    snapshot = cloud({"a": 12, "b": 20, "c": 20}, {"x": ("a", 4), "y": ("a", 2), "z": ("c", 10)})
    wanted = target(x="b", y="b", z="a")
    moves = [("y", "a", "b"), ("x", "a", "b"), ("z", "c", "a")]
    found = layout(snapshot, wanted, moves, [0.0, 2.0, 6.0])
    mended = mend(found, 0.0, Budget(PLENTY))
    assert mended.makespan == 14
    assert len(mended.moves) == 3
    assert holds(mended)


def test_nothing_is_mended_that_ends_soon_enough():
    snapshot = cloud({"a": 20, "b": 20}, {"x": ("a", 4), "y": ("a", 6)})
    found = layout(snapshot, target(x="b", y="b"), [("x", "a", "b"), ("y", "a", "b")], [0.0, 4.0])
    assert mend(found, 10.0, Budget(PLENTY)) is found


def test_mended_layouts_hold_and_end_no_later(course):
    made = Layout(course.problem, course.moves, course.starts, course.ends)
    mended = mend(made, course.problem.bounds.makespan_s, Budget(PLENTY))
    assert mended.makespan < made.makespan
    assert len(mended.moves) > len(made.moves)
    assert holds(mended)
    mended.justify()
    assert holds(mended)


def test_all_that_is_done_can_be_taken_back(course):
    shifts = Shifts(course.problem, course.moves, course.starts, course.ends)
    hosts = range(len(course.problem.receives))

    def seen():
        """What is so, with what is free at all ends and starts."""
        moments = sorted({*course.starts, *course.ends})
        free = [[at(line, moment) for moment in moments] for line in shifts.free]
        slots = [[at(shifts.used(len(hosts) + key), moment) for moment in moments] for key in hosts]
        return shifts.moves(), list(shifts.starts), list(shifts.ends), free, slots

    before = seen()
    chance = random.Random(1)
    changed = 0
    for _ in range(30):
        shifts.begin()
        position = chance.randrange(len(course.moves))
        most = max(course.ends)
        changed += shifts.delay(position, most)
        if position not in shifts.following:
            shifts.split(position, chance.choice(list(hosts)), 0.0, most)
        shifts.cascade([(True, shifts.sources[position], 0.0, most), (False, shifts.dests[position], 0.0, most)])
        assert shifts.before
        shifts.take_back()
        assert seen() == before
    assert changed
