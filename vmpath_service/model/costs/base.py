"""The base class of costs."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import ClassVar

from vmpath_service.model.options import Option, OptionValue, read_options
from vmpath_service.model.snapshot import Instance


class Cost(abc.ABC):
    """What it costs to migrate an instance once, wherever to.

    Subclasses declare ``name``, ``summary`` and ``options``, and are registered under ``name`` in the entry point
    group ``vmpath.costs``. The path finder compares costs of one kind with each other only, so the unit is free; it
    has to be fine enough for whole numbers. An object must be picklable and is asked from one thread at a time.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()
    timed: ClassVar[bool] = True
    """Whether ``of`` looks at ``seconds``; if not it is given 0, which saves the prediction."""

    def __init__(self, settings: Mapping[str, OptionValue] | None = None) -> None:
        """``settings``: typed values of options; the others have their defaults. Raises InvalidInput."""
        self.settings = read_options(self.options, settings or {}, texts=False, where=f"cost {self.name}")

    @abc.abstractmethod
    def of(self, instance: Instance, seconds: float) -> int:
        """The cost of one migration: a whole number, at least 0, the same for the same arguments.

        ``seconds``: how long a migration of the instance is predicted to take at the rate of the operator's limit,
        alone. What costs nothing counts as 1: no move is free. Raises InvalidInput for data of the instance that
        make no sense, naming the instance.
        """
