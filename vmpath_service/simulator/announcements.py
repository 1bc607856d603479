"""Nova's versioned notifications: what its services tell of servers, services, groups and aggregates.

Shapes and names as Nova 34 sends them with ``notification_format = versioned``. Not told: audits
(``instance.exists``), and what scheduler and flavors have to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vmpath_service.simulator.moments import iso_z
from vmpath_service.simulator.records import Aggregate, Flavor, Host, Server, ServerGroup

API: Final = "nova-api:controller"
CONDUCTOR: Final = "nova-conductor:controller"
# Nova's instance objects say so of themselves wherever they are saved: its library for all services.
ANY_SERVICE: Final = "nova-compute:controller"
SERVICE_VERSION: Final = 74
POWER_STATES: Final = {0: "pending", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}
# action -> name and version of its payload, and what that has more than others
ACTION_PAYLOADS: Final[Mapping[str, tuple[str, str, Mapping[str, Any]]]] = {
    "create": (
        "InstanceCreatePayload",
        "1.13",
        {"keypairs": [], "trusted_image_certificates": None, "block_devices": []},
    ),
    "rebuild": ("InstanceActionRebuildPayload", "1.10", {"trusted_image_certificates": None}),
    "rebuild_scheduled": ("InstanceActionRebuildPayload", "1.10", {"trusted_image_certificates": None}),
    "rescue": ("InstanceActionRescuePayload", "1.4", {"rescue_image_ref": None}),
    "resize_prep": ("InstanceActionResizePrepPayload", "1.4", {}),
}


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification. publisher: ``nova-compute:HOST`` and the like; failed: of priority ERROR, not INFO."""

    event_type: str
    publisher: str
    payload: dict[str, Any]
    failed: bool = False


class Announcer:
    """Gives what happens in a simulated cloud the form of notifications.

    send: what to do with each; it must return at once. with_updates: whether every saving of a server is told
    (``instance.update``), as with Nova's ``notify_on_state_change``; without it Nova is silent about much, a
    migration that its scheduler or its pre-checks refuse for one.
    """

    def __init__(self, send: Callable[[Notification], None], with_updates: bool = True) -> None:
        self._send = send
        self._with_updates = with_updates
        self._known: dict[str, tuple[str, str | None]] = {}

    def update(self, server: Server, node: str | None, now: float) -> None:
        """The server has just been saved."""
        if not self._with_updates:
            return
        state, task = server.vm_state, server.task_state
        old_state, old_task = self._known.get(server.uuid, (state, task))
        if state == "deleted":
            self._known.pop(server.uuid, None)
        else:
            self._known[server.uuid] = (state, task)
        change = {"old_state": old_state, "state": state, "old_task_state": old_task, "new_task_state": task}
        period = {"audit_period_beginning": iso_z(now - now % 86400), "audit_period_ending": iso_z(now)}
        data = {
            **_instance(server, node),
            "state_update": _object("InstanceStateUpdatePayload", "1.0", change),
            "audit_period": _object("AuditPeriodPayload", "1.0", period),
            "old_display_name": None,
            "tags": list(server.tags),
        }
        publisher = CONDUCTOR if task == "scheduling" else ANY_SERVICE
        self._send(Notification("instance.update", publisher, _object("InstanceUpdatePayload", "2.1", data)))

    def action(
        self,
        server: Server,
        node: str | None,
        event: tuple[str, str | None],
        publisher: str,
        changed: Mapping[str, Any],
    ) -> None:
        """An action on the server begins or has ended: its name, and ``start``, ``end`` or nothing.

        changed: fields in which the publisher's picture of the server is another than the database's.
        """
        action, phase = event
        name, version, more = ACTION_PAYLOADS.get(action, ("InstanceActionPayload", "1.9", {}))
        data = {**_instance(server, node), "fault": None, **more, **changed}
        if action == "create":
            data |= {"tags": list(server.tags), "instance_name": f"instance-{server.number:08x}"}
        elif action == "resize_prep":
            data.setdefault("new_flavor", _flavor(server.flavor))
        name_of_event = f"instance.{action}" + (f".{phase}" if phase else "")
        self._send(Notification(name_of_event, publisher, _object(name, version, data)))

    def task_failed(self, server: Server, task: str, reason: str) -> None:
        """The conductor has given up ``migrate_server`` or ``build_instances``."""
        data = {
            "instance_uuid": server.uuid,
            "request_spec": None,
            "state": server.vm_state,
            "reason": _exception("oslo_messaging._drivers.amqpdriver", "_send", "NoValidHost_Remote", reason),
        }
        payload = _object("ComputeTaskPayload", "1.0", data)
        self._send(Notification(f"compute_task.{task}.error", CONDUCTOR, payload, failed=True))

    def exception(self, publisher: str, reason: str) -> None:
        """A driver has raised; the notification does not say about which server."""
        payload = _exception("nova.virt.driver", "live_migration", "MigrationPreCheckError", reason)
        self._send(Notification("compute.exception", publisher, payload, failed=True))

    def service(self, host: Host, last_seen: float) -> None:
        """Somebody has changed a nova-compute service through the API; its death is not told."""
        data = {
            "host": host.name,
            "binary": "nova-compute",
            "topic": "compute",
            "report_count": 1,
            "disabled": host.disabled,
            "disabled_reason": host.disabled_reason,
            "availability_zone": None,
            "last_seen_up": iso_z(last_seen),
            "forced_down": host.forced_down,
            "version": SERVICE_VERSION,
            "uuid": host.service_uuid,
        }
        payload = _object("ServiceStatusPayload", "1.1", data)
        self._send(Notification("service.update", f"nova-compute:{host.name}", payload))

    def group(self, group: ServerGroup, action: str, added: Iterable[str] | None = None) -> None:
        """A server group was created or deleted, or got a member (then: only that)."""
        data = {
            "uuid": group.uuid,
            "name": group.name,
            "user_id": group.user_id,
            "project_id": group.project_id,
            "policies": [group.policy],
            "members": list(group.members if added is None else added),
            "hosts": None,
            "policy": group.policy,
            "rules": {name: str(number) for name, number in group.rules.items()},
        }
        self._send(Notification(f"server_group.{action}", API, _object("ServerGroupPayload", "1.1", data)))

    def aggregate(self, aggregate: Aggregate, action: str, phase: str) -> None:
        """An aggregate is changed, or has been."""
        data = {
            "id": aggregate.number,
            "uuid": aggregate.uuid,
            "name": aggregate.name,
            "hosts": list(aggregate.hosts),
            "metadata": dict(aggregate.metadata),
        }
        self._send(Notification(f"aggregate.{action}.{phase}", API, _object("AggregatePayload", "1.1", data)))


