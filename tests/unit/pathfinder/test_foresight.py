"""Chains of migrations are followed one by one and by array operations, with the same plan."""

import pytest

from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import PathSettings, find_path
from vmpath_service.pathfinder.hastening import foresight
from vmpath_service.pathfinder.samples import Sample, sample


@pytest.mark.parametrize("fill", [0.7, 0.85])
def test_chains_followed_at_once_are_the_chains_followed_one_by_one(monkeypatch, fill):
    snapshot, target = sample(Sample(hosts=30, instances=300, fill=fill, groups=3))
    followed = []
    at_once = foresight.Foresight._followed_at_once

    def following(self, short, behind):
        followed.append(len(short))
        return at_once(self, short, behind)

    monkeypatch.setattr(foresight.Foresight, "_followed_at_once", following)
    plans = []
    for many in (1, 1_000_000):
        monkeypatch.setattr(foresight, "MANY", many)
        settings = PathSettings(objective="time", limits=Limits(per_host=2))
        plans.append(find_path(compile_cloud(snapshot), target, settings, snapshot_identity="sha256:0"))
        assert bool(followed) == (many == 1)
        followed.clear()
    assert plans[0].migrations == plans[1].migrations
