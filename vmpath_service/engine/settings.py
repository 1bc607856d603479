"""How the engine is set up: plain values, read from the configuration by whoever starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vmpath_service.engine.executor.state import Settings
from vmpath_service.model.constraints import registry
from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.costs.base import Cost
from vmpath_service.model.costs.plain import MemoryCost
from vmpath_service.model.options import OptionValue


@dataclass(frozen=True, slots=True)
class PolicySection:
    """A policy as configured: a section of its own; several may use one driver.

    ``settings`` are typed values of the driver's options; those left out have the driver's defaults.
    """

    driver: str
    settings: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """``owner`` names this engine to other engines on the same database; times in seconds.

    ``planning_timeout``: planning that has taken so long is killed. ``planners``: how many plans are made at once,
    each in a process of its own. ``max_active``: how many rearrangements may be planned or walked at once.
    ``stop_seconds``: how long ``stop`` waits for the threads. ``lease_seconds``: an engine on the same database that
    gives no sign of life for so long is taken for dead. ``migration_mbps``: what a live migration
    is predicted to copy, in Mbit/s. ``cost``: what a migration costs, for the choice between ways.
    ``strategy``: how to look for a path.
    """

    owner: str
    policies: Mapping[str, PolicySection]
    executor: Settings = field(default_factory=Settings)
    poll_seconds: float = 2.0
    planning_timeout: float = 600.0
    planners: int = 2
    max_active: int = 16
    stop_seconds: float = 30.0
    lease_seconds: float = 30.0
    constraints: tuple[Constraint, ...] = field(default_factory=registry.make)
    migration_mbps: float = 8000.0
    cost: Cost = field(default_factory=MemoryCost)
    strategy: str = "layered"
