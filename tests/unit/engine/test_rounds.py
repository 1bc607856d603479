"""Which hosts are emptied together, and the bounds beside that."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import pytest

from benchmarks.rolling import fleet, look_at, problems
from tests.clouds import cloud
from vmpath_service.engine.maintenance.room import Terms, closed_parts
from vmpath_service.engine.maintenance.rounds import Look, Step, bounds, next_round, outlook, roll
from vmpath_service.engine.planning import Job
from vmpath_service.model import files
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.constraints import registry as constraints
from vmpath_service.model.options import read_options
from vmpath_service.model.plan import Limits
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.policies import registry as policies
from vmpath_service.policies.base import Scope


def look(snapshot: Snapshot, hosts: Sequence[str], terms: Terms | None = None) -> Look:
    settings = read_options(policies.find("drain").declared(), {}, texts=False, where="policy drain")
    job = Job(files.encode(snapshot), "drain", "drain", settings, Scope(), Limits(), constraints.make())
    return Look(job, tuple(hosts), terms or Terms(rolling=True))


def rounds_of(snapshot: Snapshot, hosts: Sequence[str], terms: Terms | None = None) -> list[Sequence[str]]:
    return [each.hosts for each in outlook(look(snapshot, hosts, terms), snapshot).rounds]


@pytest.mark.parametrize(("fill", "seed", "most"), [(0.7, 1, None), (0.7, 2, 3), (0.5, 3, None), (0.85, 4, None)])
def test_a_whole_cloud_is_rolled_through_with_few_moves(fill: float, seed: int, most: int | None) -> None:
    snapshot = fleet(30, 300, fill, seed)
    wanted = look_at(snapshot, most)
    steps = [step for step in roll(wanted, snapshot) if isinstance(step, Step)]
    least = bounds(wanted, snapshot, steps)
    moves = sum(len(step.plan.migrations) for step in steps)
    assert list(problems(snapshot, steps)) == []
    assert least.rounds <= len(steps) <= least.rounds + (fill > 0.8)
    assert least.migrations <= moves <= 1.5 * len(snapshot.instances)
    assert least.seconds <= sum(step.plan.summary.makespan_s for step in steps)
    assert max(len(step.hosts) for step in steps) <= (most or 30)


def test_instances_go_where_they_can_stay() -> None:
    hosts = dict.fromkeys("abcd", 10)
    instances = {f"{name}{at}": (name, 3) for name in "abcd" for at in range(2)}
    snapshot = cloud(hosts, instances)
    # only a and b are to be emptied: c and d are not, so nothing has to move twice
    found = outlook(look(snapshot, "ab", Terms(rolling=True, max_hosts=1)), snapshot)
    assert (len(found.rounds), found.fewest_rounds) == (2, 2)
    assert (found.migrations, found.fewest_migrations) == (4, 4)


def test_hosts_are_shared_out_evenly_among_the_fewest_rounds() -> None:
    # 14 of 70 are taken: up to five at a time, but two rounds it takes anyway
    snapshot = cloud(dict.fromkeys("abcdefg", 10), {name: (name, 2) for name in "abcdefg"})
    assert sorted(map(len, rounds_of(snapshot, "abcdefg"))) == [3, 4]
    assert max(map(len, rounds_of(snapshot, "abcdefg", Terms(rolling=True, max_hosts=3)))) == 3


def test_groups_bound_the_rounds() -> None:
    names = "abcdef"
    snapshot = cloud(dict.fromkeys(names, 100), {name: (name, 1) for name in "abcd"}, apart={"g": list("abcd")})
    found = outlook(look(snapshot, names), snapshot)
    assert found.fewest_rounds == len(found.rounds) == 3
    assert all(len(each.hosts) == 2 for each in found.rounds)


@pytest.mark.parametrize(
    ("size", "each", "fewest"),
    [
        # by their sum two of four hosts could be empty at once; of these instances two fit on no host
        (6, 1, 4),
        # of these two fit on a host, not three: six of them need three hosts
        (4, 2, 4),
        (5, 1, 2),
    ],
)
def test_instances_of_which_few_fit_on_a_host_bound_the_rounds(size: int, each: int, fewest: int) -> None:
    guests = {f"{name}{number}": (name, size) for name in "abc" for number in range(each)}
    snapshot = cloud(dict.fromkeys("abcd", 10), guests)
    found = outlook(look(snapshot, "abcd"), snapshot)
    assert found.fewest_rounds == fewest
    assert len(found.rounds) >= fewest
    assert found.short is None


def test_a_zone_that_nothing_leaves_bounds_the_rounds_by_itself() -> None:
    zones = {"abc": "full", "defghi": "idle"}
    of_host = {name: {"availability_zone": zone} for names, zone in zones.items() for name in names}
    guests = {name: (name, 5) for name in "abcd"} | {"a2": ("a", 4)}
    pinned = {
        guest: {"pinned_availability_zone": of_host[host]["availability_zone"]} for guest, (host, _) in guests.items()
    }
    snapshot = cloud(dict.fromkeys("abcdefghi", 10), guests, of_host=of_host, of_instance=pinned)
    wanted = look(snapshot, "abcdefghi")
    compiled = compile_cloud(snapshot, wanted.job.constraints)
    named = ["".join(sorted(snapshot.hosts[host].name for host in part)) for part in closed_parts(compiled)]
    assert sorted(named) == ["abc", "defghi"]
    found = outlook(wanted, snapshot)
    # by the sums of the whole cloud two rounds would do
    assert found.fewest_rounds == len(found.rounds) == 3
    # an instance that may be anywhere joins them
    free = cloud(dict.fromkeys("abcdefghi", 10), guests, of_host=of_host)
    assert len(closed_parts(compile_cloud(free, wanted.job.constraints))) == 1


def test_a_host_that_holds_more_than_it_may_says_nothing_of_what_fits() -> None:
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("a", 6)})
    assert bounds(look(snapshot, "bc"), snapshot, ()).rounds == 1


def test_what_is_on_hosts_that_take_nothing_in_may_leave_last() -> None:
    guests = {name: (name, 10) for name in "abc"}
    snapshot = cloud(dict.fromkeys("abcdefg", 10), guests, disabled=["a", "b", "c"])
    found = outlook(look(snapshot, "abcdefg"), snapshot)
    # the empty ones at once, then the others onto them
    assert found.fewest_rounds <= 2


def test_a_host_that_cannot_be_emptied_comes_last_and_is_named() -> None:
    snapshot = cloud(
        dict.fromkeys("abcd", 10),
        {"x": ("a", 2), "y": ("b", 2), "z": ("c", 2)},
        immovable=["y"],
        of_instance={"y": {"why_not": "it is locked"}},
    )
    found = outlook(look(snapshot, "abc"), snapshot)
    assert sorted(name for each in found.rounds for name in each.hosts) == ["a", "c"]
    assert found.short is not None
    assert "it is locked" in found.short
    accepted = outlook(look(snapshot, "abc", Terms(rolling=True, leftovers="accept")), snapshot)
    assert sorted(name for each in accepted.rounds for name in each.hosts) == ["a", "b", "c"]
    assert accepted.short is None


def test_all_at_once_or_not_at_all_where_it_is_not_rolling() -> None:
    snapshot = cloud(dict.fromkeys("abc", 10), {name: (name, 6) for name in "abc"})
    found = outlook(look(snapshot, "ab", Terms()), snapshot)
    assert found.rounds == ()
    assert found.short is not None
    assert isinstance(next_round(look(snapshot, "ab"), snapshot, "ab"), str)


def test_hosts_that_take_nothing_in_cost_no_room_when_they_are_emptied() -> None:
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10, "d": 10}, {"x": ("a", 5), "y": ("b", 5), "z": ("c", 5)}, disabled=["a", "b"]
    )
    found = outlook(look(snapshot, "ab"), snapshot)
    assert [each.hosts for each in found.rounds] == [("a", "b")]
    assert found.fewest_rounds == 1


def test_large_hosts_go_with_small_ones_that_fill_up_the_round() -> None:
    sizes = {"a": 20, "b": 20, "c": 10, "d": 10}
    snapshot = cloud(sizes, {name: (name, size // 2) for name, size in sizes.items()})
    found = outlook(look(snapshot, "abcd"), snapshot)
    assert found.fewest_rounds == len(found.rounds) == 2


def test_the_time_is_that_of_the_migrations_and_of_the_work() -> None:
    snapshot = cloud(dict.fromkeys("abc", 10000), {name: (name, 1000) for name in "abc"})
    found = outlook(look(snapshot, "abc", Terms(rolling=True, max_hosts=1, duration_s=100.0)), snapshot)
    # 1000 MiB at 8000 Mbit/s: a second each
    assert 303 <= found.least_seconds <= found.seconds <= 310
    assert "3 rounds (at least 3)" in found.in_words()


def test_of_rounds_that_do_not_all_fit_no_figure_is_below_its_bound() -> None:
    snapshot = cloud({"a": 10, "b": 12, "c": 10}, {"a": ("a", 4), "b": ("b", 12)})
    found = outlook(look(snapshot, "ab", Terms(rolling=True, duration_s=100.0)), snapshot)
    assert [each.hosts for each in found.rounds] == [("a",)]
    assert found.short is not None
    assert found.in_words().startswith(f"1 of at least {found.fewest_rounds} rounds fit, at least ")


def test_what_was_foretold_stands_as_long_as_it_fits() -> None:
    snapshot = cloud(dict.fromkeys("abcd", 10), {name: (name, 4) for name in "abcd"})
    told = (("b", "c"), ("a",), ("d",))
    wanted = look(snapshot, "abcd")
    assert [each.hosts for each in outlook(dataclasses.replace(wanted, foretold=told), snapshot).rounds] == list(told)
    full = cloud(dict.fromkeys("abcd", 10), {"a": ("a", 4), "b": ("b", 9), "c": ("c", 9), "d": ("d", 1)})
    found = outlook(dataclasses.replace(look(full, "abcd"), foretold=told), full)
    assert found.rounds[0].hosts != told[0]
    others = dataclasses.replace(look(snapshot, "ab"), foretold=told)
    assert {name for each in outlook(others, snapshot).rounds for name in each.hosts} == {"a", "b"}


def small(seed: int) -> tuple[Snapshot, list[str]]:
    """Any small cloud, some hosts disabled, overfull, of other sizes or in zones of their own; the hosts to empty."""
    chance = random.Random(seed)
    names = "abcdef"[: chance.randint(3, 6)]
    sizes = {name: chance.choice([10, 10, 20]) for name in names}
    guests: dict[str, tuple[str, int]] = {}
    for name in names:
        left = sizes[name] + (3 if chance.random() < 0.1 else 0)
        for number in range(chance.randint(0, 3)):
            if (size := chance.randint(2, 7)) <= left:
                guests[f"{name}{number}"] = (name, size)
                left -= size
    zones = {name: {"availability_zone": chance.choice(["z1", "z2"])} for name in names}
    pinned = {
        guest: {"pinned_availability_zone": zones[host]["availability_zone"]}
        for guest, (host, _) in guests.items()
        if chance.random() < 0.5
    }
    disabled = [name for name in names if chance.random() < 0.15]
    found = cloud(sizes, guests, disabled=disabled, of_host=zones, of_instance=pinned if seed % 2 else None)
    return found, [name for name in names if chance.random() < 0.85] or list(names)


def test_no_choice_of_rounds_beats_the_bound() -> None:
    met = 0
    for seed in range(15):
        snapshot, hosts = small(seed)
        found = outlook(look(snapshot, hosts), snapshot)
        if found.short is None:
            assert len(found.rounds) >= found.fewest_rounds, seed
            met += len(found.rounds) == found.fewest_rounds
    assert met >= 7
