"""The Networking API, as far as it tells which servers have devices of their hosts as ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from vmpath_service.cloud import wire
from vmpath_service.cloud.api import Api
from vmpath_service.cloud.settings import CloudSettings

# What a port is where no device of the host is behind it.
_ORDINARY = frozenset(("normal", ""))
# Devices that Nova does not take along, and does not replace by another at the destination.
_STAYING = frozenset(("direct-physical", "accelerator-direct", "accelerator-direct-physical"))
_FIELDS = ("id", "device_id", "network_id", "binding:vnic_type")
_NETWORKS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class DevicePort:
    """A port with a device behind it: its kind (Neutron's vnic type), and its physical network, None if unknown."""

    kind: str
    physical_network: str | None

    def stays(self) -> bool:
        """Whether its server cannot be live-migrated at all."""
        return self.kind in _STAYING

    def described(self) -> str:
        """In words."""
        where = f" on physical network {self.physical_network}" if self.physical_network else ""
        return f"a port with a device ({self.kind}){where}"


class Neutron:
    """Reads Neutron, which shows the ports of all projects only to whom it takes for an administrator."""

    def __init__(self, api: Api, settings: CloudSettings) -> None:
        self._api = api
        self._settings = settings

    def device_ports(self) -> Mapping[str, tuple[DevicePort, ...]]:
        """By server, its ports with devices: one request for every thousand ports that have one (of all ports, where
        Neutron does not filter by kind), and one for every fifty networks that these are in."""
        ports = [port for port in self._ports() if port.kind not in _ORDINARY and port.device_id]
        physical = self._physical_networks({port.network_id for port in ports if port.network_id})
        found: dict[str, list[DevicePort]] = {}
        for port in sorted(ports, key=lambda each: each.id):
            found.setdefault(port.device_id, []).append(DevicePort(port.kind, physical.get(port.network_id)))
        return {server: tuple(each) for server, each in found.items()}

    def projects_shown(self) -> frozenset[str]:
        """The projects that some ports are of that are shown to us: one request."""
        query = urlencode((("fields", "project_id"), ("limit", self._settings.page)))
        ports = self._api.get(f"{self._root()}/ports?{query}", wire.Ports).ports
        return frozenset(port.project_id for port in ports if port.project_id)

    def _ports(self) -> Iterator[wire.Port]:
        kinds = ("direct", "macvtap", "vdpa", "virtio-forwarder", "remote-managed", "smart-nic", *sorted(_STAYING))
        wanted = [("binding:vnic_type", kind) for kind in kinds]
        marker: str | None = None
        while True:
            given = [*wanted, *(("fields", name) for name in _FIELDS), ("limit", self._settings.page)]
            if marker is not None:
                given.append(("marker", marker))
            page = self._api.get(f"{self._root()}/ports?{urlencode(given)}", wire.Ports)
            yield from page.ports
            before, marker = marker, wire.next_marker(page.links)
            if marker is None or marker == before:
                return

    def _physical_networks(self, networks: Iterable[str]) -> Mapping[str, str]:
        wanted = sorted(networks)
        found: dict[str, str] = {}
        for first in range(0, len(wanted), _NETWORKS_AT_ONCE):
            some = wanted[first : first + _NETWORKS_AT_ONCE]
            given = [*(("id", each) for each in some), ("fields", "id"), ("fields", "provider:physical_network")]
            page = self._api.get(f"{self._root()}/networks?{urlencode(given)}", wire.Networks)
            found.update((each.id, each.physical_network) for each in page.networks if each.physical_network)
        return found

    def _root(self) -> str:
        """Catalogues name Neutron with or without its version."""
        return "" if (self._api.endpoint() or "").rstrip("/").endswith("/v2.0") else "/v2.0"
