"""``vmpath``: the command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vmpath_service.cli.app import Application

if TYPE_CHECKING:
    from vmpath_service.engine.ports import Cloud
    from vmpath_service.model.options import OptionValue


class _Wiring:
    """Imports the configuration and the cloud only for the commands that need them."""

    def policy(
        self, name: str, files: Sequence[str], directories: Sequence[str]
    ) -> tuple[str, Mapping[str, OptionValue]] | None:
        return None

    def cloud(self, name: str | None, files: Sequence[str], directories: Sequence[str]) -> Cloud:
        raise AssertionError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return Application(_Wiring()).run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
