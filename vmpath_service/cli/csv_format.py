"""CSV for lists and for single things alike."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, TextIO

from cliff.formatters import base, commaseparated


class CSVFormatter(commaseparated.CSVLister, base.SingleFormatter):
    """A single thing is a list of one."""

    def emit_one(
        self, column_names: Sequence[str], data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace
    ) -> None:
        self.emit_list(column_names, [data], stdout, parsed_args)
