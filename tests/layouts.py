"""Layouts of migrations in time, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.pathfinder.hastening.justification import Layout
from vmpath_service.pathfinder.problem import Move, pose

# A MiB takes a second.
MBPS = 8.0


def layout(
    snapshot: Snapshot,
    wanted: Mapping[str, str | None],
    moves: Sequence[tuple[str, str, str]],
    starts: Sequence[float],
    **more: Any,
) -> Layout:
    """A layout of moves (instance, source, destination), by names, that begin then; ``more``: of the limits."""
    compiled = compile_cloud(snapshot)
    problem = pose(compiled, wanted, Limits(**{"per_host": 1, "migration_mbps": MBPS, **more}))
    made = [Move(compiled.instance_index[g], compiled.host_index[a], compiled.host_index[b]) for g, a, b in moves]
    seconds = [compiled.snapshot.instances[move.guest].memory_mb() for move in made]
    return Layout(problem, made, starts, [start + took for start, took in zip(starts, seconds, strict=True)])
