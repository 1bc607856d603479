"""Stops that prove needless are left out, and only those."""

import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.needless import straightened
from vmpath_service.pathfinder.ordering import legal
from vmpath_service.pathfinder.problem import Move, pose

A, B, C = range(3)
X, Y = range(2)
HOSTS = {"a": 10, "b": 10, "c": 10}


@pytest.mark.parametrize(
    ("homes", "wanted", "moves", "left"),
    [
        # y leaves b before x comes to it: x may as well go when y has left
        (("a", 8, "b", 8), {"x": "b", "y": "c"}, [(X, A, C), (X, C, A), (Y, B, C), (X, A, B)], [(Y, B, C), (X, A, B)]),
        # nobody is in the way at all
        (("a", 2, "b", 2), {"x": "b"}, [(X, A, C), (X, C, B)], [(X, A, B)]),
        # there and back for nothing
        (("a", 2, "b", 2), {"y": "c"}, [(X, A, C), (Y, B, C), (X, C, A)], [(Y, B, C)]),
        # a swap needs its stop
        (("a", 8, "b", 8), {"x": "b", "y": "a"}, [(X, A, C), (Y, B, A), (X, C, B)], None),
    ],
)
def test_needless_stops(homes, wanted, moves, left):
    home_x, size_x, home_y, size_y = homes
    problem = pose(
        compile_cloud(cloud(HOSTS, {"x": (home_x, size_x), "y": (home_y, size_y)})), target(**wanted), Limits()
    )
    sequence = [Move(*each) for each in moves]
    assert legal(problem, sequence)
    rest, ends = straightened(problem, sequence, [float(number) for number in range(len(sequence))])
    assert rest == [Move(*each) for each in left or moves]
    assert len(ends) == len(rest)
    assert legal(problem, rest)


def test_siblings_keep_apart():
    snapshot = cloud(HOSTS, {"x": ("a", 1), "y": ("b", 1)}, apart={"g": ["x", "y"]})
    problem = pose(compile_cloud(snapshot), target(x="b", y="a"), Limits())
    sequence = [Move(X, A, C), Move(Y, B, A), Move(X, C, B)]
    assert straightened(problem, sequence, [1.0, 2.0, 3.0]) == (sequence, [1.0, 2.0, 3.0])
