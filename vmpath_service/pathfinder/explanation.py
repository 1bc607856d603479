"""Why there is no path, in words: who is stuck, and what is short where."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model import extras
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room

SHOWN = 5


def proved(problem: Problem, reasons: Sequence[str]) -> str:
    """Sentences of obstacles that were proved, and what the proof rests on."""
    shown = "; ".join(reasons[:SHOWN])
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return _grounded(problem, f"no sequence of migrations exists: {shown}{more}")


def exhausted(problem: Problem, room: Room, blocked: Sequence[int], verdict: str) -> str:
    """As ``stuck``, where everything was searched, and what the proof rests on."""
    return _grounded(problem, stuck(problem, room, blocked, verdict))


def _grounded(problem: Problem, proof: str) -> str:
    caveat = resting_on(problem)
    return f"{proof}. {caveat}" if caveat else proof


def resting_on(problem: Problem) -> str | None:
    """What a proof that there is no path rests on, and does not, of what is not known for sure; None where all is.

    Amounts, filters and groups are necessary whatever Nova's scheduler thinks of NUMA nodes or devices: that cannot
    make a path of none. It is otherwise with instances that stay where they are by caution.
    """
    cloud = problem.cloud
    instances = cloud.snapshot.instances
    sentences = []
    held = [guest for guest in sorted(cloud.pinned) if extras.held_by_caution(instances[guest])]
    if held:
        sentences.append(
            f"This takes for granted that {_several(problem, held)} not moved, which is by caution and not known to be"
            f" impossible: {cloud.pinned[held[0]]}"
        )
    doubtful = [guest for guest in problem.movers if extras.undecided(instances[guest])]
    if doubtful:
        reasons = " and ".join(extras.undecided(instances[doubtful[0]]))
        sentences.append(
            f"It does not rest on what only Nova's scheduler can judge of {len(doubtful)} of the instances to be moved"
            f" (the first is {instances[doubtful[0]].label()}: {reasons})"
        )
    return ". ".join(sentences) or None


def _several(problem: Problem, guests: Sequence[int]) -> str:
    instances = problem.cloud.snapshot.instances
    shown = ", ".join(instances[guest].label() for guest in guests[:SHOWN])
    more = f" and {len(guests) - SHOWN} more" if len(guests) > SHOWN else ""
    return f"{shown}{more} {'is' if len(guests) == 1 else 'are'}"


def stuck(problem: Problem, room: Room, blocked: Sequence[int], verdict: str) -> str:
    """``verdict``, then what keeps the first of the blocked instances, and the amounts that are missing."""
    cloud = problem.cloud
    hosts, instances = cloud.snapshot.hosts, cloud.snapshot.instances
    sentences: list[str] = []
    for guest in blocked:
        host = problem.goal[guest]
        missing = [
            max(0, asked - free) if asked else 0
            for asked, free in zip(cloud.demand(guest), room.amounts(room.free[host]), strict=True)
        ]
        if len(sentences) < SHOWN:
            sentences.append(
                f"{instances[guest].label()} ({_amounts(problem, cloud.demand(guest))}) waits on"
                f" {hosts[room.where[guest]].name} for {hosts[host].name}, {_shortage(problem, room, guest, missing)}"
            )
    more = f"; and {len(blocked) - SHOWN} more instances wait" if len(blocked) > SHOWN else ""
    return f"{verdict}: " + "; ".join(sentences) + more


def held_back(problem: Problem, moves: Sequence[Move], most: int | None, memory_mb: int | None) -> str:
    """What stays misplaced after a sequence that limits on what is moved in all cut short."""
    limits = [f"{most} migrations"] if most is not None else []
    limits += [f"{memory_mb} MiB"] if memory_mb is not None else []
    return f"at most {' and '.join(limits)} were allowed: {_left(problem, moves)}"


def broken_off(problem: Problem, moves: Sequence[Move], why: str) -> str:
    """What stays misplaced after the best that was found until the search was ended."""
    return f"{why} before a whole path was found: {_left(problem, moves)}"


def _left(problem: Problem, moves: Sequence[Move]) -> str:
    """Who stays where, in a few words."""
    where = list(problem.cloud.home)
    for move in moves:
        where[move.guest] = move.dest
    hosts, instances = problem.cloud.snapshot.hosts, problem.cloud.snapshot.instances
    left = [guest for guest in problem.movers if where[guest] != problem.goal[guest]]
    left.sort(key=lambda guest: (-instances[guest].memory_mb(), guest))
    memory = sum(instances[guest].memory_mb() for guest in left)
    shown = ", ".join(f"{instances[guest].label()} on {hosts[where[guest]].name}" for guest in left[:SHOWN])
    more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
    of = f"{len(left)} of {len(problem.movers)} misplaced instances ({memory} MiB) stay where they are"
    return f"{of}: {shown}{more}" if left else "nothing stays misplaced"


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
