"""What people see of the cloud and the policies."""

from tests.clouds import cloud
from vmpath_service.engine import views
from vmpath_service.engine.settings import PolicySection
from vmpath_service.model.constraints import registry
from vmpath_service.model.records import HostTrouble


def test_hosts_with_what_is_taken_at_both_ends_of_a_migration() -> None:
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10, "d": 10},
        {"x": ("a", 4), "y": ("a", 1)},
        in_flight={"x": ("a", "b")},
        down=["c"],
        disabled=["d"],
        of_host={"a": {"used_by_others": {"MEMORY_MB": 2}}, "d": {"disabled_reason": "broken fan"}},
    )
    shown = {host["name"]: host for host in views.hosts(snapshot)}
    assert (shown["a"]["capacity"], shown["a"]["used"], shown["a"]["instances"]) == (
        {"MEMORY_MB": 10},
        {"MEMORY_MB": 7},
        2,
    )
    assert (shown["b"]["used"], shown["b"]["instances"]) == ({"MEMORY_MB": 4}, 0)
    assert [shown[name]["why_not"] for name in "abcd"] == [None, None, "it is down", "it is disabled: broken fan"]


def test_a_host_in_quarantine_says_so() -> None:
    trouble = HostTrouble("a", 3, 1.0, 2.0, "it burns")
    (shown,) = views.hosts(cloud({"a": 10}, {}), {"a": trouble})
    assert shown["why_not"] == "it is in quarantine: 3 migrations failed in a row, the last: it burns"


def test_instances_with_what_keeps_them() -> None:
    snapshot = cloud(
        {"a": 10, "b": 10},
        {"x": ("a", 4), "y": ("a", 1), "p": ("b", 1), "q": ("b", 1)},
        immovable=["y"],
        together={"pair": ["p", "q"]},
        of_instance={"y": {"why_not": "it is locked"}},
    )
    shown = {instance["uuid"]: instance for instance in views.instances(snapshot, registry.make())}
    assert (shown["x"]["movable"], shown["x"]["why_not"]) == ("live", None)
    assert (shown["y"]["movable"], shown["y"]["why_not"]) == ("no", "it is locked")
    assert shown["p"]["movable"] == "no"
    assert "pair" in shown["p"]["why_not"]


def test_policies_with_the_values_that_hold() -> None:
    (shown,) = views.policies({"nightly": PolicySection("consolidate", {"max_migrations": 7})})
    assert (shown["name"], shown["driver"], shown["approval"]) == ("nightly", "consolidate", "manual")
    assert shown["settings"]["max_migrations"] == 7
    assert {option["name"] for option in shown["options"]} == set(shown["settings"])
