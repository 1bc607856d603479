"""A constraint that nothing else can say: it depends on who else is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vmpath_service.model.constraints.base import CompiledConstraint, Constraint
from vmpath_service.model.options import Option
from vmpath_service.model.snapshot import Host, Instance, Snapshot


class QuietNeighboursConstraint(Constraint):
    """An instance that wants quiet is on no host with more loud ones than ``loud``, and no loud one joins it there.

    Who wants quiet and who is loud stands in the metadata key of option ``key``: ``quiet`` or ``loud``.
    """

    name = "quiet-neighbours"
    options = (
        Option("key", "string", "Metadata key that says quiet or loud.", "noise"),
        Option("loud", "integer", "How many loud instances a quiet one bears.", 0, minimum=0),
    )

    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        key = str(self.settings.get("key", "noise"))
        most = self.settings.get("loud", 0)
        noise = {each.uuid: each.metadata[key] for each in snapshot.instances if key in each.metadata}
        rule = _Rule(noise, most if isinstance(most, int) else 0)
        return CompiledConstraint(veto=rule.veto, veto_scope=rule.scope)


class _Rule:
    def __init__(self, noise: Mapping[str, str], most: int) -> None:
        self._noise = noise
        self._most = most

    def scope(self, instance: Instance, dest: Host) -> Collection[str]:
        """Only who is at the destination counts, and only for instances that are quiet or loud."""
        return (dest.name,) if instance.uuid in self._noise else ()

    def veto(self, instance: Instance, dest: Host, where: Mapping[str, str | None]) -> str | None:
        mine = self._noise.get(instance.uuid)
        if mine is None:
            return None
        there = [kind for uuid, kind in self._noise.items() if uuid != instance.uuid and where[uuid] == dest.name]
        loud = there.count("loud") + (mine == "loud")
        if loud > self._most and (mine == "quiet" or "quiet" in there):
            return f"{dest.name} would have {loud} loud instances beside a quiet one"
        return None
