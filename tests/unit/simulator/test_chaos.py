"""Chance in the simulated cloud: what it is told to do, how often, and the same for the same seed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.simulator.test_world import check_books, make_world
from vmpath_service.simulator import live_migration, others
from vmpath_service.simulator.chaos import Chaos, at_rate, from_fields, parse
from vmpath_service.simulator.disorder import Disorder
from vmpath_service.simulator.world import World


def history(world: World) -> list[tuple[object, ...]]:
    """All that chance has an influence on."""
    servers = [(s.uuid, s.host, s.vm_state, s.task_state, s.flavor.name) for s in world.servers.values()]
    migrations = [(m.number, m.server, m.kind, m.status, m.target) for m in world.migrations.values()]
    return [*sorted(servers, key=str), *migrations, tuple(sorted(world.disorder.counted.items()))]


def disturbed(chaos: Chaos, hours: int = 6, step_s: float = 600) -> World:
    world, clock = make_world()
    others.unsettle(world, chaos)
    for _ in range(int(hours * 3600 / step_s)):
        clock.step(step_s)
        world.advance()
        check_books(world)
    return world


def test_a_world_that_moves_moves_alike_for_a_seed() -> None:
    first, again, other = (disturbed(at_rate(0.9, seed)) for seed in (3, 3, 4))
    assert history(first) == history(again) != history(other)
    assert {"create", "delete", "resize", "stop", "move", "die"} <= set(first.disorder.counted)


def test_it_moves_alike_however_often_it_is_looked_at() -> None:
    seldom = disturbed(at_rate(0.5, 1), hours=4, step_s=7200)
    often = disturbed(at_rate(0.5, 1), hours=4, step_s=100)
    assert history(seldom) == history(often)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), rate=st.floats(0.1, 1))
def test_the_books_are_right_whatever_chance_does(seed: int, rate: float) -> None:
    disturbed(at_rate(rate, seed), hours=2)


@pytest.mark.parametrize(
    ("name", "deed"),
    [
        ("create", lambda w: len(w.servers) > 6),
        ("delete", lambda w: len(w.servers) < 6),
        ("resize", lambda w: any(m.kind == "resize" and m.status == "confirmed" for m in w.migrations.values())),
        ("stop", lambda w: any(s.vm_state == "stopped" for s in w.servers.values())),
        ("move", lambda w: any(m.status == "completed" for m in w.migrations.values())),
        ("die", lambda w: w.disorder.counted["die"] > 2),
    ],
)
def test_each_deed_of_others_has_its_own_rate(name: str, deed: object) -> None:
    world = disturbed(from_fields({name: 2, "seed": 1}), hours=2)
    assert deed(world)  # type: ignore[operator]
    assert set(world.disorder.counted) == {name}


@pytest.mark.parametrize(
    ("name", "ends", "place"),
    [
        ("refuse", {"error"}, "h1"),
        ("fail_before", {"error", "failed"}, "h1"),
        ("fail_mid", {"error", "failed"}, "h1"),
        ("fail_after", {"error"}, "h2"),
        ("hang", {"running"}, "h1"),
    ],
)
def test_each_fate_of_migrations_has_its_own_rate(name: str, ends: set[str], place: str) -> None:
    world, clock = make_world()
    others.unsettle(world, from_fields({name: 1}))
    server = world.servers["s0"]
    live_migration.ask(world, server, "h2" if "s1" not in world.on_host["h2"] else "h3")
    clock.step(500)
    world.advance()
    assert world.migrations[1].status in ends
    assert (server.host == "h1") is (place == "h1")
    assert world.disorder.counted == {name: 1}


def test_dead_computes_come_back_when_peace_returns() -> None:
    world, clock = make_world()
    others.unsettle(world, Chaos(die=20, dead_for_s=10_000))
    clock.step(1800)
    world.advance()
    assert any(not host.alive for host in world.hosts.values())
    others.unsettle(world, Chaos())
    clock.step(200_000)
    world.advance()
    assert all(host.alive for host in world.hosts.values())
    assert world.next_event_in is None


def test_a_late_duplicate_moves_a_server_that_has_moved_on() -> None:
    world, clock = make_world()
    others.unsettle(world, Chaos(duplicate=1, duplicate_after_s=60))
    server = world.servers["s2"]
    for target in ("h1", "h2"):
        live_migration.ask(world, server, target)
        if target == "h1":
            others.repeat_request(world, server, target)
        clock.step(20)
        world.advance()
        assert server.host == target
    clock.step(40)
    world.advance()
    assert server.host == "h1"
    assert world.disorder.counted["duplicate"] == 1


def test_requests_meet_what_the_shares_say() -> None:
    disorder = Disorder(Chaos(seed=5, too_many=0.2, unavailable=0.1, drop_before=0.1, drop_after=0.1, slow=0.1))
    met = [disorder.request("GET", f"/servers/{number}") for number in range(2000)]
    share = {kind: sum(m is not None and m.kind == kind for m in met) / 2000 for kind in ("429", "503", "slow")}
    assert share["429"] == pytest.approx(0.2, abs=0.04)
    assert share["503"] == pytest.approx(share["slow"], abs=0.04)
    assert sum(m is None for m in met) / 2000 == pytest.approx(0.4, abs=0.05)
    assert all((m.retry_after_s == 1) == (m.kind in ("429", "503")) for m in met if m is not None)
    # The same requests, in another order.
    again = Disorder(disorder.chaos)
    turned = [again.request("GET", f"/servers/{number}") for number in reversed(range(2000))]
    assert turned[::-1] == met


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"rate": 1.1}, "from 0 to 1"),
        ({"rate": True}, "must be a number"),
        ({"seed": 0.5}, "whole number"),
        ({"explode": 1}, "no 'explode'"),
        ({"hang": -1}, "hang must be"),
        ({"hang": 0.6, "refuse": 0.6}, "more than 1 together"),
        ({"move": "often"}, "must be a number, not 'often'"),
    ],
)
def test_wrong_chaos_is_refused_with_a_reason(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        from_fields(given)


def test_options_of_a_command_line() -> None:
    assert parse([], 3) == Chaos(seed=3)
    assert parse(["0.1"], 3) == at_rate(0.1, 3)
    assert parse(["0.1", "hang=0", "move=4"], 3) == from_fields({"rate": 0.1, "hang": 0, "move": 4, "seed": 3})
    with pytest.raises(ValueError, match="RATE or NAME=NUMBER"):
        parse(["much"], 0)
