"""The Networking API, as far as it tells what binds servers to some hosts: devices, physical networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from vmpath_service.cloud import wire
from vmpath_service.cloud.api import Api
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import CloudDenied, NotFound

Page = TypeVar("Page", wire.Ports, wire.Networks, wire.Agents)

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

    def reaching_few(self) -> Mapping[str, tuple[str, ...]]:
        """By server, in words, the physical networks of its ports that not all hosts have, by what their agents say.

        One request for every thousand agents and for every thousand networks, and where the hosts differ one for every
        fifty of the networks concerned and for every thousand ports in them. Nothing where Neutron has no agents.
        """
        have = self._physical_networks_of_hosts()
        if not have:
            return {}
        few = frozenset().union(*have.values()) - frozenset.intersection(*have.values())
        if not few:
            return {}
        networks = {
            each.id: each.physical_network
            for page in self._pages("networks", wire.Networks, ("id", "provider:physical_network"))
            for each in page.networks
            if each.physical_network in few
        }
        lacking = {name: sum(name not in each for each in have.values()) for name in few}
        found: dict[str, dict[str, None]] = {}
        wanted = sorted(networks)
        for first in range(0, len(wanted), _NETWORKS_AT_ONCE):
            some = [("network_id", each) for each in wanted[first : first + _NETWORKS_AT_ONCE]]
            for page in self._pages("ports", wire.Ports, ("id", "device_id", "network_id"), some):
                for port in page.ports:
                    name = networks.get(port.network_id)
                    if port.device_id and name is not None:
                        words = f"a port on physical network {name}, which {lacking[name]} hosts lack"
                        found.setdefault(port.device_id, {})[words] = None
        return {server: tuple(sorted(words)) for server, words in found.items()}

    def _physical_networks_of_hosts(self) -> Mapping[str, frozenset[str]]:
        have: dict[str, frozenset[str]] = {}
        try:
            for page in self._pages("agents", wire.Agents, ("id", "host", "configurations")):
                for agent in page.agents:
                    named = _mapped(agent.configurations)
                    if named is not None:
                        have[agent.host] = have.get(agent.host, frozenset()) | named
        except (NotFound, CloudDenied):
            # no agents, or none for us: then it stays unknown
            return {}
        return have

    def projects_shown(self) -> frozenset[str]:
        """The projects that some ports are of that are shown to us: one request."""
        query = urlencode((("fields", "project_id"), ("limit", self._settings.page)))
        ports = self._api.get(f"{self._root()}/ports?{query}", wire.Ports).ports
        return frozenset(port.project_id for port in ports if port.project_id)

    def _ports(self) -> Iterator[wire.Port]:
        kinds = ("direct", "macvtap", "vdpa", "virtio-forwarder", "remote-managed", "smart-nic", *sorted(_STAYING))
        wanted = [("binding:vnic_type", kind) for kind in kinds]
        for page in self._pages("ports", wire.Ports, _FIELDS, wanted):
            yield from page.ports

    def _pages(
        self, noun: str, answer: type[Page], fields: Iterable[str], wanted: Iterable[tuple[str, str]] = ()
    ) -> Iterator[Page]:
        """The pages of a list. Raises NotFound where this Neutron has no such list."""
        marker: str | None = None
        while True:
            given: list[tuple[str, str | int]] = [*wanted, *(("fields", name) for name in fields)]
            given.append(("limit", self._settings.page))
            if marker is not None:
                given.append(("marker", marker))
            page = self._api.get(f"{self._root()}/{noun}?{urlencode(given)}", answer, may_be_missing=True)
            yield page
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


def _mapped(configurations: Mapping[str, Any]) -> frozenset[str] | None:
    """The physical networks that an agent says it has bridges, interfaces or devices for; None for one that has
    nothing to do with them (DHCP, metadata)."""
    named: set[str] = set()
    known = False
    for key in ("bridge_mappings", "interface_mappings", "device_mappings"):
        mapped = configurations.get(key)
        if isinstance(mapped, Mapping):
            known = True
            named.update(map(str, mapped))
    # so OVN writes it: physnet1:br-ex,physnet2:br-two
    text = configurations.get("bridge-mappings")
    if isinstance(text, str):
        known = True
        named.update(name for each in text.split(",") if (name := each.partition(":")[0].strip()))
    return frozenset(named) if known else None
