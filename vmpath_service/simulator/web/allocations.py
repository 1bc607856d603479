"""Placement: what a consumer holds; and candidates for what might be held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import falcon

from vmpath_service.simulator.ledger import UNTYPED, Provider
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.resource_providers import traits_of
from vmpath_service.simulator.web.site import Site, answer, at_least, body_of, only_parameters

CONFLICT = "placement.concurrent_update"


class Allocations:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response, consumer_id: str) -> None:
        """An unknown consumer holds nothing, which is no error."""
        ledger = self._site.world.ledger
        consumer = ledger.consumers.get(consumer_id)
        if consumer is None:
            answer(resp, {"allocations": {}})
            return
        body: dict[str, Any] = {
            "allocations": {
                provider: {
                    "resources": amounts,
                    "generation": ledger.providers[provider].generation,
                }
                for provider, amounts in consumer.held.items()
            }
        }
        if at_least(req, 12):
            body |= {"project_id": consumer.project_id, "user_id": consumer.user_id}
        if at_least(req, 28):
            body["consumer_generation"] = consumer.generation
        if at_least(req, 38):
            body["consumer_type"] = consumer.kind
        answer(resp, body)

    def on_put(self, req: falcon.Request, resp: falcon.Response, consumer_id: str) -> None:
        """Replace all that the consumer holds, if there is room and nobody came in between."""
        if not at_least(req, 28):
            raise self._site.does_not_know("PUT /allocations/{consumer} below 1.28")
        self._replace(req, {consumer_id: body_of(req)})
        resp.status = 204

    def on_post_many(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The same of several consumers, all or none."""
        if not at_least(req, 28):
            raise self._site.does_not_know("POST /allocations below 1.28")
        self._replace(req, body_of(req))
        resp.status = 204

    def _replace(self, req: falcon.Request, bodies: Mapping[str, Any]) -> None:
        parsed = {consumer: self._parsed(req, consumer, body) for consumer, body in bodies.items()}
        ledger = self._site.world.ledger
        before = {consumer: ledger.consumers.get(consumer) for consumer in parsed}
        # what is given up makes room for what is taken
        for consumer in parsed:
            ledger.release(consumer)
        try:
            for consumer, (wanted, project, user, kind) in parsed.items():
                self._check_room(wanted)
                ledger.allocate(consumer, wanted, project, user, kind)
        except Refused:
            for consumer in parsed:
                ledger.release(consumer)
            for consumer, held in before.items():
                if held is not None:
                    ledger.allocate(consumer, held.held, held.project_id, held.user_id, held.kind)
                    ledger.consumers[consumer].generation = held.generation
            raise
        for consumer, held in before.items():
            if held is not None and consumer in ledger.consumers:
                ledger.consumers[consumer].generation = held.generation + 1

    def _parsed(
        self, req: falcon.Request, consumer_id: str, body: Any
    ) -> tuple[dict[str, dict[str, int]], str, str, str]:
        ledger = self._site.world.ledger
        try:
            wanted = {
                str(provider): {str(n): int(a) for n, a in given["resources"].items()}
                for provider, given in body["allocations"].items()
            }
            project, user = str(body["project_id"]), str(body["user_id"])
            generation = body["consumer_generation"]
            kind = str(body["consumer_type"]) if at_least(req, 38) else UNTYPED
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Refused(400, f"JSON does not validate: {error}") from None
        consumer = ledger.consumers.get(consumer_id)
        present = consumer.generation if consumer is not None else None
        if generation != present:
            raise Refused(
                409, f"consumer generation conflict - expected {present} but got {generation}",
                CONFLICT,
            )  # fmt: skip
        return wanted, project, user, kind

    def _check_room(self, wanted: Mapping[str, Mapping[str, int]]) -> None:
        ledger = self._site.world.ledger
        for provider, amounts in wanted.items():
            if provider not in ledger.providers:
                raise Refused(
                    400,
                    f"Allocation for resource provider '{provider}' that does not exist.",
                )
            reason = ledger.what_stands_in_the_way(provider, amounts)
            if reason is not None:
                raise Refused(
                    409,
                    "Unable to allocate inventory: Unable to create allocation for"
                    f" '{', '.join(sorted(amounts))}' on resource provider '{provider}'. The"
                    f" requested amount would exceed the capacity: {reason}.",
                )

    def on_delete(self, req: falcon.Request, resp: falcon.Response, consumer_id: str) -> None:
        if not self._site.world.ledger.release(consumer_id):
            raise Refused(404, f"No allocations for consumer '{consumer_id}'")
        resp.status = 204


