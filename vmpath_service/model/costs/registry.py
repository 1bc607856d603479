"""Which costs there are: by name, from the stevedore group ``vmpath.costs``."""

from __future__ import annotations

from collections.abc import Mapping

from vmpath_service.model.costs.base import Cost
from vmpath_service.model.costs.plain import CountCost, DirtyMemoryCost, MemoryCost, SecondsCost
from vmpath_service.model.costs.weighted import WeightedCost
from vmpath_service.model.options import read_options
from vmpath_service.model.plugins import Registry

_REGISTRY: Registry[Cost] = Registry(
    "vmpath.costs", "cost", Cost, (MemoryCost, DirtyMemoryCost, SecondsCost, CountCost, WeightedCost)
)
OWN = _REGISTRY.own
DEFAULT = MemoryCost.name


def find(name: str) -> type[Cost]:
    """The class of the cost with this name; raises InvalidInput with a hint if there is none."""
    return _REGISTRY.find(name)


def available() -> tuple[str, ...]:
    """Names of all costs, our own and installed ones, sorted."""
    return _REGISTRY.available()


def make(name: str = DEFAULT, texts: Mapping[str, str] | None = None) -> Cost:
    """The cost of this name; ``texts``: its options as texts (ini file, command line). Raises InvalidInput."""
    kind = find(name)
    return kind(read_options(kind.options, texts or {}, texts=True, where=f"cost {name}"))
