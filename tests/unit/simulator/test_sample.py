from __future__ import annotations

import pytest

from vmpath_service.model import files
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.loading import load
from vmpath_service.simulator.sample import make_sample
from vmpath_service.simulator.settings import Settings


def test_the_same_arguments_make_the_same_cloud() -> None:
    first, second = make_sample(20, 200, seed=3), make_sample(20, 200, seed=3)
    assert files.encode(first) == files.encode(second)
    assert files.encode(first) != files.encode(make_sample(20, 200, seed=4))


def test_it_is_unevenly_filled_and_several_hosts_could_be_emptied() -> None:
    sample = make_sample(20, 200)
    capacity = {h.name: h.inventories["MEMORY_MB"].limit() for h in sample.hosts}
    used = dict.fromkeys(capacity, 0)
    for instance in sample.instances:
        used[instance.host or ""] += instance.resources["MEMORY_MB"]
    assert len(set(capacity.values())) == 2
    total = sum(used.values())
    assert 0.45 < total / sum(capacity.values()) < 0.65
    fills = [used[name] / capacity[name] for name in capacity]
    assert max(fills) - min(fills) > 0.3
    largest_first = sorted(capacity.values(), reverse=True)
    needed = next(n for n in range(20) if sum(largest_first[:n]) >= total)
    assert needed <= 14
    assert len({i.flavor for i in sample.instances}) >= 4


def test_groups_are_kept_from_the_start_and_nothing_is_overfull() -> None:
    sample = make_sample(20, 200, zones=2)
    at = {i.uuid: i.host for i in sample.instances}
    policies = [group.policy for group in sample.server_groups]
    assert policies.count("anti-affinity") >= 3
    assert policies.count("soft-anti-affinity") == 1
    for group in sample.server_groups:
        if group.policy == "anti-affinity":
            assert len({at[m] for m in group.members}) == len(group.members)
    assert {h.availability_zone for h in sample.hosts} == {"az1", "az2"}
    world = load(sample, SteppedClock(), Settings())
    for provider in world.ledger.providers.values():
        for name, used in provider.used.items():
            assert used <= provider.inventories[name].capacity


@pytest.mark.parametrize(("hosts", "instances", "fill"), [(0, 1, 0.5), (1, -1, 0.5), (1, 1, 0.0), (1, 1, 1.0)])
def test_impossible_wishes_are_refused(hosts: int, instances: int, fill: float) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make_sample(hosts, instances, fill=fill)
