"""Placement: resource providers with their inventories, usages, traits, aggregates, allocations."""

from __future__ import annotations

import re
from typing import Any

import falcon

from vmpath_service.simulator.ledger import Provider
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import Site, answer, at_least, body_of, only_parameters

CUSTOM_TRAIT = re.compile(r"CUSTOM_[A-Z0-9_]+")
KINDS = ("inventories", "usages", "aggregates", "traits", "allocations")
SINCE = {"inventories": 0, "usages": 0, "aggregates": 1, "traits": 6, "allocations": 11}
DISABLED_TRAIT = "COMPUTE_STATUS_DISABLED"


def traits_of(site: Site, provider: Provider) -> list[str]:
    """Its traits, with the one by which Nova marks the hosts whose service is disabled."""
    host = site.world.hosts_by_uuid.get(provider.uuid)
    disabled = host is not None and (host.disabled or host.forced_down)
    own = [trait for trait in provider.traits if trait != DISABLED_TRAIT]
    return sorted([*own, DISABLED_TRAIT] if disabled else own)


class ResourceProviders:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        given = only_parameters(self._site, req, frozenset(("name", "uuid", "in_tree", "required")))
        found = list(self._site.world.ledger.providers.values())
        if "uuid" in given:
            found = [p for p in found if p.uuid == given["uuid"]]
        if "in_tree" in given:
            inside = self._site.world.ledger.providers.get(given["in_tree"])
            found = [p for p in found if inside is not None and p.root == inside.root]
        if "name" in given:
            found = [p for p in found if p.name == given["name"]]
        if "required" in given:
            wanted = set(given["required"].split(","))
            found = [p for p in found if wanted <= set(traits_of(self._site, p))]
        answer(resp, {"resource_providers": [self._shown(req, p) for p in found]})

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, provider_id: str) -> None:
        answer(resp, self._shown(req, self._find(provider_id)))

    def on_get_part(self, req: falcon.Request, resp: falcon.Response, provider_id: str, part: str) -> None:
        if part not in KINDS or not at_least(req, SINCE[part]):
            raise self._site.does_not_know(f"GET /resource_providers/{{uuid}}/{part}")
        provider = self._find(provider_id)
        body: dict[str, Any] = {}
        if part == "inventories":
            body["inventories"] = {
                name: {
                    "total": inventory.total,
                    "reserved": inventory.reserved,
                    "min_unit": inventory.min_unit,
                    "max_unit": inventory.max_unit,
                    "step_size": inventory.step_size,
                    "allocation_ratio": inventory.allocation_ratio,
                }
                for name, inventory in provider.inventories.items()
            }
        elif part == "usages":
            body["usages"] = {name: provider.used.get(name, 0) for name in provider.inventories}
        elif part == "traits":
            body["traits"] = traits_of(self._site, provider)
        elif part == "aggregates":
            body["aggregates"] = list(provider.aggregates)
        else:
            body["allocations"] = self._allocations(req, provider)
        if part != "aggregates" or at_least(req, 19):
            body["resource_provider_generation"] = provider.generation
        answer(resp, body)

    def on_put_part(self, req: falcon.Request, resp: falcon.Response, provider_id: str, part: str) -> None:
        """Traits only: all of a provider, instead of those it has."""
        if part != "traits" or not at_least(req, SINCE[part]):
            raise self._site.does_not_know(f"PUT /resource_providers/{{uuid}}/{part}")
        provider, body = self._find(provider_id), body_of(req)
        traits = body.get("traits")
        if not isinstance(traits, list) or "resource_provider_generation" not in body:
            raise Refused(400, "JSON does not validate: 'resource_provider_generation' is a required property")
        if body["resource_provider_generation"] != provider.generation:
            message = "Resource provider's generation already changed. Please update the generation and try again."
            raise Refused(409, message, "placement.concurrent_update")
        provider.traits = tuple(str(trait) for trait in traits if trait != DISABLED_TRAIT)
        provider.generation += 1
        answer(
            resp,
            {"traits": traits_of(self._site, provider), "resource_provider_generation": provider.generation},
        )

    def on_get_inventory(
        self, req: falcon.Request, resp: falcon.Response, provider_id: str, resource_class: str
    ) -> None:
        provider = self._find(provider_id)
        inventory = provider.inventories.get(resource_class)
        if inventory is None:
            raise Refused(404, f"No inventory of class {resource_class} for {provider_id}")
        answer(
            resp,
            {
                "total": inventory.total,
                "reserved": inventory.reserved,
                "min_unit": inventory.min_unit,
                "max_unit": inventory.max_unit,
                "step_size": inventory.step_size,
                "allocation_ratio": inventory.allocation_ratio,
                "resource_provider_generation": provider.generation,
            },
        )

    def _allocations(self, req: falcon.Request, provider: Provider) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for consumer, amounts in provider.consumers.items():
            shown[consumer] = {"resources": amounts}
            if at_least(req, 28):
                known = self._site.world.ledger.consumers[consumer]
                shown[consumer]["consumer_generation"] = known.generation
        return shown

    def _find(self, provider_id: str) -> Provider:
        provider = self._site.world.ledger.providers.get(provider_id)
        if provider is None:
            raise Refused(404, f"No resource provider with uuid {provider_id} found")
        return provider

    def _shown(self, req: falcon.Request, provider: Provider) -> dict[str, Any]:
        path = f"/placement/resource_providers/{provider.uuid}"
        shown: dict[str, Any] = {
            "uuid": provider.uuid,
            "name": provider.name,
            "generation": provider.generation,
            "links": [
                {"rel": "self", "href": path},
                *({"rel": kind, "href": f"{path}/{kind}"} for kind in KINDS if at_least(req, SINCE[kind])),
            ],
        }
        if at_least(req, 14):
            shown |= {"parent_provider_uuid": provider.parent, "root_provider_uuid": provider.root}
        return shown


class Traits:
    """Traits of one's own, which are made before a provider gets them."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def on_put(self, req: falcon.Request, resp: falcon.Response, trait: str) -> None:
        if not CUSTOM_TRAIT.fullmatch(trait):
            raise Refused(400, f"The trait is invalid. A valid trait must be no longer than 255 characters: {trait}")
        known = self._site.world.ledger.custom_traits
        resp.status = 204 if trait in known else 201
        known.add(trait)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, trait: str) -> None:
        ledger = self._site.world.ledger
        if trait not in ledger.custom_traits:
            raise Refused(404, f"No such trait: {trait}")
        if any(trait in provider.traits for provider in ledger.providers.values()):
            raise Refused(409, f"The trait {trait} is in use by a resource provider.")
        ledger.custom_traits.discard(trait)
        resp.status = 204
