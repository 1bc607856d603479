"""Whether there is CP-SAT: OR-Tools is an extra, and everything works without it."""

from __future__ import annotations

import importlib


def available() -> bool:
    """Whether OR-Tools is installed."""
    try:
        importlib.import_module("ortools.sat.python.cp_model")
    except ImportError:
        return False
    return True
