"""Finding plug-ins by name (stevedore)."""

from __future__ import annotations

import difflib
import functools
from typing import Any

from vmpath_service.model.errors import InvalidInput


@functools.cache
def available(group: str) -> tuple[str, ...]:
    """Names of all plug-ins of a stevedore group, sorted."""
    from importlib import metadata

    return tuple(sorted({point.name for point in metadata.entry_points(group=group)}))


def load(group: str, name: str, base: type[Any]) -> Any:
    """The class behind a plug-in's name; raises InvalidInput if there is none or it is not a ``base``."""
    from stevedore import driver, exception

    try:
        found: Any = driver.DriverManager(group, name, invoke_on_load=False).driver
    except (exception.NoMatches, RuntimeError) as error:
        names = available(group)
        close = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(names) or 'none'}"
        raise InvalidInput(f"there is no plug-in {name!r} in {group}{hint}") from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise InvalidInput(f"plug-in {name!r} of {group} is not a {base.__name__}")
    return found
