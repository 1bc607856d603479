"""What a migration costs, and that the path finder goes by it."""

import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.costs import registry
from vmpath_service.model.costs.base import Cost
from vmpath_service.model.costs.contract import CostContract
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.snapshot import Instance, Memory
from vmpath_service.pathfinder import PathSettings, find_path

BUSY = Instance(
    uuid="i", host="a", resources={"MEMORY_MB": 1000}, memory=Memory(used_mb=900, dirty_mb_s=3.0), project_id="p"
)


@pytest.mark.parametrize("name", registry.OWN)
def test_the_contract(name):
    assert registry.make(name).name == name
    CostContract(lambda: registry.make(name)).run()


@pytest.mark.parametrize(
    ("name", "texts", "cost"),
    [
        ("memory", {}, 1000),
        ("dirty-memory", {}, 4000),
        ("seconds", {}, 2500),
        ("count", {}, 1),
        ("weighted", {}, 100_000),
        ("weighted", {"projects": "o=2, p=0.5"}, 50_000),
    ],
)
def test_what_it_comes_to(name, texts, cost):
    assert registry.make(name, texts).of(BUSY, 2.5) == cost


def test_metadata_go_before_the_project():
    weighted = registry.make("weighted", {"projects": "p=2", "key": "dear"})
    instance = Instance(uuid="i", host="a", resources={"MEMORY_MB": 10}, project_id="p", metadata={"dear": "3"})
    assert weighted.of(instance, 0.0) == 3000
    broken = Instance(uuid="i", host="a", resources={"MEMORY_MB": 10}, metadata={"dear": "very"})
    with pytest.raises(InvalidInput, match="metadata dear of instance i: found 'very', expected a number"):
        weighted.of(broken, 0.0)


@pytest.mark.parametrize(
    ("name", "texts", "words"),
    [
        ("memry", {}, "there is no cost 'memry'; did you mean 'memory'"),
        ("memory", {"key": "x"}, "cost memory: there is no option 'key'"),
        ("weighted", {"projects": "p=-1"}, "entry 'p=-1': found '-1', expected a number of at least 0"),
        ("weighted", {"projects": "p=inf"}, "found 'inf', expected"),
        ("weighted", {"projects": "p"}, "found '', expected"),
    ],
)
def test_bad_input_is_named(name, texts, words):
    with pytest.raises(InvalidInput, match=words):
        registry.make(name, texts)


def test_the_search_goes_by_the_cost():
    # to swap x and y one of them has to make a stop on c: the one for which that is cheap
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10},
        {"x": ("a", 6), "y": ("b", 8)},
        of_instance={"x": {"metadata": {"vmpath:weight": "5"}}},
    )

    def stops(cost: Cost) -> list[str]:
        settings = PathSettings(objective="cost", cost=cost)
        plan = find_path(compile_cloud(snapshot), target(x="b", y="a"), settings, snapshot_identity="sha256:0")
        return [each.instance for each in plan.migrations if each.bypass]

    assert stops(registry.make("memory")) == ["x"]
    assert stops(registry.make("weighted")) == ["y"]
