"""Which strategies there are: by name, from the stevedore group ``vmpath.pathfinders``."""

from __future__ import annotations

from vmpath_service.model.plugins import Registry
from vmpath_service.pathfinder.strategies.base import Strategy
from vmpath_service.pathfinder.strategies.exact import ExactStrategy
from vmpath_service.pathfinder.strategies.greedy import GreedyStrategy
from vmpath_service.pathfinder.strategies.layered import LayeredStrategy

_REGISTRY: Registry[Strategy] = Registry(
    "vmpath.pathfinders", "strategy", Strategy, (LayeredStrategy, ExactStrategy, GreedyStrategy)
)
OWN = _REGISTRY.own


def make(name: str) -> Strategy:
    """The strategy with this name; raises InvalidInput with a hint if there is none."""
    return _REGISTRY.find(name)()


def available() -> tuple[str, ...]:
    """Names of all strategies, our own and installed ones, sorted."""
    return _REGISTRY.available()
