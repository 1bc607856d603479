"""Finding plug-ins by name: our own, and those of the stevedore groups."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.hints import hint

Plugin = TypeVar("Plugin")


@functools.cache
def _installed(group: str) -> tuple[str, ...]:
    from importlib import metadata

    return tuple(sorted({point.name for point in metadata.entry_points(group=group)}))


class Registry(Generic[Plugin]):
    """The plug-ins of one kind.

    ``noun`` is how error sentences call one, ``base`` the class that each derives from. ``own`` are found without a
    scan of all installed packages: offline commands start in a blink.
    """

    def __init__(self, group: str, noun: str, base: type[Any], own: Iterable[type[Any]]) -> None:
        self.group = group
        self.own: Mapping[str, type[Plugin]] = {each.name: each for each in own}
        self._noun = noun
        self._base = base

    def find(self, name: str) -> type[Plugin]:
        """The class with this name; raises InvalidInput, with a hint, if there is none of this kind."""
        own = self.own.get(name)
        return self._load(name) if own is None else own

    def available(self) -> tuple[str, ...]:
        """All names, our own and installed ones, sorted."""
        return tuple(sorted({*self.own, *_installed(self.group)}))

    def _load(self, name: str) -> type[Plugin]:
        there_are = self.available()
        if name not in there_are:  # stevedore would write a line of its own to stderr
            raise InvalidInput(f"there is no {self._noun} {name!r}{hint(name, there_are, None)}")
        from stevedore import driver, exception

        try:
            found: Any = driver.DriverManager(self.group, name, invoke_on_load=False).driver
        except (exception.NoMatches, RuntimeError) as error:
            raise InvalidInput(f"{self._noun} {name!r} cannot be loaded from {self.group}: {error}") from error
        if not (isinstance(found, type) and issubclass(found, self._base)):
            raise InvalidInput(f"plug-in {name!r} of {self.group} is not a {self._base.__name__}")
        return found
