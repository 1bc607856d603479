"""The Placement API: capacity and use of all hosts in few requests."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from vmpath_service.cloud import wire
from vmpath_service.cloud.api import Api, for_each
from vmpath_service.cloud.microversions import PLACEMENT_WRITTEN, Microversions
from vmpath_service.cloud.pools import Pool
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import NoDecision, NotFound
from vmpath_service.model.snapshot import Inventory

# Says again what the service's status says.
_STATUS_TRAIT = "COMPUTE_STATUS_DISABLED"
_SHARING_TRAIT = "MISC_SHARES_VIA_AGGREGATE"
_ASKED = ("MEMORY_MB", "VCPU", "PCPU")
# Of this many providers an inventory that may have changed is read again with each reading.
_DOUBTED_AT_ONCE = 20
Summaries = Mapping[str, wire.ProviderSummary]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Tree:
    """A host in Placement: its own provider and those nested in it, summed."""

    inventories: Mapping[str, Inventory]
    used: Mapping[str, int]
    traits: tuple[str, ...]
    disabled: bool = False
    """Whether Nova's scheduler is told to leave it out."""


class Placement:
    """Reads Placement; keeps what changes rarely: inventories, and which providers a host consists of."""

    def __init__(self, api: Api, versions: Microversions, settings: CloudSettings) -> None:
        self._api = api
        self._version = versions.for_placement()
        self._written = versions.for_placement(PLACEMENT_WRITTEN)
        self._settings = settings
        self._lock = threading.Lock()
        self._inventories: dict[str, Mapping[str, Inventory]] = {}
        self._as_of: dict[str, int | None] = {}
        """The generations of the providers whose inventories are known; read longest ago first."""
        self._trees: dict[str, tuple[str, ...]] = {}
        self._known: dict[str, wire.Provider] = {}
        self.cut_short = 0

    def providers(self) -> Mapping[str, wire.Provider]:
        """All providers by uuid: one request."""
        found = self._get("/resource_providers", wire.Providers).resource_providers
        trees: dict[str, list[str]] = {}
        for provider in found:
            trees.setdefault(provider.root_provider_uuid or provider.uuid, []).append(provider.uuid)
        with self._lock:
            self._trees = {root: tuple(uuids) for root, uuids in trees.items()}
            self._known = {provider.uuid: provider for provider in found}
        return {provider.uuid: provider for provider in found}

    def trees(self, roots: Collection[str]) -> Mapping[str, Tree]:
        """The hosts with these providers (those of ``providers()``).

        One request where every host has a MiB of memory left, up to three where some do not; then one for every host
        that no list shows (``cut_short`` of them have memory left: the cloud cuts its lists short), three more for
        every provider of the others, and one for every provider whose inventory is not known or disagrees with
        the summary. What changes in an inventory without changing the capacity (reserved against total, max_unit)
        changes the provider's generation, as all that is allocated there does: of those with another generation some
        are read each time, in turn.

        Raises NoDecision when a host has no provider.
        """
        self._check_known(roots)
        summaries, self.cut_short = self._summaries(roots)
        wanted = [uuid for root in roots for uuid in self._trees[root]]
        self._learn(wanted, summaries)
        return {root: self._tree(self._trees[root], summaries) for root in roots}

    def allocations(self, roots: Collection[str]) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
        """Per host, per consumer, what it holds there: one request for every provider of these hosts."""
        asked = [(root, uuid) for root in sorted(roots) for uuid in self._trees[root]]

        def read(place: tuple[str, str]) -> wire.ProviderAllocations:
            return self._get(f"/resource_providers/{place[1]}/allocations", wire.ProviderAllocations)

        answers = for_each(self._settings.workers, read, asked)
        found: dict[str, dict[str, dict[str, int]]] = {root: {} for root in roots}
        for (root, _), answer in zip(asked, answers, strict=True):
            for consumer, allocation in answer.allocations.items():
                _add(found[root].setdefault(consumer, {}), allocation.resources)
        return found

    def allocations_of_trees(self, roots: Iterable[str]) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
        """By provider of these hosts, per consumer, what it holds: one request for every provider."""
        uuids = [uuid for root in sorted(roots) for uuid in self._trees[root]]

        def read(uuid: str) -> wire.ProviderAllocations:
            return self._get(f"/resource_providers/{uuid}/allocations", wire.ProviderAllocations)

        answers = for_each(self._settings.workers, read, uuids)
        return {
            uuid: {consumer: each.resources for consumer, each in answer.allocations.items()}
            for uuid, answer in zip(uuids, answers, strict=True)
        }

    def consumer(self, consumer: str) -> wire.ConsumerAllocations:
        """What a consumer holds, whose it is, and its generation: one request."""
        return self._get(f"/allocations/{consumer}", wire.ConsumerAllocations)

    def rewrite(self, consumers: Mapping[str, Mapping[str, Any]]) -> None:
        """Make this all that each of these consumers holds, all or none: one request, sent once. Raises
        RequestRefused (409) when there is no room, or a consumer's generation is not the given one any more."""
        self._api.ask_once("POST", "/allocations", consumers, microversion=self._written)

    def held_by(self, consumer: str) -> Mapping[str, Mapping[str, int]]:
        """What a consumer holds, by provider: one request."""
        return {provider: part.resources for provider, part in self.consumer(consumer).allocations.items()}

    def root_of(self, provider: str) -> str | None:
        """The provider of the host that this one is nested in, or itself; None for one that is not known."""
        known = self._known.get(provider)
        return None if known is None else known.root_provider_uuid or known.uuid

    def name_of(self, provider: str) -> str:
        """What Placement calls it; its uuid, where it is not known."""
        known = self._known.get(provider)
        return provider if known is None else known.name

    def pools(self) -> tuple[Pool, ...]:
        """The providers that hosts share: one request, and three for each of them."""
        listed = self._get("/resource_providers", wire.Providers, {"required": _SHARING_TRAIT}).resource_providers

        def read(provider: wire.Provider) -> Pool:
            place = f"/resource_providers/{provider.uuid}"
            held = self._get(f"{place}/allocations", wire.ProviderAllocations).allocations
            usages = self._get(f"{place}/usages", wire.Usages).usages
            inventories = self._get(f"{place}/inventories", wire.Inventories).inventories
            return Pool(
                uuid=provider.uuid,
                name=provider.name,
                capacity={name: _inventory(each).limit() for name, each in inventories.items()},
                used=usages,
                held={consumer: each.resources for consumer, each in held.items()},
            )

        return tuple(for_each(self._settings.workers, read, listed))

    def free(self, root: str) -> Mapping[str, int]:
        """Capacity less use per class of one host, both as they are now: one request, where the host has some
        memory left; three for every one of its providers otherwise."""
        found = self._get(
            "/allocation_candidates", wire.Candidates, {"resources": "MEMORY_MB:1", "in_tree": root}
        ).provider_summaries
        amounts: dict[str, int] = {}
        if found:
            for summary in found.values():
                _add(amounts, {name: each.capacity - each.used for name, each in summary.resources.items()})
            return amounts
        uuids = self._trees.get(root) or self._read_tree(root)
        for uuid, summary in self._alone(uuids).items():
            self._inventories.pop(uuid, None)
            _add(amounts, {name: each.capacity - each.used for name, each in summary.resources.items()})
        return amounts

    def free_of_all(self, roots: Collection[str]) -> list[Mapping[str, int]]:
        """The same of many hosts at one moment: one request where each has some memory left, up to three where some do
        not, and as many as ``trees`` takes for those that no list shows. One more for hosts that are new here.

        Raises NoDecision when a host has no provider.
        """
        if not set(roots) <= self._trees.keys():
            self.providers()
            self._check_known(roots)
        summaries, _ = self._summaries(roots)
        rooms: list[Mapping[str, int]] = []
        for root in roots:
            amounts: dict[str, int] = {}
            for uuid in self._trees[root]:
                _add(amounts, {name: each.capacity - each.used for name, each in summaries[uuid].resources.items()})
            rooms.append(amounts)
        return rooms

    def _check_known(self, roots: Collection[str]) -> None:
        unknown = sorted(set(roots) - self._trees.keys())
        if unknown:
            raise NoDecision(f"Placement has no resource provider for {len(unknown)} hosts, the first is {unknown[0]}")

    def _read_tree(self, root: str) -> tuple[str, ...]:
        found = self._get("/resource_providers", wire.Providers, {"in_tree": root}).resource_providers
        return tuple(provider.uuid for provider in found)

    def _summaries(self, roots: Collection[str]) -> tuple[Summaries, int]:
        """Of all providers of these hosts, and how many hosts the lists were cut short by.

        A full host is no candidate: another class may still show it.
        """
        found: dict[str, wire.ProviderSummary] = {}
        for name in _ASKED:
            answer = self._get("/allocation_candidates", wire.Candidates, {"resources": f"{name}:1"})
            # the first answer stays: summaries of one tree shall be of one moment
            found = {**answer.provider_summaries, **found}
            missing = self._missing(roots, found)
            if not missing:
                return found, 0
        shown = self._one_by_one(missing)
        cut_short = sum(root in shown for root in missing)
        found = {**shown, **found}
        full = [uuid for root in self._missing(missing, found) for uuid in self._trees[root] if uuid not in found]
        return {**found, **self._alone(full)}, cut_short

    def _missing(self, roots: Iterable[str], found: Summaries) -> list[str]:
        """The hosts of which not all providers were found."""
        return [root for root in roots if any(uuid not in found for uuid in self._trees[root])]

    def _one_by_one(self, roots: Iterable[str]) -> Summaries:
        """Of those of these hosts that have some memory left: one request each."""
        asked = list(roots)

        def read(root: str) -> Summaries:
            parameters = {"resources": "MEMORY_MB:1", "in_tree": root}
            found = self._get("/allocation_candidates", wire.Candidates, parameters).provider_summaries
            return {uuid: found[uuid] for uuid in self._trees[root] if uuid in found}

        answers = for_each(self._settings.workers, read, asked)
        return {uuid: summary for answer in answers for uuid, summary in answer.items()}

    def _alone(self, uuids: Iterable[str]) -> Summaries:
        """Summaries of providers that are no candidates, put together from what each says of itself."""
        asked = list(uuids)

        def read(uuid: str) -> wire.ProviderSummary:
            place = f"/resource_providers/{uuid}"
            usages = self._get(f"{place}/usages", wire.Usages).usages
            traits = self._get(f"{place}/traits", wire.Traits).traits
            inventories = self._read_inventories(uuid)
            resources = {
                name: wire.ClassSummary(inventory.limit(), usages.get(name, 0))
                for name, inventory in inventories.items()
            }
            return wire.ProviderSummary(resources, traits)

        answers = for_each(self._settings.workers, read, asked)
        return dict(zip(asked, answers, strict=True))

    def _learn(self, uuids: Iterable[str], summaries: Summaries) -> None:
        """Read the inventories that are not known, that the summaries contradict, and some that may have changed."""
        wanted = list(uuids)
        stale = [uuid for uuid in wanted if not _agree(self._inventories.get(uuid), summaries[uuid])]
        with self._lock:
            turn = {uuid: number for number, uuid in enumerate(self._as_of)}
            doubted = [
                uuid
                for uuid in set(wanted).difference(stale)
                if uuid in self._known and self._known[uuid].generation != self._as_of.get(uuid)
            ]
        doubted.sort(key=lambda uuid: (turn.get(uuid, -1), uuid))
        for_each(self._settings.workers, self._read_inventories, [*stale, *doubted[:_DOUBTED_AT_ONCE]])

    def _read_inventories(self, uuid: str) -> Mapping[str, Inventory]:
        found = self._get(f"/resource_providers/{uuid}/inventories", wire.Inventories)
        inventories = {name: _inventory(each) for name, each in found.inventories.items()}
        with self._lock:
            self._inventories[uuid] = inventories
            self._as_of.pop(uuid, None)
            self._as_of[uuid] = found.generation
        return inventories

    def _tree(self, uuids: Iterable[str], summaries: Summaries) -> Tree:
        parts: dict[str, list[Inventory]] = {}
        used: dict[str, int] = {}
        traits: set[str] = set()
        for uuid in uuids:
            for name, inventory in self._inventories[uuid].items():
                parts.setdefault(name, []).append(inventory)
            _add(used, {name: each.used for name, each in summaries[uuid].resources.items()})
            traits.update(summaries[uuid].traits)
        return Tree(
            inventories={name: _summed(inventories) for name, inventories in sorted(parts.items())},
            used=used,
            traits=tuple(sorted(traits - {_STATUS_TRAIT})),
            disabled=_STATUS_TRAIT in traits,
        )

    def _get(
        self, path: str, answer: type[Answer], parameters: Mapping[str, str | int] | None = None
    ) -> Answer:
        try:
            return self._api.get(
                path, answer, microversion=self._version, parameters=parameters, may_be_missing=True
            )
        except NotFound as error:
            # a provider that vanished between two requests: the picture is of two moments
            raise NoDecision(f"Placement changed while it was being read: {error}") from None


def _agree(known: Mapping[str, Inventory] | None, summary: wire.ProviderSummary) -> bool:
    return known is not None and {name: each.limit() for name, each in known.items()} == {
        name: each.capacity for name, each in summary.resources.items()
    }


def _inventory(given: wire.ProviderInventory) -> Inventory:
    return Inventory(
        total=given.total,
        reserved=given.reserved,
        allocation_ratio=given.allocation_ratio,
        min_unit=given.min_unit,
        max_unit=given.max_unit,
        step_size=given.step_size,
    )


def _summed(parts: list[Inventory]) -> Inventory:
    """One inventory for a class that several providers of a host have.

    A single instance gets it from one of them: max_unit is the largest, min_unit and step_size the smallest.
    """
    if len(parts) == 1:
        return parts[0]
    return Inventory(
        capacity=sum(part.limit() for part in parts),
        min_unit=min(part.min_unit for part in parts),
        max_unit=max(part.limit() if part.max_unit is None else part.max_unit for part in parts),
        step_size=min(part.step_size for part in parts),
    )


def _add(sums: dict[str, int], amounts: Mapping[str, int]) -> None:
    for name, amount in amounts.items():
        sums[name] = sums.get(name, 0) + amount
