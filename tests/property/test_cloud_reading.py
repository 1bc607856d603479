"""Any cloud that is put into the simulated one is read back over HTTP as it was."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.functional.reading import essence, reader
from vmpath_service.model.extras import HELD_BY_CAUTION
from vmpath_service.model.semantics import snapshot_problems
from vmpath_service.model.snapshot import Aggregate, Host, Instance, Inventory, Rules, ServerGroup, Snapshot
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.settings import Settings

# openstacksdk says so of every cloud, whether or not it has InfluxDB
pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

IMAGE = str(uuid.UUID(int=7, version=4))
AGGREGATES = (
    Aggregate("ssd", {"ssd": "true"}),
    Aggregate("tenant", {"filter_tenant_id": "p1, p2"}),
    Aggregate("windows", {"os_distro": "windows"}),
    Aggregate("gold", {"trait:CUSTOM_GOLD": "required"}),
    Aggregate("plain"),
)
# status -> (task, whether it has a host, why it stays, without the way out)
STATUSES = {
    "SHUTOFF": (None, True, "it is stopped (SHUTOFF)"),
    "SUSPENDED": (None, True, "it is suspended"),
    "SHELVED": (None, True, "it is shelved"),
    "SHELVED_OFFLOADED": (None, False, "it is shelved and on no host"),
    "RESCUE": (None, True, "it is in rescue mode"),
    "VERIFY_RESIZE": (None, True, "its resize waits to be confirmed or reverted"),
    "ERROR": (None, True, "it is in status ERROR"),
    "BUILD": ("spawning", True, "Nova is busy with it (task spawning, status BUILD)"),
    "REBOOT": ("rebooting", True, "Nova is busy with it (task rebooting, status REBOOT)"),
}
GPU = "a device of class VGPU"


def identity(kind: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{kind} {number}"))


@st.composite
def hosts(draw: st.DrawFn, number: int) -> Host:
    zone = draw(st.sampled_from(("nova", "az1", "az2")))
    cell = draw(st.sampled_from((None, "east", "west")))
    aggregates = tuple(each for each in AGGREGATES if draw(st.booleans()))
    if zone != "nova":
        aggregates += (Aggregate(f"zone-{zone}", {"availability_zone": zone}),)
    if cell is not None:
        aggregates += (Aggregate(f"cell-{cell}", {"vmpath:cell": cell}),)
    disabled = draw(st.booleans())
    # cards with three virtual ones each
    cards = {f"card{card}": {"inventories": {"VGPU": {"total": 3}}} for card in range(draw(st.integers(0, 2)))}
    if cards and draw(st.booleans()):
        cards["card0"]["traits"] = ["CUSTOM_NVIDIA"]  # type: ignore[assignment]
    return Host(
        name=f"compute{number}",
        uuid=identity("host", number),
        inventories={
            "VCPU": Inventory(total=100, allocation_ratio=draw(st.sampled_from((1.0, 1.5, 4.0))), max_unit=100),
            "MEMORY_MB": Inventory(total=100_000, reserved=draw(st.integers(0, 5000)), max_unit=100_000),
            "DISK_GB": Inventory(total=1000, step_size=draw(st.sampled_from((1, 2))), max_unit=1000),
            "PCPU": Inventory(total=50, max_unit=50),
        },
        status="disabled" if disabled else "enabled",
        disabled_reason="being mended" if disabled else None,
        used_by_others={"MEMORY_MB": 512, "VCPU": 1} if draw(st.booleans()) else {},
        availability_zone=zone,
        cell=cell,
        aggregates=aggregates,
        traits=tuple(sorted(draw(st.sets(st.sampled_from(("CUSTOM_GOLD", "HW_CPU_X86_AVX2")))))),
        hypervisor_type="QEMU",
        hypervisor_version=draw(st.sampled_from((8002002, 9000000))),
        extra={"nested": cards} if cards else {},
    )


@st.composite
def instances(draw: st.DrawFn, number: int, places: tuple[Host, ...]) -> Instance:
    at = draw(st.sampled_from(places))
    cpus, pinned = draw(st.integers(1, 4)), draw(st.booleans())
    resources = {
        "PCPU" if pinned else "VCPU": cpus,
        "MEMORY_MB": draw(st.integers(1, 4000)),
        "DISK_GB": draw(st.integers(1, 20)),
    }
    extra: dict[str, Any] = {"scheduler_decides": ["pinned CPUs"]} if pinned else {}
    metadata = draw(st.sampled_from(({}, {"role": "db"}, {"vmpath:mode": "pre-copy"})))
    more: dict[str, Any] = {}
    reasons: list[str] = []
    host: str | None = at.name
    if draw(st.booleans()):
        status = draw(st.sampled_from(sorted(STATUSES)))
        task, placed, why = STATUSES[status]
        more |= {"status": status, "task_state": task}
        reasons.append(why)
        host = at.name if placed else None
    elif draw(st.booleans()):
        more["status"] = "PAUSED"
    if draw(st.booleans()):
        more["locked"] = True
        reasons.append("it is locked")
    # few enough for the smallest host to have them
    if host is not None and "nested" in at.extra and number < 3 and draw(st.booleans()):
        resources["VGPU"] = 1
        extra["scheduler_decides"] = [*extra.get("scheduler_decides", ()), GPU]
        reasons.append(f"it uses {GPU} of its host")
    if metadata.get("vmpath:mode") == "pre-copy":
        reasons.append(
            f"it forbids post-copy, and Nova may switch what leaves {at.name} to it when it takes too long: declare"
            f" post_copy_permitted = no or timeout_action = abort of an aggregate of {at.name}, if it is so"
        )
    if draw(st.booleans()):
        extra["extra_specs"] = {"aggregate_instance_extra_specs:ssd": "true"}
    named = any("os_distro" in aggregate.metadata for host in places for aggregate in host.aggregates)
    if named and draw(st.booleans()):
        extra["image_properties"] = {"os_distro": "windows"}
    if reasons:
        more |= {"movable": "no", "why_not": reasons[0]}
    return Instance(
        uuid=identity("instance", number),
        name=f"vm{number}",
        host=host,
        resources=resources,
        project_id=draw(st.sampled_from(("p1", "p2", "p3"))),
        flavor=f"flavor{number}",
        image=IMAGE,
        created_at="2026-01-01T00:00:00Z",
        metadata=metadata,
        tags=draw(st.sampled_from(((), ("web",)))),
        pinned_availability_zone=draw(st.sampled_from((None, "az1"))),
        required_traits=draw(st.sampled_from(((), ("CUSTOM_GOLD",)))),
        forbidden_traits=draw(st.sampled_from(((), ("CUSTOM_RUST",)))),
        post_copy="forbidden" if metadata.get("vmpath:mode") == "pre-copy" else "allowed",
        extra=extra,
        **more,
    )


@st.composite
def clouds(draw: st.DrawFn) -> Snapshot:
    places = tuple(draw(hosts(number)) for number in range(draw(st.integers(1, 4))))
    made = [draw(instances(number, places)) for number in range(draw(st.integers(1, 8)))]
    groups = []
    # three of each
    for number, members in enumerate((made[:3], made[3:6])):
        if len(members) < 3:
            continue
        policy = draw(st.sampled_from(("anti-affinity", "soft-affinity", "soft-anti-affinity", "affinity")))
        name = f"group{number}"
        groups.append(
            ServerGroup(
                identity("group", number),
                policy,
                tuple(each.uuid for each in members),
                name=name,
                rules=Rules(2) if policy == "anti-affinity" else None,
            )
        )
        if policy == "affinity":
            why = f"it belongs to the strict affinity group {name}, whose members Nova admits only where they are"
            # other reasons that have to do with its host are told only after that
            made = [
                msgspec.structs.replace(each, movable="no", why_not=why)
                if each in members and (each.why_not is None or each.why_not.startswith(("it uses ", "it forbids ")))
                else each
                for each in made
            ]
    extra: dict[str, Any] = {}
    if draw(st.booleans()):
        extra = {"shared_disk": {"total": 9000, "reserved": 5, "allocation_ratio": 1.5}}
    return Snapshot(hosts=places, instances=tuple(made), server_groups=tuple(groups), extra=extra)


def as_read(cloud: Snapshot) -> Snapshot:
    """What a reading makes of it: devices summed up for each host, shared disks of no host."""
    change = msgspec.structs.replace
    shared = "shared_disk" in cloud.extra
    read = []
    for host in cloud.hosts:
        cards = host.extra.get("nested", {})
        inventories = {name: each for name, each in host.inventories.items() if not (shared and name == "DISK_GB")}
        if len(cards) == 1:
            inventories["VGPU"] = Inventory(total=3, max_unit=2147483647)
        elif cards:
            inventories["VGPU"] = Inventory(capacity=3 * len(cards), max_unit=2147483647)
        traits = {*host.traits, *(trait for card in cards.values() for trait in card.get("traits", ()))}
        read.append(change(host, inventories=inventories, traits=tuple(sorted(traits)), extra={}))
    instances = []
    for each in cloud.instances:
        if shared and each.host is not None:
            reasons = (*each.extra.get("scheduler_decides", ()), "DISK_GB of a provider that hosts share")
            kept = {name: amount for name, amount in each.resources.items() if name != "DISK_GB"}
            each = change(each, resources=kept, extra={**each.extra, "scheduler_decides": list(reasons)})
        if each.why_not is not None and each.why_not.startswith("it forbids post-copy"):
            # nothing is declared: that is feared rather than known
            each = change(each, extra={**each.extra, HELD_BY_CAUTION: True})
        instances.append(each)
    return change(cloud, hosts=tuple(read), instances=tuple(instances), extra={})


def brief(value: Snapshot) -> Snapshot:
    """Its essence, with reasons cut short where they begin to give advice."""
    shown = essence(value)
    cut = [
        msgspec.structs.replace(each, why_not=each.why_not.partition(";")[0]) if each.why_not else each
        for each in shown.instances
    ]
    return msgspec.structs.replace(shown, instances=tuple(cut))


# Not shrunk: each example starts a cloud.
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(clouds())
def test_what_is_put_in_is_read_back(cloud: Snapshot) -> None:
    expected = brief(as_read(cloud))
    with SimulatedCloud(cloud, settings=Settings(hypervisor_domain=".example.org")) as simulated:
        vmpath = reader(simulated, page=3)
        read = vmpath.read()
        assert brief(read) == expected
        assert not list(snapshot_problems(read))
        before = vmpath.requests_sent()
        assert brief(vmpath.read()) == expected
        # eleven lists, a page for every three servers and hypervisors, the providers of hosts where others hold
        # something, shared disk
        providers = sum(1 + len(host.extra.get("nested", {})) for host in cloud.hosts)
        assert vmpath.requests_sent() - before <= 11 + 3 + 2 + providers + 3 * len(cloud.extra)
