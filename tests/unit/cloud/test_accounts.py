from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from vmpath_service.cloud import accounts
from vmpath_service.cloud.accounts import Guest
from vmpath_service.model.snapshot import InFlight

SMALL = {"VCPU": 1, "MEMORY_MB": 1024}


def test_hosts_that_the_flavors_explain_need_no_second_look() -> None:
    guests = [Guest("x", "a", SMALL), Guest("y", "a", SMALL)]
    used = {"a": {"VCPU": 2, "MEMORY_MB": 2048, "DISK_GB": 0}, "b": {}}
    assert accounts.unexplained(used, guests, {}) == frozenset()
    settled = accounts.settle(guests, {}, {}, {})
    assert settled.resources == {"x": SMALL, "y": SMALL}
    assert settled.others == {}


def test_what_does_not_add_up_or_is_not_known_needs_one() -> None:
    guests = [Guest("x", "a", SMALL), Guest("y", "b", None)]
    used = {"a": {"VCPU": 2, "MEMORY_MB": 2048}, "b": {}, "c": {"VCPU": 1}, "d": {"VCPU": 0}}
    assert accounts.unexplained(used, guests, {}) == {"a", "b", "c"}


def test_a_live_migration_counts_once_per_end() -> None:
    guests = [Guest("x", "a", SMALL)]
    flights = {"x": InFlight("x", "a", "b", "m1")}
    used = {"a": SMALL, "b": SMALL}
    assert accounts.unexplained(used, guests, flights) == frozenset()
    settled = accounts.settle(guests, flights, {"m1": "x"}, {"a": {"m1": SMALL}, "b": {"x": SMALL}})
    assert settled.resources == {"x": SMALL}
    assert settled.others == {}
    assert not settled.misplaced
    assert not settled.unbacked


def test_an_unconfirmed_resize_still_holds_the_source() -> None:
    big = {"VCPU": 2, "MEMORY_MB": 2048}
    guests = [Guest("x", "b", big)]
    settled = accounts.settle(guests, {}, {"m1": "x"}, {"a": {"m1": SMALL}, "b": {"x": big}})
    assert settled.others == {"a": SMALL}
    assert settled.resources == {"x": big}


def test_a_resize_on_the_same_host_holds_both_shares() -> None:
    big = {"VCPU": 2, "MEMORY_MB": 2048}
    settled = accounts.settle([Guest("x", "a", big)], {}, {"m1": "x"}, {"a": {"m1": SMALL, "x": big}})
    assert settled.others == {"a": SMALL}


def test_what_a_broken_migration_left_on_the_target_is_used_by_others_and_said() -> None:
    guests = [Guest("x", "a", SMALL)]
    settled = accounts.settle(guests, {}, {"m1": "x"}, {"a": {"m1": SMALL}, "b": {"x": SMALL}})
    assert settled.others == {"b": SMALL}
    assert settled.resources == {"x": SMALL}
    assert settled.misplaced == {"x": "by migration m1"}
    settled = accounts.settle(guests, {}, {}, {"a": {}, "b": {"x": SMALL}})
    assert settled.others == {"b": SMALL}
    assert settled.misplaced == {"x": "on b"}


def test_an_evacuated_server_may_still_hold_its_dead_host() -> None:
    guests = [Guest("x", "a", SMALL)]
    holdings = {"b": {"x": SMALL}}
    assert accounts.strays(guests, {}, holdings) == {"x": ("a", "b")}
    settled = accounts.settle(guests, {}, {}, {**holdings, "a": {"x": SMALL}})
    assert settled.others == {"b": SMALL}
    assert not settled.misplaced


def test_a_larger_share_at_the_other_end_is_not_lost() -> None:
    big = {"VCPU": 2, "MEMORY_MB": 2048}
    flights = {"x": InFlight("x", "a", "b", "m1")}
    settled = accounts.settle(
        [Guest("x", "a", SMALL)], flights, {"m1": "x"}, {"a": {"m1": SMALL}, "b": {"x": big}}
    )
    assert settled.others == {"b": {"VCPU": 1, "MEMORY_MB": 1024}}


def test_a_server_without_an_allocation_counts_with_its_flavor() -> None:
    settled = accounts.settle([Guest("x", "a", SMALL)], {}, {}, {"a": {}})
    assert settled.resources == {"x": SMALL}
    assert settled.unbacked == ("x",)


HOSTS = ("a", "b", "c")
amounts = st.fixed_dictionaries({"MEMORY_MB": st.integers(1, 9)}, optional={"VCPU": st.integers(1, 3)})


@st.composite
def clouds(draw: st.DrawFn) -> tuple[list[Guest], dict[str, InFlight], dict[str, dict[str, dict[str, int]]]]:
    """Servers whose allocations may differ from their flavors, some in flight, and strangers."""
    guests, flights = [], {}
    held: dict[str, dict[str, dict[str, int]]] = {host: {} for host in HOSTS}
    for number in range(draw(st.integers(0, 6))):
        uuid, home = f"s{number}", draw(st.sampled_from(HOSTS))
        demand = draw(amounts)
        share = draw(st.one_of(st.just(demand), amounts))
        guests.append(Guest(uuid, home, draw(st.one_of(st.just(demand), st.none()))))
        dest = draw(st.sampled_from(HOSTS))
        if draw(st.booleans()) and dest != home:
            flights[uuid] = InFlight(uuid, home, dest, f"m{number}")
            held[home][f"m{number}"] = share
            held[dest][uuid] = share
        elif draw(st.integers(0, 9)):
            held[home][uuid] = share
    for number in range(draw(st.integers(0, 3))):
        held[draw(st.sampled_from(HOSTS))][f"stranger{number}"] = draw(amounts)
    return guests, flights, held


@settings(max_examples=200, deadline=None)
@given(clouds())
def test_every_host_counts_at_least_what_placement_counts_and_nothing_twice(
    cloud: tuple[list[Guest], dict[str, InFlight], dict[str, dict[str, dict[str, int]]]],
) -> None:
    guests, flights, held = cloud
    moved_by = {flight.migration: uuid for uuid, flight in flights.items() if flight.migration}
    used: dict[str, dict[str, int]] = {}
    for host, consumers in held.items():
        total: Counter[str] = Counter()
        for share in consumers.values():
            total.update(share)
        used[host] = dict(total)
    strange = accounts.unexplained(used, guests, flights)
    settled = accounts.settle(guests, flights, moved_by, {host: held[host] for host in strange})
    unbacked = set(settled.unbacked)
    for host in HOSTS:
        counted: Counter[str] = Counter(settled.others.get(host, {}))
        for guest in guests:
            if host in accounts.ends(guest, flights):
                counted.update(settled.resources[guest.uuid])
        for name in set(counted) | set(used[host]):
            assert counted[name] >= used[host].get(name, 0)
        assert all(value > 0 for value in settled.others.get(host, {}).values())
        backed = all(guest.uuid not in unbacked for guest in guests)
        known = all(guest.demand is not None for guest in guests)
        if backed and known and not flights:
            assert {k: v for k, v in counted.items() if v} == used[host]
