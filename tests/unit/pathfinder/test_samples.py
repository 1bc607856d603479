"""Random pairs: the same for the same seed, legal at both ends, as full as was asked for."""

import itertools

import pytest

from vmpath_service.model import semantics
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.admission import check_sanity
from vmpath_service.pathfinder.problem import pose
from vmpath_service.pathfinder.samples import Sample, sample, small_samples


@pytest.mark.parametrize("fill", [0.7, 0.9, 0.95])
def test_a_big_one(fill):
    wanted = Sample(hosts=60, instances=600, fill=fill, moved=0.5, groups=6)
    snapshot, target = sample(wanted)
    assert (snapshot, target) == sample(wanted)
    assert not list(semantics.snapshot_problems(snapshot))
    check_sanity(pose(compile_cloud(snapshot), target, Limits()))
    held = sum(each.memory_mb() for each in snapshot.instances)
    capacity = sum(host.inventories["MEMORY_MB"].limit() for host in snapshot.hosts)
    assert held / capacity == pytest.approx(fill, abs=0.01)
    assert 0.4 < len(target.placement) / 600 <= 0.5


def test_small_ones():
    for wanted, snapshot, target in itertools.islice(small_samples(7), 40):
        assert (snapshot, target) == sample(wanted)
        assert not list(semantics.snapshot_problems(snapshot))
        check_sanity(pose(compile_cloud(snapshot), target, Limits()))


def test_what_cannot_be():
    with pytest.raises(InvalidInput, match="needs two hosts, an instance, and shares from 0 to 1"):
        sample(Sample(hosts=1, instances=4, fill=0.5))
