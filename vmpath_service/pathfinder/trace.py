"""What the finder tries and why, told line by line to whom it may concern; costs nothing where nobody listens."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from vmpath_service.pathfinder.budget import Budget

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Trace:
    """Lines with their depth; ``write`` gets each."""

    def __init__(self, write: Callable[[int, str], None]) -> None:
        self._write = write
        self._depth = 0

    def tell(self, text: str) -> None:
        """A line at this depth."""
        self._write(self._depth, text)

    @contextlib.contextmanager
    def inside(self, text: str) -> Iterator[None]:
        """A line, and what happens within is told one deeper."""
        self.tell(text)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1


def told(what: str) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Tell of each call of a function that is given a budget: ``what`` it does, what comes of it, the steps it takes.

    The trace is the budget's; where it has none, the function is called and nothing else.
    """

    def decorate(function: Callable[Given, Result]) -> Callable[Given, Result]:
        @functools.wraps(function)
        def telling(*given: Given.args, **named: Given.kwargs) -> Result:
            budget = next((each for each in (*given, *named.values()) if isinstance(each, Budget)), None)
            trace = None if budget is None else budget.trace
            if budget is None or trace is None:
                return function(*given, **named)
            before = budget.left
            with trace.inside(what):
                result = function(*given, **named)
            spent = before - budget.left
            trace.tell(f"= {_in_words(result)}" + (f", {spent} steps" if spent else ""))
            return result

        return telling

    return decorate


def _in_words(result: object) -> str:
    """What came of it, of whatever kind it is."""
    if result is None:
        return "nothing"
    moves = getattr(result, "moves", result if isinstance(result, list) else None)
    count = f"{len(moves)} moves" if isinstance(moves, (list, tuple)) else ""
    pending = getattr(result, "pending", None)
    if pending is not None:
        return f"{count}, {len(pending)} stuck" if pending else f"{count}, nobody stuck"
    verdict = getattr(result, "outcome", None) or getattr(result, "verdict", None)
    if verdict is not None:
        return f"{verdict}, {count}" if moves else str(verdict)
    return count or str(result)
