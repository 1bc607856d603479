"""How the engine is set up: plain values, read from the configuration by whoever starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vmpath_service.engine.executor.facts import MODES, Keys
from vmpath_service.engine.executor.settings import ON_FAILURE, Settings
from vmpath_service.model.constraints import registry
from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.costs.base import Cost
from vmpath_service.model.costs.plain import MemoryCost
from vmpath_service.model.options import OptionValue
from vmpath_service.model.windows import parse_windows


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
    ``strategy``: how to look for a path. ``keys``: names of the metadata in which instances say what they want.
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
    keys: Keys = field(default_factory=Keys)


def for_policy(settings: Settings, options: Mapping[str, OptionValue]) -> Settings:
    """How the executor behaves for a policy: what the policy says of it counts, else what holds for all."""
    mode, on_failure, no_go = (options.get(name) for name in ("mode", "on_failure", "no_go"))
    return replace(
        settings,
        mode=next((each for each in MODES if each == mode), settings.mode),
        on_failure=next((each for each in ON_FAILURE if each == on_failure), settings.on_failure),
        no_go=(*settings.no_go, *parse_windows(str(no_go or ""))),
    )
