"""Placement's books: who holds how much of what at which resource provider."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vmpath_service.simulator.records import Inventory

# What Placement calls the type of a consumer whose maker named none, as Nova does not.
UNTYPED = "unknown"
SHARES = "MISC_SHARES_VIA_AGGREGATE"


@dataclass(slots=True)
class Provider:
    """A resource provider. parent: the uuid of the provider that it is nested in, if it is."""

    uuid: str
    name: str
    inventories: dict[str, Inventory]
    traits: tuple[str, ...] = ()
    aggregates: list[str] = field(default_factory=list)
    parent: str | None = None
    root: str = ""
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
        # By root; a provider comes after its parent.
        self.trees: dict[str, list[Provider]] = {}
        self.sharing: list[Provider] = []
        self.custom_traits: set[str] = set()

    def add_provider(self, provider: Provider) -> None:
        """Add a provider; its parent, if any, must be there already."""
        provider.root = self.providers[provider.parent].root if provider.parent else provider.uuid
        self.providers[provider.uuid] = provider
        self.custom_traits.update(trait for trait in provider.traits if trait.startswith("CUSTOM_"))
        self.trees.setdefault(provider.root, []).append(provider)
        if SHARES in provider.traits:
            self.sharing.append(provider)

    def within_reach(self, root: str) -> list[Provider]:
        """The providers that may serve a host: its own tree, then what its aggregates share with it."""
        tree = self.trees[root]
        if not self.sharing:
            return tree
        mine = {aggregate for provider in tree for aggregate in provider.aggregates}
        return tree + [p for p in self.sharing if p.root != root and not mine.isdisjoint(p.aggregates)]

    def tree_traits(self, root: str) -> set[str]:
        """The traits of all providers of a host."""
        return {trait for provider in self.trees[root] for trait in provider.traits}

    def obstacle(self, root: str, wanted: Mapping[str, int]) -> str | None:
        """Why a host cannot give `wanted`, each class from one of the providers within its reach."""
        reach = self.within_reach(root)
        if len(reach) == 1:
            return self.what_stands_in_the_way(root, wanted)
        for name, amount in wanted.items():
            reasons = [
                self.what_stands_in_the_way(p.uuid, {name: amount}) for p in reach if name in p.inventories
            ] or [self.what_stands_in_the_way(root, {name: amount})]
            if None not in reasons:
                return reasons[0]
        return None

    def spread(self, root: str, wanted: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """Where a host gives `wanted` from: the first provider with room, else the first with the class.

        Nothing is checked: what no provider has is put on the root.
        """
        reach = self.within_reach(root)
        if len(reach) == 1:
            return {root: dict(wanted)}
        chosen: dict[str, dict[str, int]] = {}
        for name, amount in wanted.items():
            having = [p.uuid for p in reach if name in p.inventories]
            roomy = (uuid for uuid in having if self.what_stands_in_the_way(uuid, {name: amount}) is None)
            place = next(itertools.chain(roomy, having), root)
            chosen.setdefault(place, {})[name] = amount
        return chosen

    def candidates(self, root: str, wanted: Mapping[str, int]) -> Iterator[dict[str, dict[str, int]]]:
        """All ways in which a host can give `wanted`, each class from one provider."""
        reach = self.within_reach(root)
        choices = [
            [
                p.uuid
                for p in reach
                if name in p.inventories and self.what_stands_in_the_way(p.uuid, {name: amount}) is None
            ]
            for name, amount in wanted.items()
        ]
        for places in itertools.product(*choices):
            chosen: dict[str, dict[str, int]] = {}
            for place, (name, amount) in zip(places, wanted.items(), strict=True):
                chosen.setdefault(place, {})[name] = amount
            yield chosen

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
