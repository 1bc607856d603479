"""What an explanation says would help does help."""

import msgspec

from tests.clouds import cloud, target
from tests.unit.pathfinder.test_find_path import find

HOSTS = {"a": 10, "b": 10, "c": 10}
TWO = {"x": ("a", 8), "y": ("b", 8), "z": ("c", 3)}
SWAP = {"x": "b", "y": "a"}


def test_room_on_any_host_or_an_instance_shelved():
    said = find(cloud(HOSTS, TWO, immovable=["z"]), target(**SWAP)).explanation
    assert said.endswith(". It would help to have 6 MEMORY_MB more on any host, or to shelve z")
    assert find(cloud({**HOSTS, "a": 16}, TWO, immovable=["z"]), target(**SWAP)).outcome == "found"
    assert find(cloud(HOSTS, TWO, immovable=["z"]), target(**SWAP, z=None), departures=True).outcome == "found"


def test_room_on_the_hosts_of_one_zone():
    zones = {name: {"availability_zone": "az1" if name in "ab" else "az2"} for name in "abcd"}
    pinned = {name: {"pinned_availability_zone": "az1"} for name in "xy"}
    instances = {"x": ("a", 8), "y": ("b", 8)}
    said = find(cloud({**HOSTS, "d": 10}, instances, of_host=zones, of_instance=pinned), target(**SWAP)).explanation
    assert said.endswith(". It would help to have 6 MEMORY_MB more on any host of az1, or to shelve x")
    more = cloud({**HOSTS, "b": 16, "d": 10}, instances, of_host=zones, of_instance=pinned)
    assert find(more, target(**SWAP)).outcome == "found"


def test_who_had_better_stay():
    snapshot = cloud(HOSTS, {"x": ("a", 2), "y": ("b", 2)}, immovable=["x"])
    said = find(snapshot, target(x="b", y="c")).explanation
    assert said.endswith(". It would help to shelve x, or to leave x on a")
    assert find(snapshot, target(y="c")).outcome == "found"


def test_a_sibling_shelved():
    hosts = {f"h{number}": 10 for number in range(4)}
    instances = {f"i{number}": (f"h{number}", 1) for number in range(4)}
    said = find(cloud(hosts, instances, apart={"g": list(instances)}), target(i0="h1", i1="h0")).explanation
    assert said.endswith(". It would help to shelve i0")


def test_nothing_is_said_where_nothing_helps():
    hosts = {"a": 10, "b": 10, "c": 10}
    instances = {"x": ("a", 8), "y": ("b", 8), "v": ("c", 9), "w": ("c", 1)}
    plan = find(cloud(hosts, instances, immovable=["x", "y", "v", "w"]), target(x="b", y="a"))
    assert "would help" not in plan.explanation


def many(count, *, apart=None, immovable=(), **more):
    """So many hosts with an instance on each that is to go to the next one, and some more hosts and instances."""
    hosts = {f"h{number}": 10 for number in range(count)}
    instances = {f"i{number}": (f"h{number}", 4) for number in range(count)}
    way = {f"i{number}": f"h{(number + 1) % count}" for number in range(count)}
    return cloud({**hosts, **HOSTS}, {**instances, **more}, immovable=immovable, apart=apart), way


def test_in_a_big_cloud_room_where_the_biggest_are_to_go():
    snapshot, way = many(45, x=("a", 8), y=("b", 8), z=("c", 3), apart={"g": ["x", "y"]}, immovable=["z"])
    zones = {host.name: "az2" if host.name in HOSTS else "az1" for host in snapshot.hosts}
    pinned = {"x": "az2", "y": "az2"}
    snapshot = msgspec.structs.replace(
        snapshot,
        hosts=tuple(msgspec.structs.replace(host, availability_zone=zones[host.name]) for host in snapshot.hosts),
        instances=tuple(
            msgspec.structs.replace(instance, pinned_availability_zone=pinned.get(instance.uuid))
            for instance in snapshot.instances
        ),
    )
    plan = find(snapshot, target(**way, **SWAP))
    assert plan.outcome == "infeasible"
    assert plan.explanation.endswith("shelve x, or to leave x, y where they are")
    assert find(snapshot, target(**way)).outcome == "found"
    assert find(snapshot, target(**{**way, **SWAP, "x": None}), departures=True).outcome == "found"


def test_in_a_big_cloud_those_who_cannot_move_had_better_stay():
    snapshot, way = many(45, immovable=["i5", "i7"])
    plan = find(snapshot, target(**way))
    assert plan.outcome == "infeasible"
    assert plan.explanation.endswith("It would help to leave i5, i7 where they are")
    assert (
        find(snapshot, target(**{name: host for name, host in way.items() if name not in ("i5", "i7")})).outcome
        == "found"
    )
