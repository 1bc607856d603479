"""Together what shares memory pages."""

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.policies.deciding import decide
from vmpath_service.policies.pages import PageModel, SharedMemory

LINUX = {"os_type": "linux", "os_distro": "debian", "os_version": "13"}
WINDOWS = {"os_type": "windows"}


def share(snapshot, **given):
    return decide(registry.make("sharing", given), compile_cloud(snapshot), Scope())


def fleet(metadata, ratio=2.0, memory=100, **more):
    """Three hosts with instances of 40 MiB: two on a and on b, one on c."""
    places = {"x1": "a", "x2": "a", "y1": "b", "y2": "b", "z": "c"}
    of_host = {
        name: {"inventories": {"MEMORY_MB": {"total": memory, "allocation_ratio": ratio}}} for name in "abc"
    }
    of_instance = {uuid: {"metadata": metadata.get(uuid, {})} for uuid in places}
    return cloud(
        dict.fromkeys("abc", memory),
        {uuid: (host, 40) for uuid, host in places.items()},
        of_host=of_host,
        of_instance=of_instance,
        **more,
    )


def test_pages_of_a_node_count_once_on_a_host():
    snapshot = fleet({"x1": LINUX, "x2": LINUX, "y1": WINDOWS})
    model = PageModel(
        {"os": "os_type", "distribution": "os_distro"}, {"os": 0.25, "distribution": 0.25}
    )
    real = SharedMemory(compile_cloud(snapshot), model, [0, 0, 1, 1, 2])
    # x1 and x2 share 10 of linux and 10 of debian; y1 and y2 share nothing
    assert real.used == [60, 80, 40]
    assert real.growth(0, 1) == 40
    real.remove(0, 0)
    assert (real.used[0], real.growth(0, 0)) == (40, 20)


def test_relatives_share_a_host_that_strangers_do_not_fit_on():
    alike = share(fleet(dict.fromkeys(("x1", "x2", "z"), LINUX)), shares={"os": 0.4, "version": 0.2})
    assert alike.placement == {"z": "a"}
    assert alike.notes == (
        "2 hosts in use; 3 if memory were packed as if nothing were shared",
        "48 MiB of 200 MiB (24%) are estimated to be shared",
    )
    assert alike.in_use["a"].endswith("(of 120 MiB there 48 are shared)")
    strangers = share(fleet({"x1": LINUX, "z": WINDOWS}), shares={"os": 0.4, "version": 0.2})
    assert strangers.placement == {}


def test_the_limit_on_real_memory_and_placements_capacity_both_hold():
    metadata = dict.fromkeys(("x1", "x2", "z"), LINUX)
    shares = {"os": 0.4, "version": 0.2}
    # 40 + 16 + 16 = 72 MiB of real memory, 120 MiB as Placement counts
    assert share(fleet(metadata), shares=shares, real_memory_limit=72).placement == {"z": "a"}
    assert share(fleet(metadata), shares=shares, real_memory_limit=71).placement == {}
    assert share(fleet(metadata, ratio=1.1), shares=shares).placement == {}


@pytest.mark.parametrize("shares", [{"kernel": 0.1}, {"os": 0.6, "image": 0.5}])
def test_shares_that_make_no_sense(shares):
    with pytest.raises(InvalidInput, match="must be for os, distribution, version, application, image"):
        share(fleet({}), shares=shares)
