"""At which rate a live migration copies: the least of its shares of what it goes through.

The rate is fixed when copying starts, as the smallest of what the cloud allows one migration, and,
for either host and every link on the way, what it carries divided by the migrations then going
through it in the same direction. Migrations that start later do not slow earlier ones down.
"""

from __future__ import annotations

from vmpath_service.simulator.records import Host, Migration
from vmpath_service.simulator.world import World

Way = frozenset[tuple[str, bool]]


def rate_mb_s(world: World, migration: Migration) -> float:
    """MiB/s for a migration that is about to start copying."""
    rate = world.settings.migration_mbps
    mine = _way(world, migration)
    if any(_carries(world, place) is not None for place in mine):
        others = [_way(world, other) for other in _copying(world) if other is not migration]
        for place in mine:
            carries = _carries(world, place)
            if carries is not None:
                rate = min(rate, carries / (1 + sum(place in other for other in others)))
    return rate / 8


def _copying(world: World) -> list[Migration]:
    """The live migrations that copy; those that have ended are forgotten."""
    world.copying = {n for n in world.copying if world.migrations[n].phase == "copying"}
    return [world.migrations[number] for number in sorted(world.copying)]


def _way(world: World, migration: Migration) -> Way:
    """What a migration goes through, each with whether it is outward: links that only one end has."""
    source, target = world.hosts[migration.source], world.hosts[migration.target or ""]
    return _half(source, target, True) | _half(target, source, False)


def _half(host: Host, other: Host, outward: bool) -> Way:
    links = (f"link {link}" for link in host.links if link not in other.links)
    return frozenset((place, outward) for place in (f"host {host.name}", *links))


def _carries(world: World, place: tuple[str, bool]) -> float | None:
    """Mbit/s, or None where there is no limit."""
    kind, _, name = place[0].partition(" ")
    return world.settings.host_mbps if kind == "host" else world.links.get(name)
