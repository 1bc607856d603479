"""The WSGI application: the table of routes, and what surrounds every request."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import falcon
import msgspec

from vmpath_service.simulator.faults import HttpFault
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web import entrance, keystone, versions
from vmpath_service.simulator.web.aggregates import Aggregates
from vmpath_service.simulator.web.allocations import AllocationCandidates, Allocations
from vmpath_service.simulator.web.control import Control
from vmpath_service.simulator.web.diagnostics import Diagnostics
from vmpath_service.simulator.web.entrance import TITLES, Entrance
from vmpath_service.simulator.web.flavors import Flavors
from vmpath_service.simulator.web.hypervisors import Hypervisors
from vmpath_service.simulator.web.instance_actions import InstanceActions
from vmpath_service.simulator.web.migrations import Migrations
from vmpath_service.simulator.web.resource_providers import ResourceProviders, Traits
from vmpath_service.simulator.web.server_actions import ServerActions
from vmpath_service.simulator.web.server_groups import ServerGroups
from vmpath_service.simulator.web.server_migrations import ServerMigrations
from vmpath_service.simulator.web.server_shares import ServerShares
from vmpath_service.simulator.web.servers import ServerMetadata, Servers
from vmpath_service.simulator.web.services import Services
from vmpath_service.simulator.web.site import COMPUTE, Site
from vmpath_service.simulator.web.zones import Zones

LOG = logging.getLogger(__name__)
StartResponse = Callable[..., Any]


def _routes(site: Site) -> Iterable[tuple[str, Any, str | None]]:
    """(path, resource, suffix of its methods)"""
    servers, actions = Servers(site), ServerActions(site)
    metadata, under_way, shares = ServerMetadata(site), ServerMigrations(site), ServerShares(site)
    hypervisors, services = Hypervisors(site), Services(site)
    aggregates, groups, flavors = Aggregates(site), ServerGroups(site), Flavors(site)
    identity, compute = keystone.Versions(site), versions.ComputeVersions(site)
    zones, deeds = Zones(site), InstanceActions(site)
    providers, control = ResourceProviders(site), Control(site)
    one = COMPUTE + "/servers/{server_id}"
    provider = "/placement/resource_providers/{provider_id}"
    return (
        ("/identity", identity, None),
        ("/identity/v3", identity, "v3"),
        ("/identity/v3/auth/tokens", keystone.Tokens(site), None),
        ("/compute", compute, None),
        (COMPUTE, compute, "v21"),
        (COMPUTE + "/os-services", services, None),
        (COMPUTE + "/os-services/{service_id}", services, "one"),
        (COMPUTE + "/os-hypervisors", hypervisors, None),
        (COMPUTE + "/os-hypervisors/detail", hypervisors, "detail"),
        (COMPUTE + "/os-hypervisors/{hypervisor_id}", hypervisors, "one"),
        (COMPUTE + "/os-aggregates", aggregates, None),
        (COMPUTE + "/os-aggregates/{aggregate_id}", aggregates, "one"),
        (COMPUTE + "/os-aggregates/{aggregate_id}/action", aggregates, "action"),
        (COMPUTE + "/os-availability-zone", zones, None),
        (COMPUTE + "/os-availability-zone/detail", zones, "detail"),
        (COMPUTE + "/os-server-groups", groups, None),
        (COMPUTE + "/os-server-groups/{group_id}", groups, "one"),
        (COMPUTE + "/os-migrations", Migrations(site), None),
        (COMPUTE + "/flavors", flavors, None),
        (COMPUTE + "/flavors/detail", flavors, "detail"),
        (COMPUTE + "/flavors/{flavor_id}", flavors, "one"),
        (COMPUTE + "/flavors/{flavor_id}/os-extra_specs", flavors, "specs"),
        (COMPUTE + "/servers", servers, None),
        (COMPUTE + "/servers/detail", servers, "detail"),
        (one, servers, "one"),
        (one + "/action", actions, None),
        (one + "/diagnostics", Diagnostics(site), None),
        (one + "/os-instance-actions", deeds, None),
        (one + "/os-instance-actions/{request_id}", deeds, "one"),
        (one + "/metadata", metadata, None),
        (one + "/metadata/{key}", metadata, "key"),
        (one + "/shares", shares, None),
        (one + "/shares/{share_id}", shares, "one"),
        (one + "/migrations", under_way, None),
        (one + "/migrations/{migration_id}", under_way, "one"),
        (one + "/migrations/{migration_id}/action", under_way, "action"),
        ("/simulator", control, None),
        ("/simulator/faults", control, "faults"),
        ("/simulator/chaos", control, "chaos"),
        ("/simulator/computes/{host}", control, "compute"),
        ("/simulator/cells/{cell}", control, "cell"),
        ("/placement", versions.PlacementVersions(), None),
        ("/placement/resource_providers", providers, None),
        (provider, providers, "one"),
        (provider + "/{part}", providers, "part"),
        (provider + "/inventories/{resource_class}", providers, "inventory"),
        ("/placement/traits/{trait}", Traits(site), None),
        ("/placement/allocations", Allocations(site), "many"),
        ("/placement/allocations/{consumer_id}", Allocations(site), None),
        ("/placement/allocation_candidates", AllocationCandidates(site), None),
    )


class Application:
    """What waitress calls: meets the faults asked for, holds the lock, lets time pass."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._falcon: Any = falcon.App(
            media_type=falcon.MEDIA_JSON, middleware=[Entrance(site)], sink_before_static_route=True
        )
        self._falcon.req_options.strip_url_path_trailing_slash = True
        self._falcon.req_options.keep_blank_qs_values = True
        for path, resource, suffix in _routes(site):
            self._falcon.add_route(path, resource, suffix=suffix)
        self._falcon.add_sink(self._unknown)
        self._falcon.add_error_handler(Refused, entrance.refuse)
        self._falcon.add_error_handler(falcon.HTTPMethodNotAllowed, self._wrong_method)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        fault = self._site.faults.take(method, path)
        if fault is None and not path.startswith("/simulator"):
            fault = self._site.world.disorder.request(method, path)
        if fault is not None and fault.kind not in ("drop-after", "slow"):
            return self._fail(fault, environ, start_response)
        with self._site.world.lock:
            self._site.world.advance()
            self._site.served[method] += 1
            answer: list[bytes] = list(self._falcon(environ, _timed(start_response)))
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.delay_s)
        elif fault is not None:
            _hang_up(environ)
        return answer

    def _fail(self, fault: HttpFault, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        LOG.info("fault %s at %s %s", fault.kind, environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if fault.kind == "drop-before":
            _hang_up(environ)
            status = 503
        else:
            status = int(fault.kind)
        error = Refused(status, "a fault that was asked of the simulated cloud")
        body = msgspec.json.encode(entrance.error_body(environ["PATH_INFO"], error, ""))
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if fault.retry_after_s is not None:
            headers.append(("Retry-After", str(fault.retry_after_s)))
        start_response(f"{status} {TITLES.get(status, 'Error')}", headers)
        return [body]

    def _unknown(self, req: falcon.Request, resp: falcon.Response, **params: Any) -> None:
        raise self._site.does_not_know(f"{req.method} {req.path}")

    def _wrong_method(
        self, req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]
    ) -> None:
        unknown = self._site.does_not_know(f"{req.method} {req.path}")
        entrance.refuse(req, resp, unknown, params)


def _timed(start_response: StartResponse) -> StartResponse:
    """Tell what it took as a Server-Timing: CPU time of the thread, in ms, without the wait for others."""
    began = time.thread_time()

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        took = (time.thread_time() - began) * 1000
        return start_response(status, [*headers, ("Server-Timing", f"cpu;dur={took:.2f}")], *more)

    return start


def _hang_up(environ: dict[str, Any]) -> None:
    """Close the connection under the request: the client sees it dropped without an answer.

    waitress hands out its channel only as the owner of a bound method in the environment.
    """
    channel = environ["waitress.client_disconnected"].__self__
    try:
        channel.socket.shutdown(socket.SHUT_RDWR)
    except OSError:
        LOG.debug("the client was gone already")
