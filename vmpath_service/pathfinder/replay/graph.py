"""The partial order of a plan: what has surely ended when a step starts, and what cannot have started yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from vmpath_service.model.plan import HostStep, Migration


class PartialOrder:
    """Steps by id; ``after`` names smaller ids only."""

    def __init__(self, steps: Sequence[HostStep | Migration]) -> None:
        self.after: Mapping[int, tuple[int, ...]] = {step.id: step.after for step in steps}
        self._later: dict[int, list[int]] = {step.id: [] for step in steps}
        for step in steps:
            for earlier in step.after:
                self._later[earlier].append(step.id)

    def before(self, identity: int, lowest: int = 0) -> set[int]:
        """The ids, from ``lowest`` on, of the steps that must have ended when this one starts.

        Every way back from a step goes through descending ids, so those below ``lowest`` lead to none above.
        """
        found: set[int] = set()
        open_ends = [each for each in self.after[identity] if each >= lowest]
        while open_ends:
            step = open_ends.pop()
            if step not in found:
                found.add(step)
                open_ends += [each for each in self.after[step] if each >= lowest and each not in found]
        return found

    def precedes(self, earlier: int, later: int) -> bool:
        """Whether ``earlier`` must have ended when ``later`` starts."""
        return earlier in self.after[later] or (earlier < later and earlier in self.before(later, earlier))

    def beyond(self, identity: int) -> set[int]:
        """The ids of the steps that cannot start before this one has ended."""
        found: set[int] = set()
        open_ends = list(self._later[identity])
        while open_ends:
            step = open_ends.pop()
            if step not in found:
                found.add(step)
                open_ends += [each for each in self._later[step] if each not in found]
        return found

    def closure(self, wanted: Collection[int]) -> set[int]:
        """These and all that must have ended for them to start."""
        found: set[int] = set()
        open_ends = list(wanted)
        while open_ends:
            step = open_ends.pop()
            if step not in found:
                found.add(step)
                open_ends += [each for each in self.after[step] if each not in found]
        return found
