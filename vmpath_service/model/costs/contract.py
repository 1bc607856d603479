"""What every cost must do, as checks that a test suite runs on each of its costs; uses no test framework."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator

from vmpath_service.model.costs.base import Cost
from vmpath_service.model.options import Option
from vmpath_service.model.snapshot import Instance, Memory


class CostContract:
    """``make`` builds the cost with whatever settings it needs; a failed check raises AssertionError."""

    def __init__(self, make: Callable[[], Cost]) -> None:
        self.make = make

    def run(self) -> None:
        """All checks on example instances."""
        self.check_declaration(self.make())
        for instance in example_instances():
            self.check(instance, 1.5)

    def check_declaration(self, cost: Cost) -> None:
        """Name, summary and documentation are there; options have help."""
        assert cost.name, f"{type(cost).__name__} has no name"
        assert cost.summary, f"{cost.name} has no summary"
        assert (type(cost).__doc__ or "").strip(), f"{cost.name} has no documentation"
        for option in cost.options:
            assert isinstance(option, Option), f"{cost.name} declares something that is not an option"
            assert option.help, f"{cost.name}: option {option.name} has no help"

    def check(self, instance: Instance, seconds: float) -> int:
        """All checks on one instance; returns what it costs."""
        cost = self.make()
        found = cost.of(instance, seconds)
        assert isinstance(found, int), f"{cost.name} is no whole number: {found!r}"
        assert not isinstance(found, bool), f"{cost.name} is no number: {found!r}"
        assert found >= 0, f"{cost.name} is below 0: {found}"
        assert found == cost.of(instance, seconds), f"{cost.name} differs the second time"
        assert found == self.make().of(instance, seconds), f"{cost.name} differs from a fresh start"
        copied = pickle.loads(pickle.dumps(cost))
        assert found == copied.of(instance, seconds), f"{cost.name} differs in another process"
        return found


def example_instances() -> Iterator[Instance]:
    """Instances with and without what costs may look at."""
    yield Instance(uuid="small", host="a", resources={})
    yield Instance(uuid="plain", host="a", resources={"MEMORY_MB": 4096, "VCPU": 2})
    busy = Memory(used_mb=4000, dirty_mb_s=12.5)
    yield Instance(uuid="busy", host="a", resources={"MEMORY_MB": 4096}, memory=busy, project_id="p")
