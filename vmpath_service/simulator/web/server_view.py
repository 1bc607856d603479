"""A server as Nova shows it, in each microversion."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import falcon

from vmpath_service.simulator.moments import iso_micro, iso_z
from vmpath_service.simulator.records import Server
from vmpath_service.simulator.web.site import Site, at_least, token_of

BUSY = {
    ("active", "migrating"): "MIGRATING",
    ("paused", "migrating"): "MIGRATING",
    ("active", "rebooting"): "REBOOT",
    ("resized", "resize_reverting"): "REVERT_RESIZE",
    **{
        (vm_state, task): "RESIZE"
        for vm_state in ("active", "stopped")
        for task in ("resize_prep", "resize_migrating", "resize_migrated", "resize_finish")
    },
}
AT_REST = {
    "active": "ACTIVE",
    "building": "BUILD",
    "deleted": "DELETED",
    "error": "ERROR",
    "paused": "PAUSED",
    "rescued": "RESCUE",
    "resized": "VERIFY_RESIZE",
    "shelved": "SHELVED",
    "shelved_offloaded": "SHELVED_OFFLOADED",
    "soft-delete": "SOFT_DELETED",
    "stopped": "SHUTOFF",
    "suspended": "SUSPENDED",
}
WITH_PROGRESS = frozenset(("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"))


def status_of(server: Server) -> str:
    """The status that Nova makes of vm_state and task_state."""
    if server.deleted_at is not None:
        return "DELETED"
    busy = BUSY.get((server.vm_state, server.task_state or ""))
    return busy or AT_REST.get(server.vm_state, "UNKNOWN")


@functools.lru_cache(maxsize=131072)
def _host_id(project_id: str, host: str) -> str:
    return hashlib.sha224((project_id + host).encode()).hexdigest()


def links(site: Site, server: Server) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": site.compute_url(f"/servers/{server.uuid}")},
        {"rel": "bookmark", "href": site.bookmark(f"/servers/{server.uuid}")},
    ]


def brief(site: Site, server: Server) -> dict[str, Any]:
    return {"id": server.uuid, "name": server.name, "links": links(site, server)}


def full(site: Site, req: falcon.Request, server: Server, alone: bool) -> dict[str, Any]:
    """alone: shown by itself, which from 2.71 on adds its server groups."""
    status = status_of(server)
    sees_hosts = token_of(req).may("os_compute_api:os-extended-server-attributes")
    shown: dict[str, Any] = {
        "id": server.uuid,
        "name": server.name,
        "status": status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": _host_id(server.project_id, server.host) if server.host else "",
        "image": _image(site, req, server),
        "flavor": _flavor(site, req, server),
        "created": iso_z(server.created_at),
        "updated": iso_z(server.updated_at),
        "addresses": {},
        "accessIPv4": "",
        "accessIPv6": "",
        "links": links(site, server),
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": server.zone or "",
        "config_drive": "",
        "key_name": None,
        "OS-SRV-USG:launched_at": iso_micro(server.launched_at) if server.launched_at else None,
        "OS-SRV-USG:terminated_at": iso_micro(server.deleted_at) if server.deleted_at else None,
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": [_volume(req, v) for v in server.volumes],
    }
    if status in WITH_PROGRESS:
        shown["progress"] = 0
    if status in ("ERROR", "DELETED") and server.fault is not None:
        moment, code, message = server.fault
        shown["fault"] = {"code": code, "created": iso_z(moment), "message": message}
    if sees_hosts:
        shown |= _for_admins(site, req, server)
    elif at_least(req, 90):
        shown["OS-EXT-SRV-ATTR:hostname"] = server.name
    if at_least(req, 9):
        shown["locked"] = server.locked
    if at_least(req, 19):
        shown["description"] = server.description
    if at_least(req, 26):
        shown["tags"] = server.tags
    if at_least(req, 63):
        shown["trusted_image_certificates"] = None
    if alone and at_least(req, 71):
        group = site.world.group_of.get(server.uuid)
        shown["server_groups"] = [group.uuid] if group else []
    if at_least(req, 73):
        shown["locked_reason"] = server.locked_reason
    if at_least(req, 96):
        shown["pinned_availability_zone"] = server.pinned_zone
    if at_least(req, 100):
        shown["scheduler_hints"] = server.hints or {}
    return shown


def _for_admins(site: Site, req: falcon.Request, server: Server) -> dict[str, Any]:
    host = site.world.hosts[server.host] if server.host else None
    shown: dict[str, Any] = {
        "OS-EXT-SRV-ATTR:host": server.host,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{server.number:08x}",
        "OS-EXT-SRV-ATTR:hypervisor_hostname": host.hypervisor_hostname if host else None,
    }
    if at_least(req, 3):
        shown |= {
            "OS-EXT-SRV-ATTR:hostname": server.name,
            "OS-EXT-SRV-ATTR:kernel_id": "",
            "OS-EXT-SRV-ATTR:launch_index": 0,
            "OS-EXT-SRV-ATTR:ramdisk_id": "",
            "OS-EXT-SRV-ATTR:reservation_id": f"r-{server.number:08x}",
            "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
            "OS-EXT-SRV-ATTR:user_data": None,
        }
    if at_least(req, 16):
        status = ""
        if host is not None:
            # A service that fell silent by itself is UNKNOWN; one that an operator forced down
            # is DOWN; disabled ones are in MAINTENANCE.
            status = "UP"
            if host.disabled:
                status = "MAINTENANCE"
            elif host.forced_down:
                status = "DOWN"
            elif not site.world.is_up(host):
                status = "UNKNOWN"
        shown["host_status"] = status
    return shown


def _volume(req: falcon.Request, volume: str) -> dict[str, Any]:
    if at_least(req, 3):
        return {"id": volume, "delete_on_termination": False}
    return {"id": volume}


def _image(site: Site, req: falcon.Request, server: Server) -> dict[str, Any] | str:
    if server.image is None:
        return ""
    link = {"rel": "bookmark", "href": site.bookmark(f"/images/{server.image}")}
    shown: dict[str, Any] = {"id": server.image, "links": [link]}
    if at_least(req, 98):
        shown["properties"] = server.image_properties
    return shown


def _flavor(site: Site, req: falcon.Request, server: Server) -> dict[str, Any]:
    flavor = server.flavor
    if at_least(req, 47):
        return {
            "vcpus": flavor.vcpus,
            "ram": flavor.ram_mb,
            "disk": flavor.disk_gb,
            "ephemeral": flavor.ephemeral_gb,
            "swap": flavor.swap_mb,
            "original_name": flavor.name,
            "extra_specs": flavor.extra_specs,
        }
    link = {"rel": "bookmark", "href": site.bookmark(f"/flavors/{flavor.id}")}
    return {"id": flavor.id, "links": [link]}
