"""Whether and how a server can be migrated, and if not, why: in words that a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from vmpath_service.cloud import flavors
from vmpath_service.cloud.neutron import DevicePort
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.cloud.wire import Server
from vmpath_service.model.declarations import PostCopy, declaration_of, departure_obstacle
from vmpath_service.model.snapshot import Host, ServerGroup

_STATUSES = {
    "SUSPENDED": "it is suspended; resume it first",
    "SHELVED": "it is shelved; unshelve it first",
    "SHELVED_OFFLOADED": "it is shelved and on no host",
    "RESCUE": "it is in rescue mode; unrescue it first",
    "VERIFY_RESIZE": "its resize waits to be confirmed or reverted",
    "ERROR": "it is in status ERROR; look at its fault, then reset its state",
    "BUILD": "it is still being built",
    "SOFT_DELETED": "it is deleted (SOFT_DELETED) and waits to be reclaimed",
}
_LIVE = ("ACTIVE", "PAUSED")
_STOPPED = "SHUTOFF"
Movable = Literal["live", "cold", "no"]
_MODES = ("post-copy", "auto")


def movable(
    server: Server,
    host: Host | None,
    group: ServerGroup | None,
    resources: Mapping[str, int],
    settings: CloudSettings,
) -> tuple[Movable, str | None]:
    """How the server can be migrated, and with "no" the first reason that holds it where it is.

    ``host`` is where it is, ``group`` the server group it belongs to, ``resources`` what it holds there. One that is
    stopped is migrated cold, where it is wished: devices and Nova's time-outs do not hold it then.
    """
    cold = _goes_cold(server, settings)
    reason = (
        _by_state(server, host, settings, cold)
        or _by_wish(server, settings, cold)
        or _by_lock(server)
        or _by_group(group)
    )
    if reason is None and not cold:
        reason = _by_device(server, resources, settings) or _by_time_out(server, host, settings)
    if reason is not None:
        return "no", reason
    return ("cold" if cold else "live"), None


def held_by_caution(server: Server, host: Host | None, settings: CloudSettings, why_not: str | None) -> bool:
    """Whether this reason, which ``movable`` gave, is for want of knowledge only: a device that nova.conf may let
    travel, a time-out that may be a switch to post-copy."""
    if why_not is None or host is None:
        return False
    if why_not == _by_time_out(server, host, settings):
        return not declaration_of(host).times_out_into_post_copy()
    return bool(flavors.aliases_of(server.flavor)) and why_not == _by_device(server, {}, settings)


def unwilling(server: Server, settings: CloudSettings) -> str | None:
    """Why a server is not to be moved, by what it says itself, its flavor and its lock; whatever its status."""
    cold = _goes_cold(server, settings)
    return _by_wish(server, settings, cold) or _by_lock(server)


def _wishes(server: Server, settings: CloudSettings) -> tuple[tuple[str, str], ...]:
    places = (("metadata", server.metadata), ("flavor", server.flavor.extra_specs))
    return tuple((place, given[settings.movable_key]) for place, given in places if settings.movable_key in given)


def _goes_cold(server: Server, settings: CloudSettings) -> bool:
    wished = {wish for _, wish in _wishes(server, settings)}
    return server.status == _STOPPED and ("cold" in wished or (settings.move_stopped and "live" not in wished))


def _by_state(server: Server, host: Host | None, settings: CloudSettings, cold: bool) -> str | None:
    if server.task_state is not None:
        return f"Nova is busy with it (task {server.task_state}, status {server.status})"
    if server.status == _STOPPED and not cold:
        return f"it is stopped ({_STOPPED}); {settings.movable_key} = cold would let vmpath move it"
    if server.status not in (*_LIVE, _STOPPED):
        return _STATUSES.get(server.status, f"its status is {server.status}; vmpath moves ACTIVE and PAUSED instances")
    if host is None:
        return "it is on no host"
    if host.state != "up":
        return f"its host {host.name} is {host.state}: nothing can leave it"
    return None


def _by_wish(server: Server, settings: CloudSettings, cold: bool) -> str | None:
    key = settings.movable_key
    for place, value in _wishes(server, settings):
        if value == "live" or (value == "cold" and cold):
            continue
        if value == "no":
            return f"its {place} forbids it ({key} = no)"
        if value == "cold":
            return f"its {place} allows cold migration only ({key} = cold); stop it first"
        return f"its {place} says {key} = {value}, expected live, cold or no"
    return None


def _by_lock(server: Server) -> str | None:
    if not server.locked:
        return None
    return f"it is locked ({server.locked_reason})" if server.locked_reason else "it is locked; unlock it first"


def _by_group(group: ServerGroup | None) -> str | None:
    if group is None or group.policy != "affinity":
        return None
    return (
        f"it belongs to the strict affinity group {group.name or group.uuid}, whose members Nova admits only where"
        " they are; shelve and unshelve it, or dissolve the group"
    )


def _by_device(server: Server, resources: Mapping[str, int], settings: CloudSettings) -> str | None:
    # devices that can be taken along are set up so in nova.conf; only the flavor's word for it counts
    travels = server.flavor.extra_specs.get(settings.movable_key) == "live"
    aliases = settings.live_migratable_aliases
    device = None if travels else flavors.device_of(server.flavor, aliases)
    if device is None and not travels:
        along = bool(flavors.aliases_of(server.flavor))
        held = sorted(
            name for name in resources if flavors.is_device(name) and not (along and flavors.is_pci_device(name))
        )
        device = f"a device of class {held[0]}" if held else None
    if device is not None:
        return f"it uses {device} of its host"
    specs, image = server.flavor.extra_specs, server.image_properties()
    if _true(specs.get("hw:mem_encryption", image.get("hw_mem_encryption"))) or "MEM_ENCRYPTION_CONTEXT" in resources:
        return "its memory is encrypted by its host (SEV)"
    version = specs.get("hw:tpm_version", image.get("hw_tpm_version"))
    if version and specs.get("hw:tpm_secret_security") not in ("host", "deployment"):
        return "it has an emulated TPM whose secret stays on its host"
    return None


def held_by_port(ports: Iterable[DevicePort]) -> str | None:
    """Why a server with such ports cannot be live-migrated, or None."""
    staying = next((port for port in ports if port.stays()), None)
    return None if staying is None else f"it has {staying.described()}, which stays on its host"


def _by_time_out(server: Server, host: Host | None, settings: CloudSettings) -> str | None:
    way = post_copy(server, settings)
    if host is None or way == "allowed":
        return None
    return departure_obstacle(way, host.name, declaration_of(host))


def _true(value: object) -> bool:
    return str(value).strip().lower() in ("true", "1", "yes", "on")


def post_copy(server: Server, settings: CloudSettings) -> PostCopy:
    """Whether post-copy is allowed: forbidden by ``vmpath:mode`` = pre-copy in metadata or flavor.

    What is neither this nor post-copy or auto forbids it, too: nobody knows what was meant.
    """
    return "allowed" if all(mode in _MODES for mode in _modes(server, settings)) else "forbidden"


def misspelt_mode(server: Server, settings: CloudSettings) -> str | None:
    """What metadata or flavor say of the mode that means nothing."""
    return next((mode for mode in _modes(server, settings) if mode not in (*_MODES, "pre-copy")), None)


def _modes(server: Server, settings: CloudSettings) -> tuple[str, ...]:
    places = (server.metadata, server.flavor.extra_specs)
    return tuple(place[settings.mode_key] for place in places if settings.mode_key in place)
