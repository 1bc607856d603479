"""The virtual hypervisor of the lab: Nova's own FakeDriver and what that lacks.

* a node uuid that stays (FakeDriver draws a new one at every start of the process),
* guests remembered across restarts of nova-compute (``guests.json`` below state_path),
* capacity from the environment (``NOVALAB_VCPUS``, ``NOVALAB_MEMORY_MB``, ``NOVALAB_DISK_GB``),
* a pre-copy live migration that behaves like the monitoring loop of the libvirt driver: saves
  memory_* and disk_* in the migration record and progress in the instance, honours abort and
  force-complete, and can be told to be slow, to stall or to fail.

Nova loads drivers as ``nova.virt.<compute_driver>`` only, so this file is copied into the virtual
environment as nova/virt/novalab.py and chosen with ``compute_driver = novalab.LabDriver``.

A migration is steered by knobs. The first match wins: server metadata ``lab_<knob>``, then the
JSON file ``$NOVALAB_CONTROL`` under "server:<uuid>", "host:<source host>", "default".

======== ==========================================================================
seconds  length of the copying (default 1)
bw       MiB/s copied, instead of ``seconds``
dirty    MiB/s dirtied by the guest (default 0; at or above ``bw`` it never converges)
fail     check_dest | check_source | pre | mid | raise | post_dest
fail_at  fraction of the copying at which ``mid`` and ``raise`` strike (default 0.5)
tick     seconds between saved statistics (default 0.5)
======== ==========================================================================
"""

import dataclasses
import json
import os
import threading
import time
import uuid as uuid_module

import nova.conf
from nova import exception
from nova.compute import power_state
from nova.virt import fake
from oslo_log import log as logging

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)
MIB = 1024 * 1024
SHARING_HOST = "compute5"  # its guests may have Manila shares
PERMITTED_DOWNTIME = 0.3  # seconds; libvirt's default is 500 ms, reached in steps


@dataclasses.dataclass
class Job:
    """What was asked of one migration under way."""

    abort: bool = False
    force: bool = False


@dataclasses.dataclass
class Copying:
    """The memory of one guest on its way."""

    total: float
    remaining: float
    processed: float = 0.0

    def advance(self, seconds, bandwidth, dirtied):
        """Copy for *seconds*; *bandwidth* and *dirtied* are bytes per second."""
        copied = min(bandwidth * seconds, self.remaining)
        self.processed += copied
        self.remaining = min(self.remaining - copied + dirtied * seconds, self.total)

    @property
    def fraction(self):
        return 1 - self.remaining / self.total


