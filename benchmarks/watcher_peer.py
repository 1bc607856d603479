"""Watcher's vm_workload_consolidation on a made-up cloud; run by ``benchmarks.policies --peer watcher``.

usage: PYTHON benchmarks/watcher_peer.py < CLOUD > OUTCOME

PYTHON is an interpreter with python-watcher (PyPI) installed; this file needs nothing of vmpath. CLOUD: ``hosts``,
each [name, VCPU, MEMORY_MB, DISK_GB], and ``instances``, each [uuid, host, VCPU, MEMORY_MB, DISK_GB]. OUTCOME:
``placement``, uuid to host of each instance that is to move, and ``seconds``, the CPU seconds of the strategy alone.
Watcher's model has neither server groups nor availability zones of hosts. There is no source of metrics: what
instances take is what their flavors say.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import uuid
from typing import Any
from unittest import mock

from watcher.common import clients
from watcher.decision_engine.model import element, model_root
from watcher.decision_engine.strategy.strategies import vm_workload_consolidation


class NoMetrics:
    """A source of metrics that knows nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def main() -> None:
    logging.disable(logging.CRITICAL)
    cloud = json.load(sys.stdin)
    model = model_root.ModelRoot()
    nodes = {}
    for name, cpus, memory, disk in cloud["hosts"]:
        nodes[name] = element.ComputeNode(
            uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
            hostname=name,
            disabled_reason=None,
            memory=memory,
            memory_mb_reserved=0,
            disk=disk,
            disk_gb_reserved=0,
            vcpus=cpus,
            vcpu_reserved=0,
            memory_ratio=1.0,
            vcpu_ratio=1.0,
            disk_ratio=1.0,
        )
        model.add_node(nodes[name])
    names = {}
    for name, host, cpus, memory, disk in cloud["instances"]:
        guest = element.Instance(
            uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
            name=name,
            memory=memory,
            disk=disk,
            vcpus=cpus,
            metadata={},
            project_id=str(uuid.uuid5(uuid.NAMESPACE_OID, "project")),
            host=host,
        )
        names[guest.uuid] = name
        model.add_instance(guest)
        model.map_instance(guest, nodes[host])
    strategy = vm_workload_consolidation.VMWorkloadConsolidation(
        config=mock.Mock(datasources=None), osc=mock.Mock(spec=clients.OpenStackClients)
    )
    strategy.input_parameters = {"period": 3600, "granularity": 300}
    strategy._compute_model = model
    strategy._datasource_backend = NoMetrics()
    begun = time.process_time()
    strategy.do_execute()
    seconds = time.process_time() - begun
    homes = {name: host for name, host, *_ in cloud["instances"]}
    placement = {}
    for guest in model.get_all_instances().values():
        host = model.get_node_by_instance_uuid(guest.uuid).hostname
        if host != homes[names[guest.uuid]]:
            placement[names[guest.uuid]] = host
    json.dump({"placement": placement, "seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    main()
