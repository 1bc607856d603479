"""Lines that are too long for the terminal."""

from __future__ import annotations

import shutil
import textwrap
from typing import TextIO


def folded(line: str, out: TextIO, further: int = 4) -> str:
    """The line on as many lines as the terminal needs, no word cut, from the second on ``further`` columns further in.

    As it is where ``out`` is no terminal.
    """
    if not out.isatty():
        return line
    width = shutil.get_terminal_size().columns
    if len(line) <= width:
        return line
    indent = len(line) - len(line.lstrip()) + further
    return textwrap.fill(
        line,
        max(width, 2 * indent),
        subsequent_indent=" " * indent,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
