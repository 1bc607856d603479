"""Which costs there are: by name, from the stevedore group ``vmpath.costs``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from vmpath_service.model import plugins
from vmpath_service.model.costs.base import Cost
from vmpath_service.model.costs.plain import CountCost, DirtyMemoryCost, MemoryCost, SecondsCost
from vmpath_service.model.costs.weighted import WeightedCost
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import read_options

GROUP = "vmpath.costs"

# Our own are found without a scan of all installed packages: offline commands start in a blink.
OWN: Mapping[str, type[Cost]] = {
    own.name: own for own in (MemoryCost, DirtyMemoryCost, SecondsCost, CountCost, WeightedCost)
}
DEFAULT = MemoryCost.name


def find(name: str) -> type[Cost]:
    """The class of the cost with this name; raises InvalidInput with a hint if there is none."""
    own = OWN.get(name)
    if own is not None:
        return own
    there_are = available()
    if name not in there_are:
        close = difflib.get_close_matches(name, there_are, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(there_are)}"
        raise InvalidInput(f"there is no cost {name!r}; {hint}")
    found: type[Cost] = plugins.load(GROUP, name, Cost)
    return found


def available() -> tuple[str, ...]:
    """Names of all costs, our own and installed ones, sorted."""
    return tuple(sorted({*OWN, *plugins.available(GROUP)}))


def make(name: str = DEFAULT, texts: Mapping[str, str] | None = None) -> Cost:
    """The cost of this name; ``texts``: its options as texts (ini file, command line). Raises InvalidInput."""
    kind = find(name)
    return kind(read_options(kind.options, texts or {}, texts=True, where=f"cost {name}"))
