"""Who holds what on the hosts: Placement's figures explained by the listed servers. Pure arithmetic.

An instance counts with its resources on its host, and while it is being moved on the other end too; whatever
else Placement counts on a host is ``used_by_others``. During a move the server's own allocation is on the
destination already and the source's share is held under the migration's uuid; each is explained by the instance
once per end, so nothing counts twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from vmpath_service.model.snapshot import InFlight

Amounts = Mapping[str, int]
Holdings = Mapping[str, Mapping[str, Amounts]]
"""Per host, per consumer, what it holds there."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A listed server: its host, and what its flavor asks for (None where the flavor is not shown)."""

    uuid: str
    host: str
    demand: Amounts | None


@dataclass(frozen=True, slots=True)
class Accounts:
    """``resources`` per server, ``others`` per host, ``unbacked``: servers for which Placement holds nothing on
    their host, so that their flavor had to serve; ``misplaced``: servers that are not being moved and do not hold
    their place themselves, each with who does: a migration, or they themselves on another host."""

    resources: Mapping[str, Amounts]
    others: Mapping[str, Amounts]
    unbacked: tuple[str, ...]
    misplaced: Mapping[str, str]


def ends(guest: Guest, flights: Mapping[str, InFlight]) -> Iterator[str]:
    """The hosts where a server counts."""
    yield guest.host
    flight = flights.get(guest.uuid)
    if flight is not None:
        yield flight.dest if guest.host == flight.source else flight.source


def unexplained(
    used: Mapping[str, Amounts],
    guests: Collection[Guest],
    flights: Mapping[str, InFlight],
    suspected: Collection[str] = (),
) -> frozenset[str]:
    """The hosts whose use, as Placement counts it, is not just the sum of what the flavors there ask for.

    On all others every listed server holds what its flavor says and nothing else holds anything: there is no
    need to read who holds what. Hosts with a server of unknown flavor and the ``suspected`` are always among the
    answer, and with one end of a migration its other end: what an instance holds is to be known at both or at none.
    """
    expected: dict[str, dict[str, int]] = {host: {} for host in used}
    strange = set(suspected)
    for guest in guests:
        for host in ends(guest, flights):
            if host not in expected:
                continue
            if guest.demand is None:
                strange.add(host)
                continue
            sums = expected[host]
            for name, amount in guest.demand.items():
                sums[name] = sums.get(name, 0) + amount
    for host, amounts in used.items():
        if {name: amount for name, amount in amounts.items() if amount} != expected[host]:
            strange.add(host)
    links = [set(ends(guest, flights)) & used.keys() for guest in guests if guest.uuid in flights]
    while grown := [link for link in links if link & strange and not link <= strange]:
        strange.update(*grown)
    return frozenset(strange)


def strays(
    guests: Collection[Guest], flights: Mapping[str, InFlight], holdings: Holdings
) -> Mapping[str, tuple[str, str]]:
    """Servers that hold something on a host where they do not count, each with its own host and that one."""
    places = {guest.uuid: tuple(ends(guest, flights)) for guest in guests}
    return {
        consumer: (places[consumer][0], host)
        for host, consumers in holdings.items()
        for consumer in consumers
        if consumer in places and host not in places[consumer]
    }


def settle(
    guests: Collection[Guest],
    flights: Mapping[str, InFlight],
    moved_by: Mapping[str, str],
    holdings: Holdings,
) -> Accounts:
    """Resources of the servers and what others hold.

    ``holdings`` has the hosts whose allocations were read (at least the unexplained ones); on the others the
    flavors are the truth. ``moved_by`` gives the server of a migration's uuid. Amounts are never negative.
    """
    resources: dict[str, Amounts] = {}
    unbacked: list[str] = []
    misplaced: dict[str, str] = {}
    held_for: dict[tuple[str, str], str] = {}
    for host, consumers in holdings.items():
        for consumer in consumers:
            server = moved_by.get(consumer)
            # one that is resized on its own host holds both shares itself: the migration's is another's
            if server is not None and server not in consumers:
                held_for[host, server] = consumer
    stray = strays(guests, flights, holdings)
    for guest in guests:
        there = holdings.get(guest.host)
        if there is None:
            resources[guest.uuid] = guest.demand or {}
            continue
        own = there.get(guest.uuid)
        if own is None and (guest.host, guest.uuid) in held_for:
            migration = held_for[guest.host, guest.uuid]
            own = there[migration]
            if guest.uuid not in flights:
                misplaced[guest.uuid] = f"by migration {migration}"
        if own is None:
            unbacked.append(guest.uuid)
            if guest.uuid in stray and guest.uuid not in flights:
                misplaced[guest.uuid] = f"on {stray[guest.uuid][1]}"
            own = guest.demand or {}
        resources[guest.uuid] = {name: amount for name, amount in own.items() if amount}
    counted = {(host, guest.uuid) for guest in guests for host in ends(guest, flights)}
    others: dict[str, Amounts] = {}
    for host, consumers in holdings.items():
        sums: dict[str, int] = {}
        for consumer, amounts in consumers.items():
            server = consumer
            if held_for.get((host, moved_by.get(consumer, ""))) == consumer:
                server = moved_by[consumer]
            explained = resources.get(server, {}) if (host, server) in counted else {}
            for name, amount in amounts.items():
                excess = amount - explained.get(name, 0)
                if excess > 0:
                    sums[name] = sums.get(name, 0) + excess
        if sums:
            others[host] = sums
    return Accounts(resources, others, tuple(unbacked), misplaced)
