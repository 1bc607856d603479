"""How evenly room is free: whether what is free of one resource class lies where the others are free too.

On a host with memory left and no VCPU, nobody who waits has room, however much is free in all. Where many hosts are
like that, most of what is free is of no use to anybody.
"""

from __future__ import annotations

from collections import Counter

from vmpath_service.pathfinder.problem import Problem


def typical(problem: Problem) -> list[float]:
    """What an instance that moves asks for on average, in each dimension; 0 where none asks for anything."""
    cloud = problem.cloud
    counts = Counter(cloud.class_of[guest] for guest in problem.movers)
    sums = [0.0] * len(cloud.dimensions)
    for kind, count in counts.items():
        for number, amount in enumerate(cloud.classes[kind].demand):
            sums[number] += amount * count
    return [each / max(1, len(problem.movers)) for each in sums]


def evenness(problem: Problem) -> float:
    """How many typical instances have room on the hosts one by one, in fractions, over how many would have if all
    that is free were on one host: 1 where all hosts are free in the same proportions, 0 where none has room in all
    dimensions."""
    room, sizes = problem.room(), typical(problem)
    together, apart = [0.0] * len(sizes), 0.0
    for packed, receives in zip(room.free, problem.receives, strict=True):
        if not receives:
            continue
        shares = []
        for number, (amount, size) in enumerate(zip(room.amounts(packed), sizes, strict=True)):
            if size:
                share = max(0, amount) / size
                together[number] += share
                shares.append(share)
        apart += min(shares, default=0.0)
    most = min((each for each, size in zip(together, sizes, strict=True) if size), default=0.0)
    return apart / most if most > 0.0 else 1.0
