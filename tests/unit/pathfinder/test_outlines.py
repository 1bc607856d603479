"""Proofs by packing: whether instances can be put on hosts, and where the big ones can get to."""

import itertools
import random

import pytest

from tests.clouds import cloud, target
from tests.unit.pathfinder.test_find_path import find
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import core
from vmpath_service.pathfinder.arrangements import parts
from vmpath_service.pathfinder.brim import Brim
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.fixity import never_moving
from vmpath_service.pathfinder.outlines import Outlines
from vmpath_service.pathfinder.problem import pose

PLENTY = 1_000_000
# x gets from a to b: the small ones fill c then. On c it never arrives, since 4, 4 and 3 are too much for a or b.
HOSTS = {"a": 10, "b": 10, "c": 11}
INSTANCES = {"x": ("a", 9), "s": ("b", 4), "t": ("b", 4), "u": ("c", 3)}


def packed(needs, at_most, bins, wanted):
    """Whether there is a packing, by trying all."""
    items = [kind for kind, count in enumerate(wanted) for _ in range(count)]
    for hosts in itertools.product(range(len(bins)), repeat=len(items)):
        pairs = list(zip(items, hosts, strict=True))
        if any(kind not in bins[host][1] or pairs.count((kind, host)) > at_most[kind] for kind, host in pairs):
            continue
        used = [
            [sum(needs[kind][d] for kind, host in pairs if host == each) for d in (0, 1)] for each in range(len(bins))
        ]
        if all(
            use <= room for row, (most, _) in zip(used, bins, strict=True) for use, room in zip(row, most, strict=True)
        ):
            return True
    return False


@pytest.mark.parametrize("seed", range(60))
def test_there_is_a_packing_or_there_is_none(seed):
    chance = random.Random(seed)
    kinds = chance.randint(1, 3)
    needs = [(chance.randint(0, 5), chance.randint(0, 5)) for _ in range(kinds)]
    wanted = [chance.randint(1, 2) for _ in range(kinds)]
    at_most = [max(1, count - chance.randint(0, 1)) for count in wanted]
    bins = [
        (
            (chance.randint(0, 9), chance.randint(0, 9)),
            tuple(kind for kind in range(kinds) if chance.random() < 0.8),
        )
        for _ in range(chance.randint(1, 3))
    ]
    brim = Brim(needs, at_most)
    there_is_one = packed(needs, at_most, bins, wanted)
    assert brim.packs(bins, wanted, Budget(PLENTY)) is there_is_one
    # the second time it knows how hosts are filled
    assert brim.packs(bins[::-1], wanted, Budget(PLENTY)) is there_is_one


def test_what_is_not_found_out_in_time_is_not_known():
    sizes = [(7, 3), (5, 4), (3, 5), (2, 1)]
    bins = [((40, 40), (0, 1, 2, 3))] * 6
    assert Brim(sizes, [8] * 4).packs(bins, [8] * 4, Budget(1)) is None
    assert Brim(sizes, [8] * 4).packs(bins, [8] * 4, Budget(PLENTY)) is True


def test_where_the_biggest_never_arrives_however_the_others_are_put():
    def forbidden(**wanted):
        problem = pose(compile_cloud(cloud(HOSTS, INSTANCES)), target(**wanted), Limits())
        assert not set(never_moving(problem, Budget(PLENTY)))
        (without,) = itertools.islice(parts(problem, ()), 1)
        return Outlines(problem, (), without).forbid(Budget(PLENTY))

    assert forbidden(x="c", u="a")
    assert not forbidden(x="b", s="a", t="c")


def test_the_proof_says_how_many_do_not_get_there(monkeypatch):
    # the searches that would find it out, too, come before it
    for steps in ("GLANCING", "CLASSES", "PART", "DECIDING"):
        monkeypatch.setattr(core, steps, 1)
    plan = find(cloud(HOSTS, INSTANCES), target(x="c", u="a"))
    assert plan.outcome == "infeasible"
    assert "the 1 biggest that may move do not get to where they are to be, however all others" in plan.explanation
