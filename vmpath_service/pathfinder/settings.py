"""What a caller may ask of the path finder."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmpath_service.model.costs.base import Cost
from vmpath_service.model.costs.plain import MemoryCost
from vmpath_service.model.plan import Limits, Objective


@dataclass(frozen=True, slots=True)
class PathSettings:
    """``time_limit`` in seconds ends the search (the plan is then marked as time-limited); ``best_effort``
    accepts a partial path; ``departures`` lets the target say that instances are gone; ``cost`` is what a migration
    costs, for the choice between ways; ``strategy`` names the way to search. ``max_migrations`` and ``max_memory_mb``
    bound what the plan does in all: where the whole way takes more, the plan is the best part of it.
    ``exchange_rate``: with the objective ``balanced``, how many percent of the makespan have to be saved for each
    percent that a path costs more."""

    objective: Objective = "balanced"
    limits: Limits = field(default_factory=Limits)
    time_limit: float | None = None
    best_effort: bool = False
    departures: bool = False
    cost: Cost = field(default_factory=MemoryCost)
    strategy: str = "layered"
    max_migrations: int | None = None
    max_memory_mb: int | None = None
    exchange_rate: float = 3.0
