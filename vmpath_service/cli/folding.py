"""Lines that are too long for the terminal."""

from __future__ import annotations

import shutil
from typing import TextIO

from vmpath_service.report.cells import folded_lines, plain


def folded(line: str, out: TextIO, further: int = 4) -> str:
    """The line on as many lines as the terminal needs, words cut only where they are longer than a line, from the
    second on ``further`` columns further in, and with nothing in it that the terminal would act upon.

    As it is where ``out`` is no terminal.
    """
    if not out.isatty():
        return line
    return "\n".join(folded_lines(plain(line), shutil.get_terminal_size().columns, further))
