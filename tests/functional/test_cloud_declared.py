"""What operators declare of aggregates, in what vmpath reads of a cloud."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tests.functional.conftest import Factory
from tests.functional.reading import notes_of, reader
from tests.functional.small_cloud import host, identity, instance, snapshot
from vmpath_service.model.declarations import Declaration, Declarations, declaration_of, departure_obstacle
from vmpath_service.model.errors import NoDecision
from vmpath_service.model.extras import wish
from vmpath_service.model.files import encode
from vmpath_service.model.snapshot import Aggregate, Snapshot, Storage
from vmpath_service.simulator.cloud import SimulatedCloud

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

PAUSING = Declaration(post_copy_permitted="no", storage="local", cell="one", max_concurrent=2)
DECLARED = Declarations({"pausing": PAUSING, "*": Declaration(cell="two", storage="shared")})


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    """Host a, declared to pause guests, and host b of which little is known; instances x and z forbid post-copy."""
    pre_copy = {"vmpath:mode": "pre-copy"}
    return simulated_cloud(
        snapshot(
            host("a", aggregates=(Aggregate("pausing"),)),
            host("b"),
            instance("x", "a", metadata=pre_copy, image="an-image"),
            instance("y", "b", image="an-image"),
            instance("z", "b", metadata=pre_copy, image="an-image"),
        )
    )


def test_hosts_and_instances_show_what_is_declared(cloud: SimulatedCloud) -> None:
    reading = reader(cloud, declarations=DECLARED).read_with_notes()
    hosts = {each.name: each for each in reading.snapshot.hosts}
    assert declaration_of(hosts["a"]) == PAUSING
    assert declaration_of(hosts["b"]) == Declaration(cell="two", storage="shared")
    assert {name: each.cell for name, each in hosts.items()} == {"a": "one", "b": "two"}
    found = {each.name: each for each in reading.snapshot.instances}
    assert {name: each.storage for name, each in found.items()} == {
        "x": Storage("local", 1),
        "y": Storage("shared"),
        "z": Storage("shared"),
    }
    assert {name: (each.post_copy, each.movable) for name, each in found.items()} == {
        "x": ("forbidden", "live"),
        "y": ("allowed", "live"),
        "z": ("forbidden", "no"),
    }
    assert "Nova may switch what leaves b to it" in (found["z"].why_not or "")
    # it is in the file, too: whoever plans or walks from it knows as much
    again = msgspec.json.decode(encode(reading.snapshot), type=Snapshot)
    assert [declaration_of(each) for each in again.hosts] == [declaration_of(each) for each in reading.snapshot.hosts]


def test_with_nothing_declared_what_forbids_post_copy_stays(cloud: SimulatedCloud) -> None:
    found = {each.name: each for each in reader(cloud).read().instances}
    assert {name: each.movable for name, each in found.items()} == {"x": "no", "y": "live", "z": "no"}
    assert found["y"].storage == Storage("unknown", 1)


def test_a_look_at_an_instance_tells_what_its_metadata_say_now(cloud: SimulatedCloud) -> None:
    vmpath = reader(cloud, declarations=DECLARED)
    x = identity("x")
    assert vmpath.read_instances([x])[x].post_copy == "forbidden"
    with cloud.world.lock:
        cloud.world.servers[x].metadata = {}
    seen = vmpath.read_instances([x])[x]
    assert seen.post_copy == "allowed"
    assert departure_obstacle(seen.post_copy, "b", Declaration()) is None


def test_a_look_at_an_instance_tells_that_it_is_not_to_be_moved_any_more(cloud: SimulatedCloud) -> None:
    vmpath, y = reader(cloud, declarations=DECLARED), identity("y")
    assert vmpath.read_instances([y])[y].why_not is None
    for change, said in (
        ({"metadata": {"vmpath:movable": "no"}}, "its metadata forbids it (vmpath:movable = no)"),
        ({"metadata": {}, "locked": True}, "it is locked; unlock it first"),
    ):
        with cloud.world.lock:
            for name, value in change.items():
                setattr(cloud.world.servers[y], name, value)
        assert vmpath.read_instances([y])[y].why_not == said


def test_what_a_flavor_says_to_vmpath_is_told(cloud: SimulatedCloud) -> None:
    with cloud.world.lock:
        server = cloud.world.servers[identity("y")]
        server.flavor = replace(server.flavor, extra_specs={"vmpath:mode": "post-copy", "other:key": "value"})
        cloud.world.touch(server)
    (found,) = [each for each in reader(cloud, declarations=DECLARED).read().instances if each.name == "y"]
    assert found.extra["flavor_wishes"] == {"vmpath:mode": "post-copy"}
    assert wish(found, "vmpath:mode") == "post-copy"


def test_what_is_declared_wrongly_is_said_or_stops_everything(cloud: SimulatedCloud) -> None:
    misspelt = Declarations({"pawsing": PAUSING})
    assert "[aggregate:pawsing] declares something of an aggregate" in notes_of(
        reader(cloud, declarations=misspelt).read_with_notes()
    )
    one_only = Declarations({"pausing": PAUSING})
    assert "of 1 hosts it is not declared in which cell they are, the first is b" in notes_of(
        reader(cloud, declarations=one_only).read_with_notes()
    )
    with cloud.world.lock:
        for aggregate in cloud.world.aggregates.values():
            aggregate.metadata = {"vmpath:cell": "elsewhere"}
    with pytest.raises(NoDecision, match="host a is in several cells"):
        reader(cloud, declarations=DECLARED).read()
