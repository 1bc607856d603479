"""Hosts set apart by their aggregates, and the notation of extra specs."""

from typing import Any

import pytest

from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.constraints import registry
from vmpath_service.model.constraints.extra_specs import satisfies
from vmpath_service.model.constraints.isolation import IsolationConstraint
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import read_options
from vmpath_service.model.snapshot import Aggregate, Host, Instance, Inventory, Snapshot

MEMORY = {"MEMORY_MB": Inventory(total=10)}


def refusal(
    metadata: dict[str, str], instance: dict[str, Any], *others: dict[str, str], **settings: Any
) -> str | None:
    """Why host b, whose aggregates have this metadata, refuses the instance; ``others``: those of host a."""
    hosts = (
        Host("a", MEMORY, aggregates=tuple(Aggregate(f"a{n}", each) for n, each in enumerate(others))),
        Host("b", MEMORY, aggregates=(Aggregate("plain"), Aggregate("special", metadata))),
    )
    snapshot = Snapshot(hosts, (Instance("i", "a", {"MEMORY_MB": 1}, **instance),))
    cloud = compile_cloud(snapshot, registry.make(("isolation",), {"isolation": settings}))
    assert cloud.admits(0, 1) is (cloud.refusal(0, 1) is None)
    return cloud.refusal(0, 1)


@pytest.mark.parametrize(
    ("metadata", "project", "reason"),
    [
        ({}, "p", None),
        ({"filter_tenant_id": "p"}, "p", None),
        ({"filter_tenant_id": "o, p"}, "p", None),
        ({"filter_tenant_id": "o", "filter_tenant_id2": "p"}, "p", None),
        ({"filter_tenant_id": "o"}, "p", "b is kept for other projects by its aggregates (filter_tenant_id)"),
        ({"filter_tenant_id-x": "o"}, "p", "b is kept for other projects by its aggregates (filter_tenant_id)"),
        ({"filter_tenant_id": "o"}, None, "b is kept for other projects by its aggregates (filter_tenant_id)"),
    ],
)
def test_a_host_in_an_isolated_aggregate_takes_its_projects_only(metadata, project, reason):
    assert refusal(metadata, {"project_id": project}) == reason


def test_a_project_with_hosts_of_its_own_stays_on_them_unless_nova_is_said_not_to_mind():
    own = {"filter_tenant_id": "p"}
    said = "b is not among the hosts kept for project p (filter_tenant_id)"
    assert refusal({}, {"project_id": "p"}, own) == said
    assert refusal({}, {"project_id": "p"}, own, rules=("projects",)) is None
    assert refusal({}, {"project_id": "o"}, own) is None
    assert refusal({"filter_tenant_id": "p,o"}, {"project_id": "p"}, own) is None


@pytest.mark.parametrize(
    ("metadata", "specs", "refused"),
    [
        ({"ssd": "true"}, {"aggregate_instance_extra_specs:ssd": "true"}, False),
        ({"ssd": "false"}, {"aggregate_instance_extra_specs:ssd": "true"}, True),
        ({"ssd": "false, true"}, {"aggregate_instance_extra_specs:ssd": "true"}, False),
        ({}, {"aggregate_instance_extra_specs:ssd": "true"}, True),
        ({"cores": "8"}, {"aggregate_instance_extra_specs:cores": ">= 4"}, False),
        ({"cores": "2"}, {"aggregate_instance_extra_specs:cores": ">= 4"}, True),
        ({"ssd": "false"}, {"ssd": "true"}, True),
        ({}, {"ssd": "true"}, False),
        ({"ssd": "false"}, {"capabilities:ssd": "true"}, False),
    ],
)
def test_what_a_flavor_asks_of_aggregates_the_host_must_have(metadata, specs, refused):
    reason = refusal(metadata, {"extra": {"extra_specs": specs}})
    assert (reason is not None) is refused
    assert reason is None or "which the flavor asks for" in reason


def test_an_unscoped_key_counts_where_another_host_has_it():
    assert refusal({}, {"extra": {"extra_specs": {"ssd": "true"}}}, {"ssd": "true"}) is not None


@pytest.mark.parametrize(
    ("metadata", "properties", "refused"),
    [
        ({"os_type": "windows"}, {"os_type": "windows"}, False),
        ({"os_type": "windows,linux"}, {"os_type": "linux"}, False),
        ({"os_type": "windows"}, {"os_type": "linux"}, True),
        ({"os_type": "windows"}, {}, False),
        ({}, {"os_type": "linux"}, False),
    ],
)
def test_an_image_goes_where_the_aggregates_want_such(metadata, properties, refused):
    reason = refusal(metadata, {"extra": {"image_properties": properties}})
    assert (reason is not None) is refused


def test_an_aggregate_kept_for_a_trait_takes_only_what_requires_it():
    licensed = {"trait:CUSTOM_WINDOWS": "required"}
    assert refusal(licensed, {}) == "b is kept for instances that require the trait CUSTOM_WINDOWS"
    assert refusal(licensed, {"required_traits": ("CUSTOM_WINDOWS",)}) is None
    assert refusal(licensed, {}, rules=("projects",)) is None
    assert refusal({"trait:CUSTOM_WINDOWS": "preferred"}, {}) is None


@pytest.mark.parametrize(
    ("image", "settings", "refused"),
    [
        ("gold", {"isolated_images": ("gold",), "isolated_hosts": ("b",)}, False),
        ("gold", {"isolated_images": ("gold",), "isolated_hosts": ("a",)}, True),
        ("iron", {"isolated_images": ("gold",), "isolated_hosts": ("b",)}, True),
        ("iron", {"isolated_images": ("gold",), "isolated_hosts": ("b",), "restrict_isolated_hosts": False}, False),
        (None, {"isolated_hosts": ("b",)}, True),
        ("gold", {"isolated_images": ("gold",)}, False),
    ],
)
def test_isolated_images_run_on_isolated_hosts(image, settings, refused):
    assert (refusal({}, {"image": image}, **settings) is not None) is refused


def test_a_rule_that_does_not_exist_is_refused():
    with pytest.raises(InvalidInput, match="expected names separated by commas \\(projects, own-hosts"):
        read_options(IsolationConstraint.options, {"rules": "tenants"}, texts=True, where="[constraint:isolation]")


def test_extra_data_of_the_wrong_shape_are_named():
    with pytest.raises(InvalidInput, match=r"extra\.extra_specs of instance i: expected texts by name"):
        refusal({"ssd": "true"}, {"extra": {"extra_specs": ["ssd"]}})


@pytest.mark.parametrize(
    ("value", "requirement", "expected"),
    [
        ("true", "true", True),
        ("true", "True", False),
        ("", "", True),
        ("5", "= 4", True),
        ("3", "= 4", False),
        ("4", "== 4.0", True),
        ("4", "!= 4", False),
        ("3", ">= 4", False),
        ("3", "<= 4", True),
        ("much", ">= 4", False),
        ("4", ">=", False),
        ("a", "s== a", True),
        ("a", "s!= a", False),
        ("a", "s< b", True),
        ("b", "s<= b", True),
        ("b", "s> b", False),
        ("b", "s>= b", True),
        ("avx2", "<in> avx", True),
        ("sse", "<in> avx", False),
        ("avx2 aes", "<all-in> aes avx", True),
        ("avx2", "<all-in> aes avx", False),
        ("b", "<or> a <or> b", True),
        ("c", "<or> a <or> b", False),
        ("c", "<or>", False),
    ],
)
def test_extra_specs_are_read_as_nova_reads_them(value, requirement, expected):
    assert satisfies(value, requirement) is expected
