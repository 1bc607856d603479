"""Takes a lab back to its clean state through the APIs, and proves that it is clean."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable, Iterable
from typing import Any

import amqp
import kombu

from novalab import identity, processes
from novalab.control_plane import ControlPlane
from novalab.settings import NOTIFICATION_TOPIC, LabError

IN_PROGRESS = ("queued", "accepted", "preparing", "running", "pre-migrating", "post-migrating")
WORKERS = 8
PATIENCE = 120.0
ASK_AGAIN = 40.0
ABORT_PATIENCE = 10.0


def reset(plane: ControlPlane) -> None:
    """Delete what tests made and put the hosts back; LabError when that cannot be verified."""
    began = time.monotonic()
    plane.layout.control.write_text("{}\n")
    plane.layout.ports.unlink(missing_ok=True)
    numbers = plane.compute_numbers()
    for number in numbers:
        plane.start_compute(number)
    cloud = plane.cloud
    # one that was called up for the last report of the process before would be called down in a moment
    processes.wait_until(
        lambda: not plane.silent_computes(len(numbers)), PATIENCE, "every compute", plane.layout
    )
    _enable_services(cloud)
    # a compute that is not up yet would not hear of the deletions
    processes.wait_until(
        lambda: not plane.missing_computes(len(numbers)), PATIENCE, "every compute", plane.layout
    )
    _abort_migrations(cloud)
    _delete_servers(cloud)
    _delete_groups(cloud)
    _delete_aggregates(cloud)
    _delete_flavors(cloud)
    _delete_allocations(cloud)
    _delete_traits(cloud)
    _verify(cloud, len(numbers))
    _forget_notifications(plane.settings.broker_url)
    print(f"lab is clean after {time.monotonic() - began:.1f} s")


def _each(action: Callable[[Any], None], things: Iterable[Any]) -> None:
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for outcome in [pool.submit(action, thing) for thing in things]:
            outcome.result()


def _expect(response: Any, *statuses: int) -> None:
    if response.status_code not in statuses:
        raise LabError(
            f"{response.request.method} {response.request.url}: HTTP {response.status_code}"
            f" {response.text[:200]}"
        )


def _enable_services(cloud: identity.Cloud) -> None:
    for service in cloud.compute_services():
        change: dict[str, object] = {}
        if service["forced_down"]:
            change["forced_down"] = False
        if service["status"] != "enabled":
            change["status"] = "enabled"
        if change:
            cloud.compute.put(f"/os-services/{service['id']}", json=change)


def _servers(cloud: identity.Cloud) -> dict[str, str]:
    """The name of every server of every project by its id, those waiting for their deletion included."""
    found = {}
    for deleted in ("", "&soft_deleted=true"):
        body = cloud.compute.get(f"/servers?all_tenants=1{deleted}").json()
        found.update({server["id"]: server["name"] for server in body["servers"]})
    return found


def _moving(cloud: identity.Cloud) -> list[str]:
    body = cloud.compute.get("/servers?all_tenants=1&status=MIGRATING").json()
    return [server["id"] for server in body["servers"]]


def _abort_migrations(cloud: identity.Cloud) -> None:
    """Ask for the end of live migrations under way; those past aborting end by themselves."""
    asked: set[int] = set()
    deadline = time.monotonic() + ABORT_PATIENCE
    while (moving := _moving(cloud)) and time.monotonic() < deadline:
        for server in moving:
            answer = cloud.compute.get(f"/servers/{server}/migrations", raise_exc=False)
            _expect(answer, 200, 404)
            # one that has only just been asked for is not listed yet, and a queued one may have begun meanwhile
            for migration in answer.json().get("migrations", ()):
                url = f"/servers/{server}/migrations/{migration['id']}"
                if migration["id"] not in asked and migration["status"] in ("queued", "running"):
                    _expect(cloud.compute.delete(url, raise_exc=False), 202, 400, 404, 409)
                    asked.add(migration["id"])
        time.sleep(0.3)


def _delete_servers(cloud: identity.Cloud) -> None:
    def delete(server: str) -> None:
        _expect(cloud.compute.delete(f"/servers/{server}", raise_exc=False), 204, 404, 409)

    # patience is with a machine that is busy: it ends when nothing has gone for so long
    deadline, fewest = time.monotonic() + PATIENCE, float("inf")
    asked_at = -1e9
    while servers := _servers(cloud):
        if len(servers) < fewest:
            deadline, fewest = time.monotonic() + PATIENCE, len(servers)
        if time.monotonic() > deadline:
            names = ", ".join(f"{name} ({server})" for server, name in servers.items())
            raise LabError(f"servers that could not be deleted: {names}")
        if time.monotonic() - asked_at > ASK_AGAIN:
            # the first time, and again for those whose deletion got lost
            _each(delete, servers)
            asked_at = time.monotonic()
        time.sleep(0.4)


def _delete_groups(cloud: identity.Cloud) -> None:
    groups = cloud.compute.get("/os-server-groups?all_projects=True").json()["server_groups"]
    for group in groups:
        _expect(cloud.compute.delete(f"/os-server-groups/{group['id']}", raise_exc=False), 204)


def _delete_aggregates(cloud: identity.Cloud) -> None:
    for aggregate in cloud.compute.get("/os-aggregates").json()["aggregates"]:
        if aggregate["name"] == identity.SECOND_ZONE:
            continue
        url = f"/os-aggregates/{aggregate['id']}"
        for host in aggregate["hosts"]:
            cloud.compute.post(f"{url}/action", json={"remove_host": {"host": host}})
        cloud.compute.delete(url)
    identity.restore_second_zone(cloud)


def _delete_flavors(cloud: identity.Cloud) -> None:
    own = {name for name, *_ in identity.FLAVORS}
    for flavor in cloud.compute.get("/flavors?is_public=None").json()["flavors"]:
        if flavor["name"] not in own:
            cloud.compute.delete(f"/flavors/{flavor['id']}")


def _delete_traits(cloud: identity.Cloud) -> None:
    """Take the traits that tests made from the providers, and forget them."""
    custom = set(cloud.placement.get("/traits?name=startswith:CUSTOM_").json()["traits"])
    if not custom:
        return
    for provider in cloud.placement.get("/resource_providers").json()["resource_providers"]:
        url = f"/resource_providers/{provider['uuid']}/traits"
        body = cloud.placement.get(url).json()
        if not custom.isdisjoint(body["traits"]):
            body["traits"] = sorted(set(body["traits"]) - custom)
            cloud.placement.put(url, json=body)
    for trait in custom:
        _expect(cloud.placement.delete(f"/traits/{trait}", raise_exc=False), 204, 404)


def _forget_notifications(broker: str) -> None:
    """Empty the queues that wait for a consumer: the next one shall not hear of what is gone."""
    for priority in ("info", "error"):
        with kombu.Connection(broker.replace("rabbit:", "amqp:", 1)) as connection:
            try:
                connection.default_channel.queue_purge(f"{NOTIFICATION_TOPIC}.{priority}")
            except amqp.exceptions.NotFound:
                continue


def _allocations(cloud: identity.Cloud) -> set[str]:
    """The consumers that hold anything on any provider."""
    consumers: set[str] = set()
    for provider in cloud.placement.get("/resource_providers").json()["resource_providers"]:
        url = f"/resource_providers/{provider['uuid']}/allocations"
        consumers |= set(cloud.placement.get(url).json()["allocations"])
    return consumers


def _delete_allocations(cloud: identity.Cloud) -> None:
    for consumer in _allocations(cloud):
        _expect(cloud.placement.delete(f"/allocations/{consumer}", raise_exc=False), 204, 404)


def _verify(cloud: identity.Cloud, computes: int) -> None:
    # a compute that reported a service as disabled while it was enabled says so until its next report, after 60 s
    deadline = time.monotonic() + PATIENCE
    while problems := _problems(cloud, computes):
        if time.monotonic() > deadline:
            raise LabError("the lab is not clean: " + "; ".join(problems))
        if any(problem.startswith("allocations") for problem in problems):
            _delete_allocations(cloud)
        time.sleep(0.3)


def _problems(cloud: identity.Cloud, computes: int) -> list[str]:
    """What is not as in a fresh lab, one sentence each."""
    problems = []
    if servers := _servers(cloud):
        problems.append(f"servers remain: {', '.join(servers.values())}")
    if consumers := _allocations(cloud):
        problems.append(f"allocations remain: {', '.join(sorted(consumers))}")
    services = cloud.compute_services()
    if len(services) < computes:
        problems.append(f"only {len(services)} of {computes} compute services are known")
    problems += [
        f"{service['host']} is {service['state']} and {service['status']}"
        for service in services
        if (service["state"], service["status"], service["forced_down"])
        != ("up", "enabled", False)
    ]
    disabled = cloud.placement.get("/resource_providers?required=COMPUTE_STATUS_DISABLED").json()
    problems += [
        f"{provider['name']} still carries the trait COMPUTE_STATUS_DISABLED"
        for provider in disabled["resource_providers"]
    ]
    for noun, url, own in (
        ("server_groups", "/os-server-groups?all_projects=True", set()),
        ("aggregates", "/os-aggregates", {identity.SECOND_ZONE}),
    ):
        if {entry["name"] for entry in cloud.compute.get(url).json()[noun]} != own:
            problems.append(f"{noun} are not those of a fresh lab")
    return problems
