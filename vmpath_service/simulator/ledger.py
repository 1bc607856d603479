"""Placement's books: who holds how much of what at which resource provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vmpath_service.simulator.records import Inventory

# What Placement calls the type of a consumer whose maker named none, as Nova does not.
UNTYPED = "unknown"


@dataclass(slots=True)
class Provider:
    uuid: str
    name: str
    inventories: dict[str, Inventory]
    traits: tuple[str, ...] = ()
    aggregates: list[str] = field(default_factory=list)
    generation: int = 1
    used: dict[str, int] = field(default_factory=dict)
    consumers: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Consumer:
    uuid: str
    project_id: str
    user_id: str
    kind: str
    generation: int = 1
    held: dict[str, dict[str, int]] = field(default_factory=dict)


class Ledger:
    """Allocations by consumer and by provider, always in step with each other."""

    def __init__(self) -> None:
        self.providers: dict[str, Provider] = {}
        self.consumers: dict[str, Consumer] = {}

    def add_provider(self, provider: Provider) -> None:
        self.providers[provider.uuid] = provider

    def held_by(self, consumer: str) -> Mapping[str, Mapping[str, int]]:
        """What a consumer holds: provider uuid -> resource class -> amount."""
        found = self.consumers.get(consumer)
        return found.held if found else {}

    def what_stands_in_the_way(
        self, provider_uuid: str, wanted: Mapping[str, int], leaving: str | None = None
    ) -> str | None:
        """Why `wanted` cannot be had there, in a sentence, or None when it can.

        leaving: a consumer whose present share does not count.
        """
        provider = self.providers[provider_uuid]
        freed = provider.consumers.get(leaving, {}) if leaving else {}
        for name, amount in wanted.items():
            if amount == 0:
                continue
            inventory = provider.inventories.get(name)
            if inventory is None:
                return f"{provider.name} has no inventory of {name}"
            if amount < inventory.min_unit or amount > inventory.max_unit or amount % inventory.step_size:
                return f"{amount} of {name} violates min_unit, max_unit or step_size of {provider.name}"
            used = provider.used.get(name, 0) - freed.get(name, 0)
            if used + amount > inventory.capacity:
                return f"{provider.name} has {inventory.capacity - used} of {name} left, {amount} is wanted"
        return None

    def allocate(
        self,
        consumer: str,
        held: Mapping[str, Mapping[str, int]],
        project_id: str,
        user_id: str,
        kind: str = UNTYPED,
    ) -> None:
        """Make `held` all that the consumer holds; nothing is checked here."""
        before = self.consumers.get(consumer)
        generation = before.generation + 1 if before else 1
        self.release(consumer)
        kept = {
            provider: {name: amount for name, amount in amounts.items() if amount}
            for provider, amounts in held.items()
        }
        kept = {provider: amounts for provider, amounts in kept.items() if amounts}
        if not kept:
            return
        self.consumers[consumer] = Consumer(consumer, project_id, user_id, kind, generation, kept)
        for provider_uuid, amounts in kept.items():
            provider = self.providers[provider_uuid]
            provider.generation += 1
            provider.consumers[consumer] = amounts
            for name, amount in amounts.items():
                provider.used[name] = provider.used.get(name, 0) + amount

    def release(self, consumer: str) -> bool:
        """Drop all that the consumer holds; False when it held nothing."""
        found = self.consumers.pop(consumer, None)
        if found is None:
            return False
        for provider_uuid, amounts in found.held.items():
            provider = self.providers[provider_uuid]
            provider.generation += 1
            del provider.consumers[consumer]
            for name, amount in amounts.items():
                provider.used[name] -= amount
        return True

    def hand_over(self, consumer: str, heir: str) -> None:
        """Give all that `consumer` holds to `heir`, which then holds nothing else."""
        found = self.consumers.get(consumer)
        if found is None:
            self.release(heir)
            return
        held = {provider: dict(amounts) for provider, amounts in found.held.items()}
        self.release(consumer)
        self.allocate(heir, held, found.project_id, found.user_id, found.kind)
