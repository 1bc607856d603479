"""Memory moved, weighted by whose it is."""

from __future__ import annotations

import math
from collections.abc import Mapping

from vmpath_service.model.costs.base import Cost
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import Option, OptionValue
from vmpath_service.model.snapshot import Instance

# Weights below one still make a difference between small instances.
FINE = 100


class WeightedCost(Cost):
    """The memory of the instance, times a weight from its metadata, else that of its project, else 1.

    With a weight of 10, one instance is moved only where otherwise more than ten of its size would have to be.
    """

    name = "weighted"
    summary = "memory moved, weighted by metadata or project"
    timed = False
    options = (
        Option("key", "string", "Metadata key of an instance that holds its weight.", "vmpath:weight"),
        Option("projects", "list", "Weights of projects: PROJECT=WEIGHT, PROJECT=WEIGHT.", ()),
    )

    def __init__(self, settings: Mapping[str, OptionValue] | None = None) -> None:
        super().__init__(settings)
        self._key = str(self.settings["key"])
        self._projects: dict[str, float] = {}
        entries = self.settings["projects"]
        for entry in entries if isinstance(entries, tuple) else ():
            project, _, text = entry.partition("=")
            self._projects[project.strip()] = _weight(text, f"option projects of cost weighted, entry {entry!r}")

    def of(self, instance: Instance, seconds: float) -> int:
        weight = self._projects.get(instance.project_id or "", 1.0)
        if self._key in instance.metadata:
            place = f"metadata {self._key} of instance {instance.label()}"
            weight = _weight(str(instance.metadata[self._key]), place)
        return round(FINE * weight * instance.memory_mb())


def _weight(text: str, place: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not (weight >= 0 and math.isfinite(weight)):
        raise InvalidInput(f"{place}: found {text!r}, expected a number of at least 0")
    return weight