class AllocationCandidates:
    """Candidates for one unnumbered group of resources, each class from one provider."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if not at_least(req, 10):
            raise self._site.does_not_know("GET /allocation_candidates below 1.10")
        known = frozenset(("resources", "limit", "required", "in_tree"))
        given = only_parameters(self._site, req, known)
        wanted = _resources(given.get("resources", ""))
        limits = (_limit(given.get("limit")), self._site.world.settings.max_allocation_candidates)
        limit = min((each for each in limits if each is not None), default=None)
        required = [t for t in given.get("required", "").split(",") if t]
        ledger = self._site.world.ledger
        inside = ledger.providers.get(given.get("in_tree", ""))
        requests: list[dict[str, Any]] = []
        summaries: dict[str, Any] = {}
        # What several hosts share is one candidate, not one for each of them.
        seen: set[tuple[str, ...]] = set()
        roots = ledger.trees
        if "in_tree" in given:
            roots = {inside.root: ledger.trees[inside.root]} if inside is not None else {}
        for root, tree in roots.items():
            if limit is not None and len(requests) >= limit:
                break
            if ledger.obstacle(root, wanted) is not None:
                continue
            traits = {trait for provider in tree for trait in traits_of(self._site, provider)}
            if any(t.startswith("!") == (t.removeprefix("!") in traits) for t in required):
                continue
            for chosen in ledger.candidates(root, wanted):
                places = tuple(sorted(chosen))
                if len(wanted) == 1 and places in seen:
                    continue
                seen.add(places)
                requests.append(self._request(req, chosen))
                for provider in tree if at_least(req, 29) else ():
                    summaries[provider.uuid] = self._summary(req, provider, wanted)
                for uuid in places:
                    summaries[uuid] = self._summary(req, ledger.providers[uuid], wanted)
                if limit is not None and len(requests) >= limit:
                    break
        answer(resp, {"allocation_requests": requests, "provider_summaries": summaries})

    @staticmethod
    def _request(req: falcon.Request, chosen: dict[str, dict[str, int]]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "allocations": {uuid: {"resources": amounts} for uuid, amounts in chosen.items()}
        }
        if at_least(req, 34):
            request["mappings"] = {"": list(chosen)}
        return request

    def _summary(self, req: falcon.Request, provider: Provider, wanted: dict[str, int]) -> dict[str, Any]:
        names = provider.inventories if at_least(req, 27) else wanted
        summary: dict[str, Any] = {
            "resources": {
                name: {
                    "capacity": provider.inventories[name].capacity,
                    "used": provider.used.get(name, 0),
                }
                for name in names
                if name in provider.inventories
            }
        }
        if at_least(req, 17):
            summary["traits"] = traits_of(self._site, provider)
        if at_least(req, 29):
            summary |= {"parent_provider_uuid": provider.parent, "root_provider_uuid": provider.root}
        return summary


def _resources(text: str) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, amount = part.partition(":")
        if not name or not amount.isdigit() or int(amount) < 1:
            raise Refused(
                400,
                "Badly formed resources parameter. Expected resources query string parameter in"
                f" form: ?resources=VCPU:2,MEMORY_MB:1024. Got: {text}.",
                "placement.query.bad_value",
            )
        wanted[name] = int(amount)
    if not wanted:
        raise Refused(
            400,
            "Invalid query string parameters: 'resources' is a required property",
            "placement.query.missing_value",
        )
    return wanted


def _limit(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or int(text) < 1:
        raise Refused(
            400,
            f"Invalid query string parameters: Failed validating limit: {text!r}",
            "placement.query.bad_value",
        )
    return int(text)
