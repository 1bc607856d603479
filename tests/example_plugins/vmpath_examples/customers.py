"""A cost that looks at whose instance it is."""

from __future__ import annotations

from vmpath_service.model.costs.base import Cost
from vmpath_service.model.options import Option
from vmpath_service.model.snapshot import Instance


class CustomersCost(Cost):
    """One for each instance of our own projects, more for each of a customer: these are moved last."""

    name = "customers"
    summary = "instances moved, customers' before our own"
    timed = False
    options = (
        Option("own_projects", "list", "Our own projects.", ()),
        Option("customer", "integer", "What it costs to move one of a customer; our own cost 1.", 10, minimum=1),
    )

    def of(self, instance: Instance, seconds: float) -> int:
        own, price = self.settings["own_projects"], self.settings["customer"]
        if isinstance(own, tuple) and instance.project_id in own:
            return 1
        return price if isinstance(price, int) else 1
