"""Answers as a genuine Nova 34 and Placement gave them, cut to what matters here; values of the same shape."""

from __future__ import annotations

from typing import Any

import msgspec

from vmpath_service.cloud import wire

ACTIVE = """{
 "id": "5b3f2322-74f2-4cc7-b799-76281e0eabf1", "name": "slow", "status": "ACTIVE",
 "tenant_id": "fbf9e08310394093809686e47b56d1ba", "user_id": "f951868ba6494b50b0ff7ec13301d4af",
 "created": "2026-11-20T19:09:48Z", "updated": "2026-11-20T19:09:54Z", "addresses": {}, "accessIPv4": "",
 "flavor": {"vcpus": 1, "ram": 1024, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "lab.small",
            "extra_specs": {}},
 "image": {"id": "8df0c520-8311-4763-a573-39bfea50a3e3", "links": [{"rel": "bookmark", "href": "http://x"}],
           "properties": {}},
 "metadata": {"lab_seconds": "12"}, "OS-EXT-AZ:availability_zone": "nova",
 "OS-EXT-SRV-ATTR:host": "compute3", "OS-EXT-SRV-ATTR:hypervisor_hostname": "compute3.example.org",
 "OS-EXT-STS:task_state": null, "OS-EXT-STS:vm_state": "active", "OS-EXT-STS:power_state": 1,
 "locked": false, "locked_reason": null, "host_status": "UP", "tags": [], "description": null,
 "pinned_availability_zone": null, "scheduler_hints": {}
}"""

SERVICES = b"""{"services": [
 {"binary": "nova-scheduler", "host": "vm", "id": "ed8c2caa-e9d8-4261-8044-50204b7e4544", "zone": "internal",
  "status": "enabled", "state": "up", "updated_at": "2026-11-20T19:09:46.000000", "disabled_reason": null,
  "forced_down": false},
 {"binary": "nova-compute", "host": "compute5", "id": "8654ebb9-7149-4359-bfef-51f81ec9eb10", "zone": "az2",
  "status": "enabled", "state": "down", "updated_at": "2026-11-20T19:09:50.000000", "disabled_reason": null,
  "forced_down": true},
 {"binary": "nova-compute", "host": "compute6", "id": "33b386c9-485c-409c-b82c-ac30c75af6f8", "zone": "az2",
  "status": "disabled", "state": "up", "updated_at": null, "disabled_reason": "vmpath: drain",
  "forced_down": false}]}"""

HYPERVISORS = b"""{"hypervisors": [
 {"id": "ac7cf6f7-47cc-50b1-b940-0d2351df8890", "hypervisor_hostname": "five.example.org", "state": "up",
  "status": "enabled", "hypervisor_type": "QEMU", "hypervisor_version": 8002002, "host_ip": "127.0.0.1",
  "service": {"id": "8654ebb9-7149-4359-bfef-51f81ec9eb10", "host": "compute5", "disabled_reason": null},
  "vcpus": 16, "memory_mb": 32768, "cpu_info": {"arch": "x86_64"}},
 {"id": 6, "hypervisor_hostname": "six.example.org", "state": "up", "status": "disabled",
  "hypervisor_type": "QEMU", "hypervisor_version": 8002002, "host_ip": "127.0.0.1",
  "service": {"id": 6, "host": "compute6", "disabled_reason": null}, "cpu_info": "{}"}]}"""

RUNNING = b"""{"migrations": [
 {"id": 1, "uuid": "b89dc514-9c0f-4380-91f6-512ff14f5ea7", "source_compute": "compute3",
  "dest_compute": "compute4", "source_node": "compute3", "dest_node": "compute4", "dest_host": null,
  "old_instance_type_id": 2, "new_instance_type_id": 2,
  "instance_uuid": "5b3f2322-74f2-4cc7-b799-76281e0eabf1", "status": "running",
  "migration_type": "live-migration", "created_at": "2026-11-20T19:09:53.000000",
  "updated_at": "2026-11-20T19:09:54.000000"}]}"""

PROGRESS = b"""{"migrations": [
 {"created_at": "2026-11-20T19:09:53.000000", "dest_compute": "compute4", "dest_host": null,
  "dest_node": "compute4", "disk_processed_bytes": 0, "disk_remaining_bytes": 0, "disk_total_bytes": 0, "id": 1,
  "memory_processed_bytes": 268435456, "memory_remaining_bytes": 805306368, "memory_total_bytes": 1073741824,
  "server_uuid": "5b3f2322-74f2-4cc7-b799-76281e0eabf1", "source_compute": "compute3",
  "source_node": "compute3", "status": "running", "uuid": "b89dc514-9c0f-4380-91f6-512ff14f5ea7"}]}"""


def server(**changes: Any) -> wire.Server:
    """The server of ``ACTIVE`` with other fields; ``extra_specs``, ``properties`` and the sizes of its flavor
    may be given by themselves."""
    plain = msgspec.json.decode(ACTIVE)
    for key in ("vcpus", "ram", "disk", "ephemeral", "swap", "extra_specs"):
        if key in changes:
            plain["flavor"][key] = changes.pop(key)
    if "properties" in changes:
        plain["image"]["properties"] = changes.pop("properties")
    for key, name in (("host", "OS-EXT-SRV-ATTR:host"), ("task_state", "OS-EXT-STS:task_state")):
        if key in changes:
            plain[name] = changes.pop(key)
    return msgspec.convert(plain | changes, wire.Server)


def record(number: int, instance: str, status: str, source: str | None, dest: str | None) -> wire.Migration:
    """A migration record; its uuid is ``m`` and the number."""
    return wire.Migration(number, status, f"m{number}", instance, None, source, dest, "live-migration")
