"""Scenarios: small clouds with a target and what is expected of the path finder, as files that a reader takes in.

A scenario is a JSON file. ``snapshot`` and ``target`` are the documents of those names (without ``format``), or the
names of files beside it; in ``options`` stands what ``path find`` takes; ``expect`` is what must come of it. Only
what ``expect`` names is compared.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from vmpath_service.model import files, semantics
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.costs import registry as costs
from vmpath_service.model.errors import InvalidFile, InvalidInput, NotFound
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Limits, Objective, Outcome, Plan
from vmpath_service.model.snapshot import Amount, Positive, Quantity, Snapshot
from vmpath_service.pathfinder.finder import find_path
from vmpath_service.pathfinder.replay import check_plan
from vmpath_service.pathfinder.settings import PathSettings


class _Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the values of a scenario."""


class Options(_Value, frozen=True):
    """What ``path find`` takes, by the names of its options; null: no limit."""

    objective: Objective = "balanced"
    strategy: str = "layered"
    cost: str = "memory"
    per_host: Positive | None = 2
    in_total: Positive | None = None
    per_group: Positive | None = None
    migration_mbps: Quantity = 8000.0
    max_migrations: Positive | None = None
    max_memory: Positive | None = None
    best_effort: bool = False
    allow_departures: bool = False


class Expectation(_Value, frozen=True):
    """``moves`` are lines ``INSTANCE: SOURCE -> DEST`` in the order of the plan; ``says`` is a part of the
    explanation; ``refused`` a part of the sentence with which the question is refused."""

    outcome: Outcome | Literal["refused"] = "found"
    refused: str | None = None
    says: str | None = None
    migrations: Amount | None = None
    extra_migrations: int | None = None
    bypasses: Amount | None = None
    memory_mb: Amount | None = None
    waves: Amount | None = None
    host_steps: Amount | None = None
    arrivals: Amount | None = None
    moves: tuple[str, ...] | None = None


class Scenario(_Value, frozen=True):
    snapshot: dict[str, Any] | str
    target: dict[str, str | None] | str
    expect: Expectation
    options: Options = Options()
    description: str = ""


def scenario_files(directory: str) -> list[str]:
    """The scenarios of a directory: its files in ``.json`` that have an ``expect``, by name; raises InvalidFile."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".json"))
    except OSError as error:
        raise InvalidFile(directory, "", f"cannot be read: {error.strerror}") from error
    paths = [os.path.join(directory, name) for name in names]
    return [path for path in paths if b'"expect"' in files.read_bytes(path)]


def load(path: str) -> tuple[Scenario, Snapshot, Placement]:
    """Read a scenario and the documents that it is about; raises InvalidFile."""
    try:
        scenario = msgspec.json.decode(files.read_bytes(path), type=Scenario)
    except msgspec.DecodeError as error:
        raise InvalidFile(path, "", str(error)) from error
    beside = os.path.dirname(path)
    if isinstance(scenario.snapshot, str):
        snapshot = files.load_snapshot(os.path.join(beside, scenario.snapshot))
    else:
        try:
            snapshot = msgspec.convert(scenario.snapshot, Snapshot)
        except msgspec.ValidationError as error:
            raise InvalidFile(path, "/snapshot", str(error)) from error
        for problem in semantics.snapshot_problems(snapshot):
            raise InvalidFile(path, f"/snapshot{problem.pointer}", problem.text)
    if isinstance(scenario.target, str):
        return scenario, snapshot, files.load_placement(os.path.join(beside, scenario.target))
    return scenario, snapshot, Placement(scenario.target)


def differences(scenario: Scenario, snapshot: Snapshot, target: Placement) -> Iterator[str]:
    """What comes of a scenario that was not expected, one sentence each; whatever is expected, the plan must hold."""
    expect, options = scenario.expect, scenario.options
    settings = PathSettings(
        objective=options.objective,
        strategy=options.strategy,
        cost=costs.make(options.cost),
        limits=Limits(options.per_host, options.in_total, options.migration_mbps, options.per_group),
        best_effort=options.best_effort,
        departures=options.allow_departures,
        max_migrations=options.max_migrations,
        max_memory_mb=options.max_memory,
    )
    try:
        plan = find_path(compile_cloud(snapshot), target, settings, snapshot_identity="sha256:0")
    except (InvalidInput, NotFound) as error:
        if expect.outcome != "refused":
            yield f"it is refused: {error}"
        elif expect.refused and expect.refused not in str(error):
            yield f"it is refused with: {error}"
        return
    for problem in check_plan(snapshot, plan, target=target).problems:
        yield f"the plan breaks: {problem}"
    if plan.outcome != expect.outcome:
        yield f"the outcome is {plan.outcome}, expected {expect.outcome}" + (
            f": {plan.explanation}" if plan.explanation else ""
        )
        return
    if expect.says and expect.says not in (plan.explanation or ""):
        yield f"the explanation is {plan.explanation!r}"
    yield from _figures(expect, plan)


def _figures(expect: Expectation, plan: Plan) -> Iterator[str]:
    found: dict[str, object] = {
        "migrations": plan.summary.migrations,
        "extra_migrations": plan.summary.extra_migrations,
        "bypasses": plan.summary.bypasses,
        "memory_mb": plan.summary.memory_mb,
        "waves": plan.summary.waves,
        "host_steps": len(plan.host_steps),
        "arrivals": len(plan.arrivals),
        "moves": tuple(f"{each.instance}: {each.source} -> {each.dest}" for each in plan.migrations),
    }
    for name, value in found.items():
        wanted = getattr(expect, name)
        if wanted is not None and wanted != value:
            yield f"{name} is {value}, expected {wanted}"
