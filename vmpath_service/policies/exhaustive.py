"""On small clouds: the best of all placements that can be reached, each found by trying every migration.

What a policy puts together step by step may miss what only several migrations together bring about. Where there are
few placements at all, every one that a sequence of single migrations leads to is looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.policies.board import Board

# The most placements that are gone through.
_PLACEMENTS = 4_096

State = tuple[int, ...]
Key = Callable[[Sequence[int]], Any]


def is_small(cloud: CompiledCloud, free: Collection[int], destinations: Collection[int]) -> bool:
    """Whether the placements of these instances are few enough to be gone through.

    It is so still after instances have moved: what is called small does not depend on where they are.
    """
    places = len(destinations) + (len(destinations) < len(cloud.snapshot.hosts))
    return bool(free) and len(destinations) > 0 and places ** min(len(free), 16) <= _PLACEMENTS


def improve(board: Board, free: Sequence[int], key: Key, limit: int | None) -> bool:
    """Put the board into the best state that can be reached from the start of its cloud; whether that is a better one.

    ``free``: the instances that may be moved. ``key``: how good it is to have each instance on ``where[instance]``,
    something that compares, the lesser the better. ``limit``: how many instances may be elsewhere than at the start.
    Each migration on the way has room at its turn; a state that is no better than the board's leaves the board as it
    is, and so does a cloud with too many placements.
    """
    cloud = board.cloud
    if not is_small(cloud, free, board.destinations):
        return False
    trial = Board(cloud, board.destinations, board.limits)
    start: State = tuple(trial.accounts.where)
    came: dict[State, tuple[State, int] | None] = {start: None}
    waiting = deque([start])
    best, best_key = None, key(board.accounts.where)
    while waiting:
        state = waiting.popleft()
        put(trial, state)
        moved = sum(here != home for here, home in zip(state, start, strict=True))
        if (limit is None or moved <= limit) and (found := key(state)) < best_key:
            best, best_key = state, found
        for guest in free:
            for host in board.destinations:
                if host == state[guest] or not trial.may_arrive(guest, host):
                    continue
                after = (*state[:guest], host, *state[guest + 1 :])
                if after not in came:
                    came[after] = (state, guest)
                    waiting.append(after)
    if best is None:
        return False
    last: list[int] = []
    step = came[best]
    while step is not None:
        last.append(step[1])
        step = came[step[0]]
    put(board, start)
    # who moves twice on the way is told of where he ends
    for guest in dict.fromkeys(reversed(last)):
        if best[guest] != start[guest]:
            board.move(guest, best[guest])
    return True


def put(board: Board, state: Sequence[int]) -> None:
    """Move whatever is elsewhere than in the state."""
    where = board.accounts.where
    for guest, host in enumerate(state):
        if where[guest] != host:
            board.move(guest, host)
