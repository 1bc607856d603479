"""How many hosts are in use while instances move."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.policies.board import held


class HostsInUse:
    """The score, kept up to date while instances move."""

    costly = False

    def __init__(self, cloud: CompiledCloud, inside: Sequence[int]) -> None:
        self._where = list(cloud.home)
        self._counts = held(cloud, cloud.home)
        self._inside = frozenset(inside)
        self._in_use = sum(self._counts[host] > 0 for host in inside)

    def move(self, guest: int, host: int) -> None:
        for end, step in ((self._where[guest], -1), (host, 1)):
            before = self._counts[end] > 0
            self._counts[end] += step
            if end in self._inside:
                self._in_use += (self._counts[end] > 0) - before
        self._where[guest] = host

    def value(self) -> float:
        return float(self._in_use)
