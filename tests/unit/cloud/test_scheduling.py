"""What of a server only Nova's scheduler judges, and what is kept of it for the rules of aggregates."""

from typing import Any

import pytest

from tests.unit.cloud.shapes import server
from vmpath_service.cloud import scheduling, wire


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, ()),
        ({"extra_specs": {"hw:numa_nodes": "2"}}, ("2 NUMA nodes",)),
        ({"properties": {"hw_numa_nodes": 2}}, ("2 NUMA nodes",)),
        ({"extra_specs": {"hw:cpu_policy": "dedicated"}}, ("pinned CPUs",)),
        ({"properties": {"hw_cpu_policy": "mixed"}}, ("pinned CPUs",)),
        ({"extra_specs": {"hw:cpu_policy": "shared"}}, ()),
        ({"extra_specs": {"resources:PCPU": "2"}}, ("pinned CPUs",)),
        ({"extra_specs": {"resources:PCPU": "0"}}, ()),
        ({"extra_specs": {"hw:mem_page_size": "1GB"}}, ("huge pages (1GB)",)),
        ({"properties": {"hw_mem_page_size": "large"}}, ("huge pages (large)",)),
        ({"extra_specs": {"hw:mem_page_size": "small"}}, ()),
        ({"extra_specs": {"hw:cpu_realtime": "yes"}}, ("real-time CPUs",)),
        ({"extra_specs": {"pci_passthrough:alias": "nic:1"}}, ("the PCI device nic:1",)),
        ({"extra_specs": {"hw:pmem": "6GB"}}, ("persistent memory",)),
        ({"properties": {"hw_vif_model": "virtio"}}, ()),
    ],
)
def test_what_placement_cannot_prove_is_left_to_the_scheduler(
    changes: dict[str, Any], reasons: tuple[str, ...]
) -> None:
    asked = server(**changes)
    assert scheduling.undecided(asked) == reasons
    assert scheduling.extra(asked, ()).get("scheduler_decides", []) == list(reasons)


def test_only_what_aggregates_are_asked_for_is_kept() -> None:
    aggregates = [wire.Aggregate("a", (), {"ssd": "true"}), wire.Aggregate("b", (), {"os_type": "linux"})]
    keys = scheduling.keys_of(aggregates)
    asked = server(
        extra_specs={
            "aggregate_instance_extra_specs:gold": "yes",
            "ssd": "true",
            "speed": "high",
            "quota:disk_read_iops_sec": "100",
        },
        properties={"os_type": "windows", "hw_disk_bus": "virtio"},
    )
    assert scheduling.extra(asked, keys) == {
        "extra_specs": {"aggregate_instance_extra_specs:gold": "yes", "ssd": "true"},
        "image_properties": {"os_type": "windows"},
    }
    assert scheduling.extra(server(properties={"hw_disk_bus": "virtio"}), keys) == {}
