"""Kinds of arguments: what argparse calls to read a value."""

from __future__ import annotations

import argparse

# What the file formats can hold (the whole numbers that a double holds).
LARGEST = 2**53


def positive(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= LARGEST:
        most = f" and at most {LARGEST}" if value > LARGEST else ""
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of at least 1{most}")
    return value


def amount(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (0 < value <= LARGEST):
        most = f" and at most {LARGEST}" if value > LARGEST else ""
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number above 0{most}")
    return value


def rate(text: str) -> float:
    """A rate in Mbit/s that is not absurdly low."""
    from vmpath_service.model.snapshot import SLOWEST_MBPS

    value = amount(text)
    if value < SLOWEST_MBPS:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a rate of at least {SLOWEST_MBPS} Mbit/s")
    return value


def duration(text: str) -> float:
    """A time such as ``90``, ``90s``, ``45m``, ``2h`` or ``1d``, in seconds."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        return amount(number) * units[unit]
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a time such as 90s, 45m, 2h or 1d") from error


def assignment(text: str) -> tuple[str, str]:
    """``OPTION=VALUE``."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise argparse.ArgumentTypeError(f"found {text!r}, expected OPTION=VALUE")
    return name.strip(), value
