"""What each constraint admits, and what it comes down to in the compiled cloud."""

import pytest

from vmpath_service.model.compiled import NOWHERE, compile_cloud
from vmpath_service.model.constraints import registry
from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Counter, Dimension
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.model.snapshot import Aggregate, Host, InFlight, Instance, Inventory, Rules, ServerGroup, Snapshot


def host(name, memory=10, **values):
    return Host(name=name, inventories={"MEMORY_MB": Inventory(total=memory)}, **values)


def guest(uuid, where, memory=1, **values):
    return Instance(uuid=uuid, host=where, resources={"MEMORY_MB": memory}, **values)


def compiled(hosts, instances, **values):
    return compile_cloud(Snapshot(hosts=tuple(hosts), instances=tuple(instances), **values))


@pytest.mark.parametrize(
    ("instance", "elsewhere", "reason"),
    [
        ({"required_traits": ("SSD",)}, {}, "b lacks the trait SSD"),
        ({"required_traits": ("SSD",)}, {"traits": ("SSD",)}, None),
        ({"forbidden_traits": ("OLD",)}, {"traits": ("OLD",)}, "b has the forbidden trait OLD"),
        (
            {"pinned_availability_zone": "az1"},
            {"availability_zone": "az2"},
            "b is in zone az2, the instance is pinned to az1",
        ),
        ({"pinned_availability_zone": "az1"}, {}, "b is in no zone, the instance is pinned to az1"),
        ({"required_aggregates": ("gold",)}, {"aggregates": (Aggregate(name="gold"),)}, None),
        ({"required_aggregates": ("gold",)}, {}, "b is not in the aggregate gold"),
    ],
)
def test_filters(instance, elsewhere, reason):
    cloud = compiled([host("a"), host("b", **elsewhere)], [guest("i", "a", **instance)])
    assert cloud.refusal(0, 1) == reason
    assert cloud.admits(0, 1) is (reason is None)


@pytest.mark.parametrize(
    ("inventory", "amount", "reason"),
    [
        ({"max_unit": 3}, 4, "gives no more than 3 MEMORY_MB at once, asked for 4"),
        ({"min_unit": 5}, 4, "gives no less than 5 MEMORY_MB at once, asked for 4"),
        ({"step_size": 3}, 4, "gives MEMORY_MB in steps of 3, asked for 4"),
        ({"step_size": 2, "max_unit": 4}, 4, None),
        ({"max_unit": 3}, 0, None),
    ],
)
def test_units(inventory, amount, reason):
    other = Host(name="b", inventories={"MEMORY_MB": Inventory(total=10, **inventory)})
    cloud = compiled([host("a"), other], [guest("i", "a", amount)])
    assert cloud.refusal(0, 1) == (reason and f"b {reason}")


def test_a_class_that_a_host_lacks_has_no_capacity():
    cloud = compiled([host("a"), Host(name="b", inventories={})], [guest("i", "a")])
    assert cloud.capacity[1] == (0,)
    assert not Occupancy(cloud).fits(0, 1)
    assert cloud.refusal(0, 1) == "b has no MEMORY_MB"


@pytest.mark.parametrize(
    ("source", "dest", "reason"),
    [
        ({"hypervisor_version": 2}, {"hypervisor_version": 1}, "b has an older hypervisor than a"),
        ({"hypervisor_version": 1}, {"hypervisor_version": 2}, None),
        ({"hypervisor_version": 1}, {}, None),
        ({"hypervisor_type": "QEMU"}, {"hypervisor_type": "VMware"}, "b runs VMware, a runs QEMU"),
        ({"cell": "one"}, {"cell": "two"}, "b is in cell two, a in cell one"),
    ],
)
def test_passages_depend_on_the_host_that_an_instance_is_on(source, dest, reason):
    cloud = compiled([host("a", **source), host("b", **dest)], [guest("i", "a")])
    assert cloud.passage_refusal(0, 1) == reason
    assert cloud.may_pass(0, 1) is (reason is None)


def test_passage_is_free_where_no_pair_of_hosts_is_refused():
    assert compiled([host("a", cell="one"), host("b", cell="one")], []).free_passage()
    assert compiled([host("a", cell="one"), host("b")], []).free_passage()
    assert not compiled([host("a", cell="one"), host("b", cell="two")], []).free_passage()


def test_what_forbids_post_copy_goes_where_it_may_leave_again():
    declared = {"extra": {"declared": {"post_copy_permitted": "no"}}}
    hosts = [host("a", **declared), host("b", **declared), host("c")]
    cloud = compiled(hosts, [guest("i", "a", post_copy="forbidden"), guest("j", "a")])
    assert [cloud.admits(0, number) for number in range(3)] == [True, True, False]
    assert "could not leave again" in cloud.refusal(0, 2)
    assert cloud.mask(1) is None
    # where nothing at all is declared, nothing is known to choose by
    silent = compiled([host("a"), host("b")], [guest("i", "a", post_copy="forbidden")])
    assert silent.mask(0) is None


