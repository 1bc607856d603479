"""What an explanation says would help does help."""

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
