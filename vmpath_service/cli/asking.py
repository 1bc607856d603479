"""Asking the person at the terminal before something is done that cannot be taken back."""

from __future__ import annotations

from typing import TextIO

from vmpath_service.model.errors import InvalidInput


def consents(question: str, stdin: TextIO, stderr: TextIO) -> bool:
    """Whether the answer is yes; raises InvalidInput where nobody can be asked."""
    if not stdin.isatty():
        raise InvalidInput(f"{question}: nobody can be asked here; say --yes")
    stderr.write(f"{question} [y/N] ")
    stderr.flush()
    return stdin.readline().strip().lower() in ("y", "yes")