def compute(host: str | None) -> str:
    """The nova-compute of a host, as a publisher."""
    return f"nova-compute:{host}"


def _object(name: str, version: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "nova_object.name": name,
        "nova_object.namespace": "nova",
        "nova_object.version": version,
        "nova_object.data": dict(data),
    }


def _exception(module: str, function: str, exception: str, message: str) -> dict[str, Any]:
    data = {
        "module_name": module,
        "function_name": function,
        "exception": exception,
        "exception_message": message,
        "traceback": "",
    }
    return _object("ExceptionPayload", "1.1", data)


def _instance(server: Server, node: str | None) -> dict[str, Any]:
    return {
        "uuid": server.uuid,
        "user_id": server.user_id,
        "tenant_id": server.project_id,
        "reservation_id": None,
        "display_name": server.name,
        "display_description": server.description,
        "host_name": server.name,
        "host": server.host,
        "node": node,
        "os_type": None,
        "architecture": None,
        "availability_zone": server.zone,
        "flavor": _flavor(server.flavor),
        "image_uuid": server.image or "",
        "key_name": None,
        "kernel_id": "",
        "ramdisk_id": "",
        "created_at": iso_z(server.created_at),
        "launched_at": _moment(server.launched_at),
        "terminated_at": None,
        "deleted_at": _moment(server.deleted_at),
        "updated_at": iso_z(server.updated_at),
        "state": server.vm_state,
        "power_state": POWER_STATES.get(server.power_state, "pending"),
        "task_state": server.task_state,
        "progress": 0,
        "ip_addresses": [],
        "block_devices": None,
        "metadata": dict(server.metadata),
        "locked": server.locked,
        "auto_disk_config": "MANUAL",
        "request_id": None,
        "action_initiator_user": server.user_id,
        "action_initiator_project": server.project_id,
        "locked_reason": server.locked_reason,
        "shares": None,
    }


def _moment(moment: float | None) -> str | None:
    return None if moment is None else iso_z(moment)


def _flavor(flavor: Flavor) -> dict[str, Any]:
    data = {
        "flavorid": flavor.id,
        "memory_mb": flavor.ram_mb,
        "vcpus": flavor.vcpus,
        "root_gb": flavor.disk_gb,
        "ephemeral_gb": flavor.ephemeral_gb,
        "name": flavor.name,
        "swap": flavor.swap_mb,
        "rxtx_factor": 1.0,
        "vcpu_weight": 0,
        "disabled": False,
        "is_public": True,
        "extra_specs": dict(flavor.extra_specs),
        "projects": None,
        "description": None,
    }
    return _object("FlavorPayload", "1.4", data)
