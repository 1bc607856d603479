"""What a hook is."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

from vmpath_service.model.options import Option, OptionValue

TIMEOUT = Option(
    "timeout", "number", "How long it may take, in seconds; then it counts as failed.", 600.0, minimum=1
)


class Hook(abc.ABC):
    """Does something outside of vmpath when something has happened.

    A subclass has a ``name``, a one-line ``summary``, and declares ``options``. ``run`` is called in a thread of
    vmpath's; it may take long, but has to end by itself, within what its options say.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, settings: Mapping[str, OptionValue]) -> None:
        """``settings``: a value of the right type for each option. Raises InvalidInput where they make no sense."""
        self.settings = settings

    @classmethod
    def declared(cls) -> tuple[Option, ...]:
        """All options, those of every hook included."""
        return (*cls.options, TIMEOUT)

    @abc.abstractmethod
    def run(self, occasion: Mapping[str, Any]) -> None:
        """Do it, once. ``occasion`` is plain data (JSON) with at least ``event``: what happened. Raises HookFailed
        with one sentence; no secret of the settings may be in it."""

    def timeout(self) -> float:
        """Seconds that it may take."""
        value = self.settings["timeout"]
        assert isinstance(value, (int, float))
        return float(value)