class LabDriver(fake.FakeDriver):
    vcpus = int(os.environ.get("NOVALAB_VCPUS", "16"))
    memory_mb = int(os.environ.get("NOVALAB_MEMORY_MB", "32768"))
    local_gb = int(os.environ.get("NOVALAB_DISK_GB", "500"))
    capabilities = dict(
        fake.FakeDriver.capabilities,
        supports_migrate_to_same_host=False,
        supports_virtio_fs=False,
        supports_mem_backing_file=False,
    )

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi, read_only)
        if CONF.host == SHARING_HOST:
            self.capabilities = dict(
                self.capabilities, supports_virtio_fs=True, supports_mem_backing_file=True
            )
        self._jobs = {}  # instance uuid -> Job
        self._file_lock = threading.Lock()
        self._file = os.path.join(CONF.state_path, "guests.json")

    # -- identity and memory of the guests ----------------------------------------------------

    @staticmethod
    def _node_uuid(node):
        return str(uuid_module.uuid5(uuid_module.NAMESPACE_DNS, "novalab." + node))

    def init_host(self, host):
        self._host = host
        self._set_nodes([host])
        os.makedirs(CONF.state_path, exist_ok=True)
        try:
            with open(self._file) as stored:
                guests = json.load(stored)
        except FileNotFoundError:
            return
        for uuid, (name, state, *claim) in guests.items():
            self.instances[uuid] = fake.FakeInstance(name, state, uuid)
            self.instances[uuid].claim = claim
            self.resources.claim(*claim)

    def _save(self):
        with self._file_lock:
            temporary = self._file + ".new"
            guests = {
                uuid: (guest.name, guest.state, *getattr(guest, "claim", (0, 0, 0)))
                for uuid, guest in list(self.instances.items())
            }
            with open(temporary, "w") as target:
                json.dump(guests, target)
            os.replace(temporary, self._file)

    def get_available_resource(self, nodename):
        resources = super().get_available_resource(nodename)
        if resources:
            resources["uuid"] = self._node_uuid(nodename)
        return resources

    def get_nodenames_by_uuid(self, refresh=False):
        return {self._node_uuid(node): node for node in self.get_available_nodes()}

    def get_host_uptime(self):
        return " 00:00:00 up 1 day,  0:00,  0 users,  load average: 0, 0, 0"

    # -- life of a guest ----------------------------------------------------------------------

    def spawn(self, context, instance, *args, **kwargs):
        arriving = instance.task_state == "migrating"
        if arriving:
            self._fail_if_told(instance, "post_dest")
        if instance.uuid in self.instances:  # a live migration came back
            return
        super().spawn(context, instance, *args, **kwargs)
        guest, flavor = self.instances[instance.uuid], instance.flavor
        guest.claim = (flavor.vcpus, flavor.memory_mb, flavor.root_gb)
        if arriving and instance.power_state == power_state.PAUSED:
            guest.state = power_state.PAUSED
        self._save()

    def destroy(self, context, instance, *args, **kwargs):
        super().destroy(context, instance, *args, **kwargs)
        self._save()

    def _set_state(self, instance, state):
        if instance.uuid not in self.instances:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        self.instances[instance.uuid].state = state
        self._save()

    def power_off(self, instance, timeout=0, retry_interval=0):
        self._set_state(instance, power_state.SHUTDOWN)

    def power_on(self, context, instance, *args, **kwargs):
        self._set_state(instance, power_state.RUNNING)

    def pause(self, instance):
        self._set_state(instance, power_state.PAUSED)

    def unpause(self, instance):
        self._set_state(instance, power_state.RUNNING)

    def suspend(self, context, instance):
        self._set_state(instance, power_state.SUSPENDED)

    def resume(self, context, instance, *args, **kwargs):
        self._set_state(instance, power_state.RUNNING)

    # -- cold migration: FakeDriver leaves the guest running on the source --------------------

    def migrate_disk_and_power_off(
        self, context, instance, dest, flavor, network_info, *args, **kwargs
    ):
        if instance.uuid in self.instances:
            self._set_state(instance, power_state.SHUTDOWN)
        return "[]"

    def finish_revert_migration(
        self,
        context,
        instance,
        network_info,
        migration,
        block_device_info=None,
        power_on=True,
        share_info=None,
    ):
        if instance.uuid in self.instances:
            state = power_state.RUNNING if power_on else power_state.SHUTDOWN
            self._set_state(instance, state)

    # -- knobs --------------------------------------------------------------------------------

    def _knob(self, instance, name, default=None):
        metadata = instance.metadata or {}
        if "lab_" + name in metadata:
            return metadata["lab_" + name]
        try:
            with open(os.environ.get("NOVALAB_CONTROL", "/nonexistent")) as stored:
                control = json.load(stored)
        except (OSError, ValueError):
            return default
        for key in ("server:" + instance.uuid, "host:" + (instance.host or ""), "default"):
            if name in control.get(key, {}):
                return control[key][name]
        return default

    def _fail_if_told(self, instance, where):
        if self._knob(instance, "fail") == where:
            raise exception.MigrationPreCheckError(reason=f"novalab: told to fail at {where}")

    # -- live migration -----------------------------------------------------------------------

    def check_can_live_migrate_destination(self, context, instance, *args, **kwargs):
        self._fail_if_told(instance, "check_dest")
        return super().check_can_live_migrate_destination(context, instance, *args, **kwargs)

    def check_can_live_migrate_source(
        self, context, instance, dest_check_data, block_device_info=None
    ):
        self._fail_if_told(instance, "check_source")
        return dest_check_data

    def pre_live_migration(
        self, context, instance, block_device_info, network_info, disk_info, migrate_data
    ):
        self._fail_if_told(instance, "pre")
        return migrate_data

    def live_migration(
        self,
        context,
        instance,
        dest,
        post_method,
        recover_method,
        block_migration=False,
        migrate_data=None,
    ):
        job = self._jobs[instance.uuid] = Job()
        try:
            outcome = self._copy(instance, job, migrate_data.migration, block_migration)
            if outcome == "completed":
                post_method(context, instance, dest, block_migration, migrate_data)
            elif outcome == "cancelled":
                recover_method(
                    context, instance, dest, migrate_data, migration_status="cancelled"
                )
            else:
                recover_method(context, instance, dest, migrate_data)
        finally:
            self._jobs.pop(instance.uuid, None)

    def _copy(self, instance, job, migration, block_migration):
        """Pretend to copy memory; returns "completed", "cancelled" or "failed"."""
        total = float(instance.flavor.memory_mb * MIB)
        disk = instance.flavor.root_gb << 30 if block_migration else 0
        copying = Copying(total, total)
        fail = self._knob(instance, "fail")
        fail_at = float(self._knob(instance, "fail_at", 0.5))
        tick = float(self._knob(instance, "tick", 0.5))
        last = next_save = time.monotonic()
        while True:
            bandwidth, dirtied = self._speeds(instance, job, total)
            now = time.monotonic()
            copying.advance(now - last, bandwidth, dirtied)
            last = now
            done = copying.processed > 0 and copying.remaining <= dirtied * PERMITTED_DOWNTIME
            if now >= next_save or done:
                next_save = now + tick
                self._report(instance, migration, copying, disk)
            if job.abort:
                LOG.warning("novalab: migration cancelled", instance=instance)
                return "cancelled"
            if fail in ("mid", "raise") and copying.fraction >= fail_at:
                if fail == "raise":  # like a driver that crashed in an unforeseen way
                    raise exception.NovaException("novalab: told to raise")
                LOG.error("novalab: migration failed", instance=instance)
                return "failed"
            if done:
                return "completed"
            time.sleep(0.1)

    def _speeds(self, instance, job, total):
        """Bytes per second copied and dirtied at this moment; the knobs may have changed."""
        bandwidth = float(self._knob(instance, "bw", 0)) * MIB or total
        seconds = self._knob(instance, "seconds")
        if seconds is not None:
            bandwidth = total / max(float(seconds), 0.001)
        dirtied = float(self._knob(instance, "dirty", 0)) * MIB
        if job.force:  # libvirt pauses the guest or switches to post-copy
            return max(bandwidth, total), 0.0
        return bandwidth, dirtied

    @staticmethod
    def _report(instance, migration, copying, disk):
        instance.progress = round(copying.fraction * 100)
        instance.save()
        migration.memory_total = int(copying.total)
        migration.memory_processed = int(copying.processed)
        migration.memory_remaining = int(copying.remaining)
        migration.disk_total = disk
        migration.disk_processed = int(disk * copying.fraction)
        migration.disk_remaining = disk - migration.disk_processed
        migration.save()

    def post_live_migration(self, context, instance, block_device_info, migrate_data=None):
        self.destroy(
            context, instance, network_info=None, block_device_info=block_device_info
        )

    def live_migration_abort(self, instance):
        job = self._jobs.get(instance.uuid)
        if job:
            job.abort = True

    def live_migration_force_complete(self, instance):
        job = self._jobs.get(instance.uuid)
        if job:
            job.force = True
