"""Why there is no path, in words: who is stuck, what is short where, and what would help."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.room import Room

SHOWN = 5


def proved(reasons: Sequence[str]) -> str:
    """Sentences of obstacles that were proved."""
    shown = "; ".join(reasons[:SHOWN])
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return f"no sequence of migrations exists: {shown}{more}"


def stuck(problem: Problem, room: Room, blocked: Sequence[int], verdict: str) -> str:
    """``verdict``, then what keeps the first of the blocked instances, and the amounts that are missing."""
    cloud = problem.cloud
    hosts, instances = cloud.snapshot.hosts, cloud.snapshot.instances
    sentences: list[str] = []
    least: list[int] | None = None
    for guest in blocked:
        host = problem.goal[guest]
        missing = [
            max(0, asked - free) if asked else 0
            for asked, free in zip(cloud.demand(guest), room.amounts(room.free[host]), strict=True)
        ]
        if any(missing) and (least is None or sum(missing) < sum(least)):
            least = list(missing)
        if len(sentences) < SHOWN:
            sentences.append(
                f"{instances[guest].label()} ({_amounts(problem, cloud.demand(guest))}) waits on"
                f" {hosts[room.where[guest]].name} for {hosts[host].name}, {_shortage(problem, room, guest, missing)}"
            )
    more = f"; and {len(blocked) - SHOWN} more instances wait" if len(blocked) > SHOWN else ""
    text = f"{verdict}: " + "; ".join(sentences) + more
    smallest = min(blocked, key=lambda guest: (problem.weight(guest), guest), default=None)
    if least is not None:
        text += f". It would help to free {_amounts(problem, least)} on the host that is least short"
        if smallest is not None:
            text += f", or to add a host with room for {_amounts(problem, cloud.demand(smallest))}"
    elif smallest is not None:
        text += ". It would help to add a host that admits one of them, or to change the target"
    return text


def _shortage(problem: Problem, room: Room, guest: int, missing: Sequence[int]) -> str:
    cloud, host = problem.cloud, problem.goal[guest]
    if any(missing):
        return f"which is {_amounts(problem, missing)} short"
    for counter in cloud.counters_of.get(guest, ()):
        if room.counts[counter].get(host, 0) >= cloud.counter_limits[counter]:
            return f"which holds as many of {cloud.counter_names[counter]} as it may"
    if not cloud.may_pass(room.where[guest], host):
        return f"but {cloud.passage_refusal(room.where[guest], host)}"
    if cloud.vetoes:
        return "which a constraint forbids at this moment"
    return "which has room for it"


def _amounts(problem: Problem, amounts: Sequence[int]) -> str:
    named = zip(amounts, problem.cloud.dimensions, strict=True)
    return " and ".join(f"{amount} {name}" for amount, name in named if amount) or "nothing"
