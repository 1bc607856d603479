"""The Compute API: the lists that vmpath reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal, TypeVar

from vmpath_service.cloud import groups, wire
from vmpath_service.cloud.api import Api, Parameters, for_each
from vmpath_service.cloud.microversions import (
    HYPERVISOR_PAGES,
    HYPERVISORS_WANTED,
    MANILA_SHARES,
    MIGRATION_UUID,
    SCHEDULER_HINTS,
    UUID_OF_HYPERVISOR,
    Microversions,
)
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import CloudDenied, NoDecision, NotFound

Page = TypeVar("Page", wire.Hypervisors, wire.Servers, wire.Migrations)

# No operator sets osapi_max_limit below this.
_SMALLEST_PAGE = 50
_NEWEST_RECORDS = 100


class Nova:
    """Reads Nova. Every list is whole or an error."""

    def __init__(self, api: Api, versions: Microversions, settings: CloudSettings) -> None:
        self._api = api
        self.versions = versions
        self._newest = versions.for_compute()
        self._settings = settings
        self._deleted_groups: set[str] = set()

    def services(self, host: str | None = None) -> tuple[wire.Service, ...]:
        """All services, or the nova-compute of one host: one request."""
        parameters = {} if host is None else {"binary": "nova-compute", "host": host}
        return self._api.get(
            "/os-services", wire.Services, microversion=self._newest, parameters=parameters
        ).services

    def hypervisors(self) -> tuple[wire.Hypervisor, ...]:
        """All hypervisors: one request a page, which costs Nova no call to the hosts."""
        parameters: Parameters = {"limit": self._settings.page} if self.versions.has(HYPERVISOR_PAGES) else {}
        pages = self._pages(
            "/os-hypervisors/detail", wire.Hypervisors, parameters, self.versions.for_compute(HYPERVISORS_WANTED)
        )
        return tuple(hypervisor for page in pages for hypervisor in page.hypervisors)

    def aggregates(self) -> tuple[wire.Aggregate, ...]:
        """All aggregates: one request."""
        return self._api.get("/os-aggregates", wire.Aggregates, microversion=self._newest).aggregates

    def servers(self, changed_since: float | None = None) -> dict[str, wire.Server]:
        """All servers of all projects, or those changed (even deleted) since a moment: one request a page.

        Raises NoDecision when a server is of a cell that does not answer, CloudDenied when hosts are not shown.
        """
        parameters: dict[str, str | int] = {"all_tenants": 1, "limit": self._settings.page}
        if changed_since is not None:
            parameters["changes-since"] = _stamp(changed_since)
        found: dict[str, wire.Server] = {}
        for page in self._pages("/servers/detail", wire.Servers, parameters, self._newest):
            for server in page.servers:
                if server.status == "UNKNOWN":
                    raise NoDecision(f"a cell of the cloud does not answer: server {server.id} is unknown")
                found[server.id] = server
        return found

    def server(self, uuid: str) -> wire.Server | None:
        """One server; None if there is none: one request. Raises NoDecision when its cell does not answer."""
        try:
            server = self._api.get(
                f"/servers/{uuid}", wire.OneServer, microversion=self._newest, may_be_missing=True
            ).server
        except NotFound:
            return None
        if server.status == "UNKNOWN":
            raise NoDecision(f"a cell of the cloud does not answer: server {uuid} is unknown")
        return server

    def shows_shares(self) -> bool:
        """Whether servers of this Nova can have Manila shares."""
        return self.versions.has(MANILA_SHARES)

    def has_shares(self, uuid: str) -> bool:
        """Whether a server has Manila shares; False if there is no such server: one request."""
        try:
            found = self._api.get(
                f"/servers/{uuid}/shares", wire.Shares, microversion=self._newest, may_be_missing=True
            )
        except NotFound:
            return False
        return bool(found.shares)

    def existence(self, uuid: str) -> Literal["exists", "deleted", "unknown"]:
        """Whether this is a server, or was one: one request, two if it is none."""
        if self.server(uuid) is not None:
            return "exists"
        try:
            # Nova tells an administrator what was done to a server that is deleted, too, until it forgets it
            self._api.get(f"/servers/{uuid}/os-instance-actions", dict, microversion=self._newest, may_be_missing=True)
        except NotFound:
            return "unknown"
        return "deleted"

    def groups(self) -> tuple[wire.Group, ...]:
        """The server groups of all projects: one request for every thousand."""
        found: dict[str, wire.Group] = {}
        while True:
            page = self._api.get(
                "/os-server-groups",
                wire.Groups,
                microversion=self._newest,
                parameters={"all_projects": "True", "limit": self._settings.page, "offset": len(found)},
            ).server_groups
            known = len(found)
            found.update((group.id, group) for group in page)
            # there are no links, and Nova may have a smaller page: only one without anything new is the end
            if len(found) == known or len(page) < min(_SMALLEST_PAGE, self._settings.page):
                return tuple(found.values())

    def check_groups(self, servers: Iterable[wire.Server], shown: tuple[wire.Group, ...]) -> None:
        """Raises CloudDenied when groups that servers belong to were not shown to us.

        Nova answers the list for all projects silently with one's own only. Known from 2.100 on, from the hints
        of the servers; one request, ever, for every group that was hinted at but not shown (it may be deleted).
        """
        if not self.versions.has(SCHEDULER_HINTS):
            return
        for group, server in groups.hinted_but_hidden(servers, shown).items():
            if group in self._deleted_groups:
                continue
            try:
                self._api.get(f"/os-server-groups/{group}", dict, microversion=self._newest, may_be_missing=True)
            except NotFound:
                self._deleted_groups.add(group)
                continue
            except CloudDenied:
                pass
            raise CloudDenied(
                f"server group {group} of server {server} was not listed: the user may not see the server groups of"
                " all projects, which needs the admin role"
            )

    def migrations(self, instance: str | None = None) -> tuple[wire.Migration, ...]:
        """Migration records, newest first: all of one server, or the newest page of all. One request, for one
        server with a long history one for every page."""
        parameters: dict[str, str | int] = {}
        if instance is not None:
            parameters["instance_uuid"] = instance
        if self.versions.has(MIGRATION_UUID):
            parameters["limit"] = self._settings.page
        found: dict[int, wire.Migration] = {}
        for page in self._pages("/os-migrations", wire.Migrations, parameters, self._newest):
            found.update((record.id, record) for record in page.migrations)
            if instance is None:
                break
        return tuple(sorted(found.values(), key=lambda record: -record.id))

    def migrations_all(self, pages: int) -> tuple[wire.Migration, ...] | None:
        """The records of all servers; None if there are more than so many pages. One request a page."""
        found: list[wire.Migration] = []
        parameters: Parameters = {"limit": self._settings.page}
        for number, page in enumerate(self._pages("/os-migrations", wire.Migrations, parameters, self._newest)):
            if number >= pages:
                return None
            found += page.migrations
        return tuple(found)

    def migrations_made(self, moment: float) -> tuple[wire.Migration, ...]:
        """The records of all servers that were made since a moment (seconds since the epoch), with older ones: one
        request, and one for every further page."""
        found: list[wire.Migration] = []
        parameters: Parameters = {"limit": min(_NEWEST_RECORDS, self._settings.page)}
        for page in self._pages("/os-migrations", wire.Migrations, parameters, self._newest):
            found += page.migrations
            made = [record.created_at for record in page.migrations]
            if all(made) and min(map(wire.seconds, filter(None, made)), default=moment) < moment:
                break
        return tuple(found)

    def migrations_changed(self, moment: float) -> tuple[wire.Migration, ...]:
        """The records of all servers that were changed since a moment (seconds since the epoch); at 2.59 or later.
        One request, and one for every further page.

        A record that was made and never changed has no time of a change, and is not among them.
        """
        parameters: Parameters = {"limit": self._settings.page, "changes-since": _stamp(moment)}
        found: list[wire.Migration] = []
        for page in self._pages("/os-migrations", wire.Migrations, parameters, self._newest):
            found += page.migrations
        return tuple(found)

    def migrations_of(self, instances: Iterable[str]) -> dict[str, tuple[wire.Migration, ...]]:
        """All records of these servers: one request each, several at a time."""
        asked = sorted(set(instances))
        answers = for_each(self._settings.workers, self.migrations, asked)
        return dict(zip(asked, answers, strict=True))

    def progress(self, instance: str) -> tuple[wire.Migration, ...]:
        """The migrations under way of one server, with their progress: one request."""
        try:
            return self._api.get(
                f"/servers/{instance}/migrations", wire.Migrations, microversion=self._newest, may_be_missing=True
            ).migrations
        except NotFound:
            return ()

    def compute_service(self, host: str) -> wire.Service:
        """The nova-compute service of a host: one request. Raises NotFound."""
        found = [each for each in self.services(host) if each.binary == "nova-compute" and each.host == host]
        if not found:
            raise NotFound(f"Nova has no compute service on host {host}")
        return found[0]

    def set_service(self, host: str, *, enabled: bool, reason: str | None) -> None:
        """Enable or disable the nova-compute service of a host: two requests, one below 2.53. Raises NotFound."""
        if not self.versions.has(UUID_OF_HYPERVISOR):
            body = {"host": host, "binary": "nova-compute"}
            if not enabled:
                body["disabled_reason"] = reason or ""
            action = "enable" if enabled else "disable-log-reason"
            self._api.put(f"/os-services/{action}", body, microversion=self._newest)
            return
        identity = self.compute_service(host).id
        change = {"status": "enabled"} if enabled else {"status": "disabled", "disabled_reason": reason or ""}
        self._api.put(f"/os-services/{identity}", change, microversion=self._newest)

    def _pages(self, path: str, answer: type[Page], parameters: Parameters, version: str) -> Iterator[Page]:
        """The pages of a list, as long as each has a link to the next."""
        marker: str | None = None
        while True:
            given = parameters if marker is None else {**parameters, "marker": marker}
            page = self._api.get(path, answer, microversion=version, parameters=given)
            yield page
            before, marker = marker, wire.next_marker(page.links)
            if marker is None:
                return
            if marker == before:
                raise NoDecision(f"the list {path} repeats its page after {marker}")


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
