"""Any cloud that is put into the simulated one is read back over HTTP as it was."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functional.reading import essence, reader
from vmpath_service.model.declarations import EVERY_HOST, Declaration, Declarations, extra_of
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
    Aggregate("plain"),
)


def identity(kind: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{kind} {number}"))


# where nothing is declared, what forbids post-copy stays where it is
PAUSING = Declaration(post_copy_permitted="no")


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
    return Host(
        extra=extra_of(PAUSING),
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
    )


@st.composite
def instances(draw: st.DrawFn, number: int, places: int) -> Instance:
    cpus = draw(st.integers(1, 4))
    pinned = draw(st.booleans())
    locked = draw(st.booleans())
    metadata = draw(st.sampled_from(({}, {"role": "db"}, {"vmpath:mode": "pre-copy"})))
    more: dict[str, Any] = {}
    if locked:
        more = {"locked": True, "movable": "no", "why_not": "it is locked; unlock it first"}
    elif draw(st.booleans()):
        why = "it is stopped (SHUTOFF); vmpath:movable = cold would let vmpath move it"
        more = {"status": "SHUTOFF", "movable": "no", "why_not": why}
    if pinned:
        more["extra"] = {"scheduler_decides": ["pinned CPUs"]}
    return Instance(
        uuid=identity("instance", number),
        name=f"vm{number}",
        host=f"compute{draw(st.integers(0, places - 1))}",
        resources={
            "PCPU" if pinned else "VCPU": cpus,
            "MEMORY_MB": draw(st.integers(1, 4000)),
            "DISK_GB": draw(st.integers(1, 20)),
        },
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
        **more,
    )


@st.composite
def clouds(draw: st.DrawFn) -> Snapshot:
    places, guests = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    made = tuple(draw(instances(number, places)) for number in range(guests))
    groups = []
    if guests >= 4:
        policy = draw(st.sampled_from(("anti-affinity", "soft-affinity", "soft-anti-affinity")))
        groups.append(
            ServerGroup(
                identity("group", 1),
                policy,
                tuple(each.uuid for each in made[:3]),
                name="three",
                rules=Rules(2) if policy == "anti-affinity" else None,
            )
        )
    return Snapshot(
        hosts=tuple(draw(hosts(number)) for number in range(places)), instances=made, server_groups=tuple(groups)
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(clouds())
def test_what_is_put_in_is_read_back(cloud: Snapshot) -> None:
    with SimulatedCloud(cloud, settings=Settings(hypervisor_domain=".example.org")) as simulated:
        vmpath = reader(simulated, page=3, declarations=Declarations({EVERY_HOST: PAUSING}))
        read = vmpath.read()
        assert essence(read) == essence(cloud)
        assert not list(snapshot_problems(read))
        before = vmpath.requests_sent()
        assert essence(vmpath.read()) == essence(cloud)
        # eleven lists, a page for every three servers and hypervisors, hosts where others hold something
        assert vmpath.requests_sent() - before <= 11 + 3 + 2 + len(cloud.hosts)
