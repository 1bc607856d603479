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


def assignment(text: str) -> tuple[str, str]:
    """``OPTION=VALUE``."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise argparse.ArgumentTypeError(f"found {text!r}, expected OPTION=VALUE")
    return name.strip(), value
