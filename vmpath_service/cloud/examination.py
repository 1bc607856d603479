"""Finding out what a cloud lets us do, without doing anything to it."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from keystoneauth1 import exceptions as keystone

from vmpath_service.cloud import failures, rights, surroundings
from vmpath_service.cloud.api import Api, Parameters, Probed
from vmpath_service.cloud.declared import absent
from vmpath_service.cloud.microversions import (
    COLD_TO_HOST,
    FLAVOR_EMBEDDED,
    HYPERVISOR_PAGES,
    HYPERVISORS_WANTED,
    MANILA_SHARES,
    MIGRATION_UUID,
    UUID_OF_HYPERVISOR,
    Microversions,
    negotiate,
)
from vmpath_service.cloud.neutron import Neutron
from vmpath_service.cloud.rights import Answer, Finding, Right, Verdict
from vmpath_service.cloud.session import CloudSession
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import CloudError, VmpathError

Steps = Generator[Finding, None, Any]
NO_HOST = "vmpath-check-no-such-host"
"""Asked for as the destination: Nova checks the right first, then that there is no such host, and changes nothing."""
NO_MIGRATION = 2**31 - 1
"""The number of no migration: the largest that Nova's database holds."""


class Examination:
    """One look at a cloud as the configured user. Nothing is changed in it."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._session = CloudSession(settings)
        self._compute = Api(self._session, "compute", settings)
        self._placement = Api(self._session, "placement", settings)
        self._clocks: dict[str, Probed] = {}
        self._project: str | None = None

    def findings(self) -> Iterator[Finding]:
        """One after the other, as they become known; those that need what is missing are left out."""
        life = yield from self._authentication()
        if life is False:
            return
        compute = yield from self._endpoint("compute")
        placement = yield from self._endpoint("placement")
        if not (compute and placement):
            return
        try:
            versions = negotiate(self._compute.newest_version(), self._placement.newest_version())
        except CloudError as error:
            yield Finding("microversions", Verdict.MISSING, str(error), "see what the endpoint answers to GET /")
            return
        yield from surroundings.judge_versions(versions)
        yield from self._nova(versions)
        yield from self._of_placement(versions.for_placement())
        yield self._of_neutron()
        for service, probed in self._clocks.items():
            if probed.ahead_s is not None:
                yield surroundings.judge_clock(service, probed.ahead_s, probed.uncertain_s)
        yield surroundings.judge_token(life, self._settings.token_margin_s)
        yield surroundings.judge_service_user(life, self._settings.token_margin_s)

    def _authentication(self) -> Steps:
        """Yields a finding; returns the life of a token in s, None where unknown, False without a token."""
        name = "authentication"
        try:
            user = self._session.identity().user
            access = self._session.access()
        except VmpathError as error:
            yield Finding(name, Verdict.MISSING, str(error), "see [nova] in the configuration and clouds.yaml")
            return False
        except keystone.ClientException as error:
            asked = f"Keystone at {self._session.auth_url()}"
            said = failures.translate(error, asked=asked, user=user)
            yield Finding(name, Verdict.MISSING, str(said), "see [nova] in the configuration and clouds.yaml")
            return False
        if access is None:
            yield Finding(name, Verdict.OK, f"{user}, without Keystone")
            return None
        self._project = access.project_id
        roles = ", ".join(sorted(access.role_names or ())) or "no role"
        yield Finding(name, Verdict.OK, f"{user} with {roles}")
        if access.expires is None or access.issued is None:
            return None
        return float((access.expires - access.issued).total_seconds())

    def _endpoint(self, service: str) -> Steps:
        """Yields a finding; returns the endpoint."""
        adapter = self._session.adapter(service)
        where = f"region {adapter.region_name or 'any'}, interface {adapter.interface or 'public'}"
        name = f"endpoint of {service}"
        advice = "see region_name and interface in [nova], and 'openstack catalog show'"
        try:
            found = (self._compute if service == "compute" else self._placement).endpoint()
        except VmpathError as error:
            yield Finding(name, Verdict.MISSING, f"{where}: {error}", advice)
            return None
        if found is None:
            yield Finding(name, Verdict.MISSING, f"the catalogue has none ({where})", advice)
        else:
            yield Finding(name, Verdict.OK, f"{found} ({where})")
        return found

    def _nova(self, versions: Microversions) -> Iterator[Finding]:
        newest = versions.for_compute()
        page: Parameters = {"limit": self._settings.page}
        all_tenants: Parameters = {"all_tenants": 1, **page}
        listed = yield from self._ask(rights.LIST_SERVERS, "/servers/detail", newest, all_tenants)
        servers = _list(listed, "servers")
        if listed is not None:
            yield rights.judge_hosts(servers)
            if versions.has(FLAVOR_EMBEDDED):
                yield rights.judge_extra_specs(servers)
        yield from self._of_server(servers, versions)
        yield from self._ask(rights.SERVICES, "/os-services", newest)
        if versions.has(UUID_OF_HYPERVISOR):
            yield from self._ask(
                rights.SET_SERVICE, f"/os-services/{uuid.uuid4()}", newest, method="PUT", body={"status": "enabled"}
            )
        else:
            reason = "below 2.53 there is no way to try it without doing it"
            yield rights.untried(rights.SET_SERVICE, reason, rights.SET_SERVICE.advice())
        one: Parameters = {"limit": 1} if versions.has(HYPERVISOR_PAGES) else {}
        yield from self._ask(
            rights.HYPERVISORS, "/os-hypervisors/detail", versions.for_compute(HYPERVISORS_WANTED), one
        )
        aggregates = yield from self._ask(rights.AGGREGATES, "/os-aggregates", newest)
        if aggregates is not None:
            declarations = self._settings.declarations
            known = {str(each.get("name")) for each in _list(aggregates, "aggregates")}
            yield surroundings.judge_declarations(declarations.of_aggregate, absent(declarations, known))
        shown = yield from self._ask(rights.GROUPS, "/os-server-groups", newest, {"all_projects": "True", **page})
        if shown is not None:
            yield rights.judge_groups(_list(shown, "server_groups"), servers, self._project)
        paged: Parameters = page if versions.has(MIGRATION_UUID) else {}
        records = yield from self._ask(rights.MIGRATIONS, "/os-migrations", newest, paged)
        if records is not None:
            yield rights.judge_migration_hosts(_list(records, "migrations"))

    def _of_server(self, servers: Sequence[Mapping[str, Any]], versions: Microversions) -> Iterator[Finding]:
        """What is allowed with a server of another project, rather of one that cannot be migrated just now."""
        newest, own = versions.for_compute(), self._project
        tried = [rights.SHOW_SERVER, rights.PROGRESS, rights.MIGRATE, rights.COLD, rights.ABORT, rights.FORCE]
        if not servers:
            for right in [*tried, rights.EVACUATE, *([rights.SHARES] if versions.has(MANILA_SHARES) else [])]:
                yield rights.untried(right, "there is no server to try it on", "check again once there are servers")
            return
        server = min(
            servers,
            key=lambda each: (each.get("tenant_id") == own, each.get("status") != "SHUTOFF", str(each.get("id"))),
        )
        place = f"/servers/{server.get('id')}"
        seen = yield from self._ask(rights.SHOW_SERVER, place, newest)
        yield from self._ask(rights.PROGRESS, f"{place}/migrations", newest)
        if versions.has(MANILA_SHARES):
            yield from self._ask(rights.SHARES, f"{place}/shares", newest)
        if not versions.has(UUID_OF_HYPERVISOR):
            # before, Nova marked the server as migrating before it looked for the host
            reason = "below 2.53 there is no way to try it without doing it"
            for right in (rights.MIGRATE, rights.COLD, rights.EVACUATE):
                yield rights.untried(right, reason, right.advice())
        else:
            live: Mapping[str, Any] = {"os-migrateLive": {"host": NO_HOST, "block_migration": "auto"}}
            yield from self._ask(rights.MIGRATE, f"{place}/action", newest, method="POST", body=live)
            yield from self._to_no_host(rights.COLD, place, versions, COLD_TO_HOST, {"migrate": {"host": NO_HOST}})
            # to a named host it was forced before
            yield from self._to_no_host(rights.EVACUATE, place, versions, 68, {"evacuate": {"host": NO_HOST}})
        if seen is None:
            # 404 would say nothing of the right
            for right in (rights.ABORT, rights.FORCE):
                yield rights.untried(right, "the server cannot be seen", right.advice())
            return
        migration = f"{place}/migrations/{NO_MIGRATION}"
        yield from self._ask(rights.ABORT, migration, newest, method="DELETE")
        yield from self._ask(
            rights.FORCE, f"{migration}/action", newest, method="POST", body={"force_complete": None}
        )

    def _to_no_host(
        self, right: Right, place: str, versions: Microversions, since: int, body: Mapping[str, Any]
    ) -> Iterator[Finding]:
        if not versions.has(since):
            yield rights.untried(right, f"below 2.{since} Nova is not asked for it", right.advice())
            return
        yield from self._ask(right, f"{place}/action", versions.for_compute(), method="POST", body=body)

    def _of_neutron(self) -> Finding:
        name = "ports with devices"
        if not self._settings.read_ports:
            details = "Neutron is not asked: which servers have SR-IOV ports is unknown"
            return Finding(name, Verdict.OK, details, "[nova] read_ports has it asked")
        try:
            shown = Neutron(Api(self._session, "network", self._settings), self._settings).projects_shown()
        except VmpathError as error:
            return Finding(name, Verdict.MISSING, str(error), "see whether Neutron answers, or read_ports in [nova]")
        return rights.judge_ports(shown, self._project)

    def _of_placement(self, version: str) -> Iterator[Finding]:
        listed = yield from self._ask(rights.PROVIDERS, "/resource_providers", version, of=self._placement)
        providers = _list(listed, "resource_providers")
        parts = {
            "inventories": rights.INVENTORIES,
            "usages": rights.USAGES,
            "traits": rights.TRAITS,
            "allocations": rights.ALLOCATIONS,
        }
        for noun, right in parts.items():
            provider = providers[0].get("uuid") if providers else uuid.uuid4()
            path = f"/resource_providers/{provider}/{noun}"
            yield from self._ask(right, path, version, of=self._placement)
        yield from self._ask(rights.HELD, f"/allocations/{uuid.uuid4()}", version, of=self._placement)
        parameters: Parameters = {"resources": "MEMORY_MB:1", "limit": 1}
        yield from self._ask(rights.CANDIDATES, "/allocation_candidates", version, parameters, of=self._placement)

    def _ask(
        self,
        right: Right,
        path: str,
        version: str,
        parameters: Parameters | None = None,
        *,
        method: str = "GET",
        body: Mapping[str, Any] | None = None,
        of: Api | None = None,
    ) -> Steps:
        """Yields a finding; returns the body of the answer, None where the right is not known to be given."""
        try:
            probed = (of or self._compute).probe(
                method, path, microversion=version, parameters=parameters, body=body
            )
        except VmpathError as error:
            yield rights.untried(right, str(error), "check again when it answers")
            return None
        self._clocks.setdefault(right.service, probed)
        finding = rights.judge(right, Answer(probed.status, probed.said, probed.body))
        yield finding
        return probed.body if finding.verdict is Verdict.OK else None


def _list(body: Any, name: str) -> Sequence[Mapping[str, Any]]:
    found = body.get(name) if isinstance(body, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
