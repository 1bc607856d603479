"""Settings of a policy with their types, as ``read_options`` has checked them."""

from __future__ import annotations

from collections.abc import Mapping

from vmpath_service.model.options import OptionValue

Settings = Mapping[str, OptionValue]


def text(settings: Settings, name: str) -> str | None:
    """A text, or None where it is not set."""
    value = settings.get(name)
    return value if isinstance(value, str) else None


def whole(settings: Settings, name: str) -> int | None:
    """A whole number, or None where it is not set."""
    value = settings.get(name)
    return value if isinstance(value, int) else None


def number(settings: Settings, name: str) -> float:
    """A number; 0 where it is not set."""
    value = settings.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0


def names(settings: Settings, name: str) -> tuple[str, ...]:
    """Names, none where it is not set."""
    value = settings.get(name)
    return value if isinstance(value, tuple) else ()


def shares(settings: Settings, name: str) -> Mapping[str, float]:
    """Resource classes with fractions of one, none where it is not set."""
    value = settings.get(name)
    return value if isinstance(value, Mapping) else {}
