"""On small clouds, every policy against all placements there are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.small_clouds import best, legal, memory_moved, movable, moves, outcome, reachable, small
from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.policies.deciding import decide
from vmpath_service.policies.pages import PageModel, SharedMemory

SEEDS = st.integers(0, 100_000)
EXAMPLES = settings(max_examples=60, deadline=None)


@given(SEEDS)
@EXAMPLES
def test_drain_empties_as_much_as_possible_with_the_fewest_bytes(seed):
    compiled = small(seed)
    decision = decide(registry.make("drain"), compiled, Scope(hosts=("h0",)))

    def key(where):
        return sum(host == 0 for host in where), memory_moved(compiled, where)

    # nothing arrives on the host: it is disabled first
    states = reachable(compiled, movable(compiled), closed=(0,))
    assert key(outcome(compiled, decision)) == best(states, key)


@pytest.mark.parametrize("save", ["migrations", "memory"])
@given(SEEDS)
@EXAMPLES
def test_consolidate_uses_the_fewest_hosts_then_the_fewest_migrations(save, seed):
    compiled = small(seed)
    decision = decide(registry.make("consolidate", {"save": save}), compiled, Scope())

    def key(where):
        moved = moves(compiled, where)
        return len(set(where)), len(moved) if save == "migrations" else memory_moved(compiled, where)

    found = key(outcome(compiled, decision))
    assert found <= best(reachable(compiled, movable(compiled)), key)
    least = best(legal(compiled, movable(compiled)), key)
    assert found >= least
    bound = int(decision.notes[0].partition("less than ")[2].split()[0])
    assert bound <= least[0]


@given(SEEDS)
@EXAMPLES
def test_balance_is_the_best_for_what_a_migration_must_gain(seed):
    compiled = small(seed)
    for level, least in ((5, 0.001), (4, 1.0)):
        given_ = {"classes": ("MEMORY_MB", "VCPU"), "aggressiveness": level, "threshold": 0.0}
        policy = registry.make("balance", given_)
        try:
            decision = decide(policy, compiled, Scope())
        except InvalidInput:
            return
        hosts = [at for at, host in enumerate(compiled.snapshot.hosts) if host.receives()]
        guests = [guest for guest in movable(compiled) if compiled.home[guest] in hosts]

        def price(where):
            score = policy.score(compiled, where, Scope()).value  # noqa: B023
            return score * len(hosts) + least * len(moves(compiled, where))  # noqa: B023

        assert price(outcome(compiled, decision)) <= best(reachable(compiled, guests), price) + 1e-5


@pytest.mark.parametrize("name", ["spread", "gather"])
@pytest.mark.parametrize("level", ["host", "zone"])
@given(SEEDS)
@EXAMPLES
def test_spread_and_gather_leave_the_fewest_pairs(name, level, seed):
    compiled = small(seed)
    policy = registry.make(name, {"of": "metadata", "key": "a", "level": level})
    decision = decide(policy, compiled, Scope())
    hosts, instances = compiled.snapshot.hosts, compiled.snapshot.instances
    places = [host.name if level == "host" else host.availability_zone for host in hosts]
    kinds = [each.metadata["a"] for each in instances]

    def key(where):
        together = [
            places[where[one]] == places[where[two]]
            for one in range(len(where))
            for two in range(one)
            if kinds[one] == kinds[two]
        ]
        return together.count(name == "spread"), len(moves(compiled, where))

    members = [guest for guest in movable(compiled) if kinds.count(kinds[guest]) > 1]
    assert key(outcome(compiled, decision)) == best(reachable(compiled, members), key)


@given(SEEDS)
@EXAMPLES
def test_heal_repairs_the_most_with_the_fewest_migrations(seed):
    compiled = small(seed)
    policy = registry.make("heal")
    decision = decide(policy, compiled, Scope())

    def key(where):
        return policy.score(compiled, where, Scope()).value, len(moves(compiled, where))

    found, least = key(outcome(compiled, decision)), best(reachable(compiled, movable(compiled)), key)
    assert (round(found[0], 6), found[1]) == (round(least[0], 6), least[1])


def by_the_rule(compiled: CompiledCloud, share: float) -> list[tuple[int, int]]:
    """What the specification says, with nothing clever: the migrations in their order."""
    accounts = Occupancy(compiled)
    receiving = [at for at, host in enumerate(compiled.snapshot.hosts) if host.receives()]

    def fills(host, extra=None):
        row = list(accounts.used[host])
        if extra is not None:
            row = [used + more for used, more in zip(row, extra, strict=True)]
        return [used / most for used, most in zip(row, compiled.capacity[host], strict=True)]

    done: list[tuple[int, int]] = []
    for host in sorted(range(len(compiled.capacity)), key=lambda at: (-max(fills(at)), at)):
        while max(fills(host)) > share + 1e-12:
            worst = fills(host).index(max(fills(host)))
            hungry = sorted(
                (guest for guest in movable(compiled) if accounts.where[guest] == host == compiled.home[guest]),
                key=lambda guest: (-compiled.demand(guest)[worst], guest),
            )
            chosen = None
            for guest in hungry:
                asked = compiled.demand(guest)
                taking = [
                    (max(fill for fill, more in zip(fills(at, asked), asked, strict=True) if more), at)
                    for at in receiving
                    if at != host
                    and compiled.admits(guest, at)
                    and accounts.fits(guest, at)
                    and all(
                        accounts.used[at][number] + more <= int(compiled.capacity[at][number] * share)
                        for number, more in enumerate(asked)
                        if more
                    )
                ]
                if asked[worst] and taking:
                    chosen = guest, min(taking)[1]
                    break
            if chosen is None:
                break
            accounts.move(*chosen)
            done.append(chosen)
    return done


@given(SEEDS, st.sampled_from((40, 60, 75)))
@EXAMPLES
def test_threshold_follows_its_rule_step_by_step(seed, threshold):
    compiled = small(seed)
    decision = registry.make("threshold", {"threshold": float(threshold)}).decide(compiled, Scope())
    expected = {
        compiled.snapshot.instances[guest].uuid: compiled.snapshot.hosts[host].name
        for guest, host in by_the_rule(compiled, threshold / 100)
    }
    assert list(decision.placement.items()) == list(expected.items())


@given(SEEDS)
@EXAMPLES
def test_zone_migration_places_all_if_that_is_possible(seed):
    compiled = small(seed)
    names = [host.name for host in compiled.snapshot.hosts]
    policy = registry.make("zone-migration", {"from_hosts": ("h0",), "to_hosts": tuple(names[1:])})
    try:
        decision = decide(policy, compiled, Scope())
    except InvalidInput:
        assert not any(host.receives() for host in compiled.snapshot.hosts[1:])
        return
    leaving = [guest for guest in movable(compiled) if compiled.home[guest] == 0]
    states = reachable(compiled, leaving)
    assert sum(host == 0 for host in outcome(compiled, decision)) == min(sum(h == 0 for h in each) for each in states)


@given(SEEDS)
@EXAMPLES
def test_sharing_is_within_its_bounds(seed):
    compiled = small(seed)
    shares = {"os": 0.5}
    decision = decide(registry.make("sharing", {"shares": shares}), compiled, Scope())
    model = PageModel({"os": "os_type"}, shares)

    def real(where):
        return SharedMemory(compiled, model, where).used

    limits = [0.9 * host.inventories["MEMORY_MB"].limit() for host in compiled.snapshot.hosts]
    found = outcome(compiled, decision)
    arrived = {found[guest] for guest in moves(compiled, found)}
    assert all(real(found)[host] <= limits[host] for host in arrived)
    within = [
        len(set(each))
        for each in legal(compiled, movable(compiled))
        if all(
            used <= limits[host]
            for host, used in enumerate(real(each))
            if any(each[guest] == host for guest in moves(compiled, each))
        )
    ]
    assert min(within) <= len(set(found)) <= min(within) + 1
