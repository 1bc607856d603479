"""Others at work in a simulated cloud: a world that moves by itself, as events of that world."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from vmpath_service.simulator import cold_migration, live_migration, server_life
from vmpath_service.simulator.chaos import BY_OTHERS, Chaos
from vmpath_service.simulator.flavors import flavor_of, resources_of
from vmpath_service.simulator.records import Server
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.world import World, uuid_of

HOUR_S = 3600.0


def unsettle(world: World, chaos: Chaos) -> None:
    """Let `chaos` reign from now on, instead of what did. Hold the world's lock."""
    world.disorder.change(chaos)
    for name in ("die", *BY_OTHERS):
        _schedule(world, name, world.disorder.epoch)


def repeat_request(world: World, server: Server, target: str | None) -> None:
    """A request to live-migrate has been accepted: chance may let it arrive once more, late."""
    if world.disorder.repeats(server.uuid):
        world.after(world.disorder.chaos.duplicate_after_s, _arrives_again, world, server, target)


def _arrives_again(world: World, server: Server, target: str | None) -> None:
    world.disorder.count("duplicate")
    if server.uuid in world.servers:
        with contextlib.suppress(Refused):
            live_migration.ask(world, server, target)


def _schedule(world: World, name: str, epoch: int) -> None:
    rate: float = getattr(world.disorder.chaos, name)
    if rate == 0:
        return
    many = len(world.hosts) if name == "die" else len(world.servers)
    # Even an empty cloud gets its first server some day.
    seconds = world.disorder.stream(name).expovariate(rate * max(1, many) / HOUR_S)
    world.after(seconds, _happen, world, name, epoch)


def _happen(world: World, name: str, epoch: int) -> None:
    if world.disorder.epoch != epoch:
        return
    # Chance may choose something that cannot be done: then nothing happens, as with people.
    with contextlib.suppress(Refused):
        if DEEDS[name](world):
            world.disorder.count(name)
    _schedule(world, name, epoch)


def _some_server(world: World, name: str) -> Server | None:
    order: Sequence[tuple[float, int, str]] = world.oldest_first
    if not order:
        return None
    return world.servers[world.disorder.stream(name).choice(order)[2]]


def _die(world: World) -> bool:
    chance = world.disorder.stream("die")
    host = world.hosts[chance.choice(list(world.hosts))]
    if not host.alive:
        return False
    server_life.kill_compute(world, host)
    seconds = chance.expovariate(1 / max(1e-3, world.disorder.chaos.dead_for_s))
    # It comes back whatever reigns by then.
    world.after(seconds, server_life.restart_compute, world, host)
    return True


def _create(world: World) -> bool:
    chance = world.disorder.stream("create")
    like = _some_server(world, "create")
    flavor = like.flavor if like is not None else chance.choice(list(world.flavors.values()))
    number = world.new_server_number()
    identity = uuid_of("server of others", f"{world.disorder.chaos.seed}:{number}")
    owner = like or next(iter(world.deleted.values()), None)
    server = Server(
        number=number,
        uuid=identity,
        name=f"others-{number}",
        project_id=owner.project_id if owner else uuid_of("project", "demo").replace("-", ""),
        user_id=owner.user_id if owner else uuid_of("user", "demo").replace("-", ""),
        host=None,
        flavor=flavor,
        resources=dict(like.resources) if like is not None else resources_of(flavor),
        created_at=world.now,
        updated_at=world.now,
    )
    server_life.boot(world, server, None)
    return True


def _delete(world: World) -> bool:
    server = _some_server(world, "delete")
    if server is None:
        return False
    server_life.delete(world, server)
    return True


def _resize(world: World) -> bool:
    server = _some_server(world, "resize")
    if server is None:
        return False
    factor = world.disorder.stream("resize").choice((0.5, 2))
    amounts = dict(server.resources)
    for kind in ("MEMORY_MB", "VCPU"):
        if kind in amounts:
            amounts[kind] = max(1, int(amounts[kind] * factor))
    specs = {k: v for k, v in server.flavor.extra_specs.items() if not k.startswith("resources:")}
    flavor = flavor_of(None, amounts, specs)
    if flavor.id == server.flavor.id:
        return False
    world.flavors.setdefault(flavor.id, flavor)
    cold_migration.ask(world, server, None, flavor)
    world.after(world.disorder.chaos.confirm_after_s, _confirm, world, server)
    return True


def _confirm(world: World, server: Server) -> None:
    if server.uuid in world.servers:
        with contextlib.suppress(Refused):
            cold_migration.confirm(world, server)


def _stop(world: World) -> bool:
    server = _some_server(world, "stop")
    if server is None:
        return False
    server_life.change_power(world, server, "os-start" if server.vm_state == "stopped" else "os-stop")
    return True


def _move(world: World) -> bool:
    server = _some_server(world, "move")
    if server is None:
        return False
    live_migration.ask(world, server, None)
    return True


DEEDS: dict[str, Callable[[World], bool]] = {
    "die": _die,
    "create": _create,
    "delete": _delete,
    "resize": _resize,
    "stop": _stop,
    "move": _move,
}
