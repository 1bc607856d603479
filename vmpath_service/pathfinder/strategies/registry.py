"""Which strategies there are: by name, from the stevedore group ``vmpath.pathfinders``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from vmpath_service.model import plugins
from vmpath_service.model.errors import InvalidInput
from vmpath_service.pathfinder.strategies.base import Strategy
from vmpath_service.pathfinder.strategies.exact import ExactStrategy
from vmpath_service.pathfinder.strategies.greedy import GreedyStrategy
from vmpath_service.pathfinder.strategies.layered import LayeredStrategy

GROUP = "vmpath.pathfinders"

# Our own are found without a scan of all installed packages: offline commands start in a blink.
OWN: Mapping[str, type[Strategy]] = {own.name: own for own in (LayeredStrategy, ExactStrategy, GreedyStrategy)}


def make(name: str) -> Strategy:
    """The strategy with this name; raises InvalidInput with a hint if there is none."""
    own = OWN.get(name)
    if own is not None:
        return own()
    there_are = available()
    if name not in there_are:
        close = difflib.get_close_matches(name, there_are, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(there_are)}"
        raise InvalidInput(f"there is no strategy {name!r}; {hint}")
    found: type[Strategy] = plugins.load(GROUP, name, Strategy)
    return found()


def available() -> tuple[str, ...]:
    """Names of all strategies, our own and installed ones, sorted."""
    return tuple(sorted({*OWN, *plugins.available(GROUP)}))
