"""Saying why instances found no place, by how much of what, and what would help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vmpath_service.policies.board import Board


def why_nowhere(board: Board, guest: int) -> str:
    """Why none of the destinations takes the instance now, the commonest obstacles first."""
    cloud = board.cloud
    if not board.destinations:
        return "there is no other host, up and enabled, within the scope"
    reasons: Counter[str] = Counter()
    nearest: tuple[float, str] | None = None
    home = cloud.home[guest]
    for host in board.destinations:
        if (refusal := cloud.refusal(guest, host) or cloud.passage_refusal(home, host)) is not None:
            reasons[f"refused, for instance because {refusal}"] += 0
            reasons["refused"] += 1
            continue
        missing = _missing(board, guest, host)
        if missing:
            share, name, amount = missing
            reasons["without room"] += 1
            candidate = (share, f"{cloud.snapshot.hosts[host].name} is {amount} {name} short")
            nearest = candidate if nearest is None else min(nearest, candidate)
        elif counter := _full_counter(board, guest, host):
            reasons[f"already with as many of {counter} as allowed"] += 1
        else:
            reasons["vetoed by a constraint"] += 1
    example = next((text for text in reasons if text.startswith("refused, ")), None)
    parts = []
    for text, count in reasons.most_common():
        if text == "refused" and example:
            parts.append(f"{count} {example}")
        elif text == "without room" and nearest:
            parts.append(f"{count} without room (nearest: {nearest[1]})")
        elif not text.startswith("refused, "):
            parts.append(f"{count} {text}")
    return f"none of {len(board.destinations)} hosts takes it: {'; '.join(parts)}"


def sentence(board: Board, movers: Sequence[int], unplaced: Sequence[int], sources: Sequence[int]) -> str:
    """What is missing in total for the instances that found no place, and what would help."""
    cloud = board.cloud
    hosts = cloud.snapshot.hosts
    lacking = []
    for at, name in enumerate(cloud.dimensions):
        wanted = sum(cloud.demand(guest)[at] for guest in unplaced)
        free = sum(max(0, board.limits[host][at] - board.accounts.used[host][at]) for host in board.destinations)
        if wanted > free:
            lacking.append(f"{wanted - free} {name} too little ({wanted} wanted, {free} free)")
    head = f"{len(unplaced)} of {len(movers)} instances to be moved find no place"
    if lacking:
        middle = f"the other hosts have {' and '.join(lacking)}"
    else:
        first = unplaced[0]
        middle = (
            "there is enough free in total, but not where they may go: "
            f"{cloud.snapshot.instances[first].label()}: {why_nowhere(board, first)}"
        )
    idle = [
        host.name
        for at, host in enumerate(hosts)
        if at not in sources and not host.receives() and any(board.limits[at])
    ]
    if idle:
        shown = ", ".join(idle[:3]) + (" or others" if len(idle) > 3 else "")
        remedy = f"to bring up or enable {shown} would help, or to move or delete instances elsewhere"
    else:
        remedy = "another host would help, or to move or delete instances elsewhere"
    return f"{head}: {middle}; {remedy}"


def limited(left: int, limit: int) -> str:
    """What a limit on migrations has cost."""
    return f"{left} more migrations are wanted than max_migrations = {limit} allows; run it again, or raise it"


def held_back(left: int, why: str) -> str:
    """What other guards have cost."""
    return f"{left} more migrations are wanted than the guards allow ({why}); run it again, or loosen them"


def _missing(board: Board, guest: int, host: int) -> tuple[float, str, int] | None:
    """The class most short: its share of the capacity, name and amount; None if there is room."""
    worst: tuple[float, str, int] | None = None
    cloud = board.cloud
    row, limit = board.accounts.used[host], board.limits[host]
    for name, used, amount, most in zip(cloud.dimensions, row, cloud.demand(guest), limit, strict=True):
        if amount and used + amount > most:
            short = used + amount - most
            found = (short / max(1, most), name, short)
            worst = found if worst is None else max(worst, found)
    return worst


def _full_counter(board: Board, guest: int, host: int) -> str | None:
    cloud = board.cloud
    for counter in cloud.counters_of.get(guest, ()):
        if board.accounts.counts[counter].get(host, 0) >= cloud.counter_limits[counter]:
            return cloud.counter_names[counter]
    return None
