"""``vmpath``: the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vmpath_service.cli.app import Application

if TYPE_CHECKING:
    from vmpath_service.cloud.live import NovaCloud
    from vmpath_service.cmd.configuration import Configuration
    from vmpath_service.model.options import OptionValue

_USUAL_PLACE = "/etc/vmpath"


class _Wiring:
    """Imports the configuration and the cloud only for the commands that need them, where there is any."""

    def policy(
        self, name: str, files: Sequence[str], directories: Sequence[str]
    ) -> tuple[str, Mapping[str, OptionValue]] | None:
        configuration = _configured(files, directories)
        if configuration is None or name not in configuration.engine.policies:
            return None
        section = configuration.engine.policies[name]
        return section.driver, section.settings

    def cloud(self, name: str | None, files: Sequence[str], directories: Sequence[str]) -> NovaCloud:
        from vmpath_service.cloud.live import NovaCloud
        from vmpath_service.cloud.settings import CloudSettings

        configuration = None if name else _configured(files, directories)
        return NovaCloud(CloudSettings(cloud=name) if configuration is None else configuration.cloud)


def _configured(files: Sequence[str], directories: Sequence[str]) -> Configuration | None:
    """The configuration, None where there is none; oslo.config is not even imported then."""
    if not files and not directories and not os.path.isdir(_USUAL_PLACE):
        return None
    from vmpath_service.cmd.configuration import load

    return load(files, directories)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return Application(_Wiring()).run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