def group(policy, members, limit=None):
    return ServerGroup(uuid="g", policy=policy, members=members, rules=Rules(limit) if limit else None)


def test_anti_affinity_counts_members_on_a_host():
    instances = [guest("i", "a"), guest("j", "b"), guest("k", "c")]
    hosts = [host("a"), host("b"), host("c")]
    strict = Occupancy(compiled(hosts, instances, server_groups=(group("anti-affinity", ("i", "j")),)))
    assert not strict.fits(0, 1)
    assert strict.shortage(0, 1) == "b holds as many of server group g as it may"
    assert strict.fits(0, 2)
    strict.hold(1, 2)  # j is on its way to c: it counts at both ends
    assert not strict.fits(0, 1)
    assert not strict.fits(0, 2)
    strict.release(1, 1)
    assert strict.fits(0, 1)
    two = Occupancy(compiled(hosts, instances, server_groups=(group("anti-affinity", ("i", "j"), 2),)))
    assert two.fits(0, 1)


def test_members_of_a_strict_affinity_group_are_pinned_once_two_are_placed():
    hosts = [host("a"), host("b")]
    together = (group("affinity", ("i", "j")),)
    cloud = compiled(hosts, [guest("i", "a"), guest("j", "a")], server_groups=together)
    assert sorted(cloud.pinned) == [0, 1]
    assert "strict affinity" in cloud.pinned[0]
    alone = compiled(hosts, [guest("i", "a"), guest("j", None)], server_groups=together)
    assert alone.pinned == {}
    assert alone.home[1] == NOWHERE


def test_soft_groups_restrict_nothing():
    cloud = compiled(
        [host("a"), host("b")], [guest("i", "a"), guest("j", "b")], server_groups=(group("soft-affinity", ("i", "j")),)
    )
    assert cloud.pinned == {}
    assert Occupancy(cloud).fits(0, 1)


def test_an_instance_in_flight_counts_at_both_ends_and_is_pinned():
    cloud = compiled(
        [host("a"), host("b")],
        [guest("i", "a", 6), guest("j", "a", 5)],
        in_flight=(InFlight(instance="i", source="a", dest="b"),),
    )
    occupancy = Occupancy(cloud)
    assert occupancy.used == [[11], [6]]
    assert "being migrated from a to b" in cloud.pinned[0]
    assert not occupancy.fits(1, 1)


def test_what_others_hold_counts():
    cloud = compiled([host("a"), host("b", used_by_others={"MEMORY_MB": 10})], [guest("i", "a")])
    assert Occupancy(cloud).shortage(0, 1) == "b is 1 MEMORY_MB short"


def test_instances_of_equal_requirement_share_a_class():
    cloud = compiled([host("a")], [guest(f"i{n}", "a", 1 + n % 2) for n in range(10)])
    assert len(cloud.classes) == 2


class Licences(Constraint):
    """A third party's rule: hosts have licences, instances take them; two named ones never meet."""

    name = "licences"

    def compile(self, snapshot):
        return CompiledConstraint(
            dimensions=(
                Dimension(
                    "licences",
                    [each.extra.get("licences", 0) for each in snapshot.hosts],
                    [0] * len(snapshot.hosts),
                    [each.extra.get("licences", 0) for each in snapshot.instances],
                ),
            ),
            counters=(Counter("rivals", 1, ("i", "j")),),
            pinned={"k": "it is sacred"},
        )


def test_a_constraint_of_a_third_party_compiles_into_the_same_arrays():
    hosts = (host("a", extra={"licences": 1}), host("b", extra={"licences": 1}), host("c"))
    instances = (guest("i", "a", extra={"licences": 1}), guest("j", "b"), guest("k", "c"))
    cloud = compile_cloud(Snapshot(hosts=hosts, instances=instances), (*registry.make(), Licences()))
    occupancy = Occupancy(cloud)
    assert cloud.pinned == {2: "it is sacred"}
    assert occupancy.shortage(0, 2) == "c is 1 licences short"
    assert occupancy.shortage(0, 1) == "b holds as many of rivals as it may"


def test_constraints_are_found_by_name():
    assert [each.name for each in registry.make(("traits", "capacity"))] == ["traits", "capacity"]
    with pytest.raises(InvalidInput, match="there is no constraint 'trait'; did you mean 'traits'"):
        registry.make(("trait",))
