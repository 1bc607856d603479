"""Raw REST access to the lab as its administrator, and what a fresh lab is filled with."""

from __future__ import annotations

import functools
from typing import Any

from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3

from novalab.settings import REGION, Settings

#: flavors of a fresh lab: name, MiB of memory, VCPUs, GiB of disk
FLAVORS = (("lab.tiny", 256, 1, 1), ("lab.small", 1024, 1, 1), ("lab.big", 16384, 8, 20))
SERVICES = ("nova", "placement", "glance", "neutron")
#: user, project and only role of the one that etc/vmpath/openstack gives the rights of vmpath
RESTRICTED = "vmpath"
#: name -> properties
IMAGES = {"lab": {}, "lab-windows": {"os_distro": "windows"}}
#: the zone, and the aggregate that makes it, of the last of the six usual hosts
SECOND_ZONE = "second"
SECOND_ZONE_HOST = "compute6"


class Cloud:
    """Adapters to the APIs of one lab; addresses from the settings, not from the catalog."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.session = session.Session(
            auth=v3.Password(
                auth_url=settings.keystone_url,
                username="admin",
                password=settings.password,
                project_name="admin",
                user_domain_id="default",
                project_domain_id="default",
            )
        )

    def _adapter(self, kind: str, url: str, version: str | None = None) -> adapter.Adapter:
        return adapter.Adapter(
            self.session,
            service_type=kind,
            endpoint_override=url,
            default_microversion=version,
            connect_retries=3,
        )

    @functools.cached_property
    def identity(self) -> adapter.Adapter:
        return self._adapter("identity", self._settings.keystone_url)

    @functools.cached_property
    def compute(self) -> adapter.Adapter:
        return self._adapter("compute", self._settings.nova_url, "2.96")

    @functools.cached_property
    def placement(self) -> adapter.Adapter:
        return self._adapter("placement", self._settings.placement_url, "1.39")

    @functools.cached_property
    def image(self) -> adapter.Adapter:
        return self._adapter("image", self._settings.glance_url + "/v2")

    def compute_services(self) -> list[dict[str, Any]]:
        """The nova-compute services as the API shows them."""
        body = self.compute.get("/os-services?binary=nova-compute").json()
        return list(body["services"])


def fill_identity(cloud: Cloud, settings: Settings) -> None:
    """Users, projects, services and endpoints; may be repeated."""
    projects = _ensure(
        cloud, "projects", "project", ("service", "demo", RESTRICTED), domain_id="default"
    )
    users = _ensure(
        cloud,
        "users",
        "user",
        (*SERVICES, "demo", RESTRICTED),
        domain_id="default",
        password=settings.password,
    )
    roles = _ensure(cloud, "roles", "role", (RESTRICTED,))
    grants = [("service", name, role) for name in SERVICES for role in ("admin", "service")]
    grants += [("demo", "demo", "member"), (RESTRICTED, RESTRICTED, RESTRICTED)]
    for project, user, role in grants:
        cloud.identity.put(f"/projects/{projects[project]}/users/{users[user]}/roles/{roles[role]}")
    endpoints = cloud.identity.get("/endpoints").json()["endpoints"]
    known = {(entry["service_id"], entry["interface"]) for entry in endpoints}
    for name, kind, url in (
        ("nova", "compute", settings.nova_url),
        ("placement", "placement", settings.placement_url),
        ("glance", "image", settings.glance_url),
        ("neutron", "network", settings.neutron_url),
    ):
        service = _ensure(cloud, "services", "service", (name,), type=kind)[name]
        for interface in ("public", "internal"):
            if (service, interface) in known:
                continue
            cloud.identity.post(
                "/endpoints",
                json={
                    "endpoint": {
                        "service_id": service,
                        "interface": interface,
                        "url": url,
                        "region_id": REGION,
                    }
                },
            )


def _ensure(
    cloud: Cloud, plural: str, singular: str, wanted: tuple[str, ...], **fields: str
) -> dict[str, str]:
    """Ids by name of the wanted resources, made where they did not exist."""
    have = {
        entry["name"]: entry["id"] for entry in cloud.identity.get(f"/{plural}").json()[plural]
    }
    for name in wanted:
        if name not in have:
            body = {singular: {"name": name, **fields}}
            made = cloud.identity.post(f"/{plural}", json=body).json()[singular]
            have[name] = made["id"]
    return have


def fill_compute(cloud: Cloud) -> None:
    """Images, a few flavors, a second zone, no quota; may be repeated."""
    for name, properties in IMAGES.items():
        images = cloud.image.get(f"/images?name={name}").json()["images"]
        if any(image["status"] == "active" for image in images):
            continue
        image = cloud.image.post(
            "/images",
            json={
                "name": name,
                "disk_format": "raw",
                "container_format": "bare",
                "visibility": "public",
                **properties,
            },
        ).json()
        cloud.image.put(
            f"/images/{image['id']}/file",
            data=b"nothing boots from this",
            headers={"Content-Type": "application/octet-stream"},
        )
    have = {entry["name"] for entry in cloud.compute.get("/flavors").json()["flavors"]}
    for name, memory, vcpus, disk in FLAVORS:
        if name not in have:
            flavor = {"name": name, "ram": memory, "vcpus": vcpus, "disk": disk}
            cloud.compute.post("/flavors", json={"flavor": flavor})
    restore_second_zone(cloud)
    unlimited = ("cores", "ram", "instances", "server_groups", "server_group_members")
    for project in cloud.identity.get("/projects").json()["projects"]:
        cloud.compute.put(
            f"/os-quota-sets/{project['id']}",
            json={"quota_set": dict.fromkeys((*unlimited, "metadata_items", "key_pairs"), -1)},
        )


def restore_second_zone(cloud: Cloud) -> None:
    """Have the aggregate that makes the second zone as a fresh lab has it. There may be no servers on its hosts."""
    aggregates = cloud.compute.get("/os-aggregates").json()["aggregates"]
    found = next((entry for entry in aggregates if entry["name"] == SECOND_ZONE), None)
    if found is None:
        body = {"aggregate": {"name": SECOND_ZONE, "availability_zone": SECOND_ZONE}}
        found = {"hosts": [], **cloud.compute.post("/os-aggregates", json=body).json()["aggregate"]}
    action = f"/os-aggregates/{found['id']}/action"
    for host in set(found["hosts"]) - {SECOND_ZONE_HOST}:
        cloud.compute.post(action, json={"remove_host": {"host": host}})
    if SECOND_ZONE_HOST not in found["hosts"]:
        cloud.compute.post(action, json={"add_host": {"host": SECOND_ZONE_HOST}})
    metadata = dict.fromkeys(found.get("metadata", {})) | {"availability_zone": SECOND_ZONE}
    cloud.compute.post(action, json={"set_metadata": {"metadata": metadata}})
