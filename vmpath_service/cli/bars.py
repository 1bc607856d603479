"""How full something is, as a bar of characters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cliff import columns

WIDTH = 20
UNITS = {"MEMORY_MB": "MiB", "DISK_GB": "GiB"}
_FIRST = ("VCPU", "PCPU", "MEMORY_MB", "DISK_GB")
_BINARY = ("MiB", "GiB", "TiB")


class Fill(columns.FormattableColumn[Any]):
    """Used of capacity: a bar for people, both numbers for programs."""

    def __init__(self, used: int, capacity: int, unit: str = "") -> None:
        super().__init__({"used": used, "capacity": capacity})
        self.used = used
        self.capacity = capacity
        self._unit = unit

    def __lt__(self, other: object) -> bool:
        return isinstance(other, Fill) and self.share() < other.share()

    def share(self) -> float:
        """Used as a fraction of capacity; more than 1 where it is over."""
        if self.capacity:
            return self.used / self.capacity
        return 1.0 if self.used else 0.0

    def amounts(self) -> str:
        """Used and capacity in words."""
        if self._unit == "MiB":
            return f"{mebibytes(self.used)} of {mebibytes(self.capacity)}"
        unit = f" {self._unit}" if self._unit else ""
        return f"{self.used} of {self.capacity}{unit}"

    def human_readable(self) -> str:
        return f"{bar(self.share())} {self.share():4.0%}  {self.amounts()}"


def in_order(classes: Iterable[str]) -> list[str]:
    """Resource classes, the common ones first."""
    present = set(classes)
    return [name for name in _FIRST if name in present] + sorted(present.difference(_FIRST))


def bar(share: float, full: str = "#", empty: str = ".", length: int = WIDTH) -> str:
    """``length`` characters; anything at all shows as one mark, and only what is full as all of them."""
    marks = min(length, int(share * length))
    if share > 0:
        marks = max(1, marks)
    return full * marks + empty * (length - marks)


def mebibytes(amount: float) -> str:
    """A size in MiB as a person would say it."""
    unit = 0
    while abs(amount) >= 1024 and unit < len(_BINARY) - 1:
        amount /= 1024
        unit += 1
    return f"{amount:.4g} {_BINARY[unit]}"
