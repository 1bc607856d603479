"""``vmpath-service``: the daemon. Engine, calls and API in one process."""

# Planning runs in spawned processes, which import this module again: all that takes time is imported late.
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from vmpath_service.cmd.configuration import Configuration

_PROGRAM = "vmpath-service"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{_PROGRAM}: {message} (see {_PROGRAM} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to end. Exit status: 0 ended as told, 1 it failed, 2 bad usage or configuration."""
    parser = _parser()
    parsed = parser.parse_args(argv)
    if parsed.format and not parsed.check:
        parser.error("--format goes with --check")
    if parsed.version:
        from importlib import metadata

        print(f"{_PROGRAM} {metadata.version('vmpath')}")  # noqa: T201
        return 0
    from vmpath_service.model.errors import InvalidInput, NotFound, VmpathError

    try:
        return _run(parsed)
    except VmpathError as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, (InvalidInput, NotFound)) else 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=_PROGRAM, description="Plans and carries out live migrations.", allow_abbrev=False)
    parser.add_argument(
        "--config-file",
        action="append",
        default=[],
        metavar="FILE",
        help="a configuration file; may be repeated (default: /etc/vmpath/vmpath.conf)",
    )
    parser.add_argument(
        "--config-dir",
        action="append",
        default=[],
        metavar="DIR",
        help="a directory of *.conf and *.ini files; may be repeated (default: /etc/vmpath/policies.d)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="read the cloud once, say what can be done and which right or setting is missing, and end",
    )
    parser.add_argument("-f", "--format", choices=("plain", "json"), help="how --check says it (default: plain)")
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    return parser


def _run(parsed: argparse.Namespace) -> int:
    from vmpath_service.rpc.transport import use_threads

    # before anything of oslo is imported that would choose otherwise
    use_threads()
    from vmpath_service.cmd.configuration import load

    configuration = load(parsed.config_file, parsed.config_dir)
    _set_up_logging(configuration)
    if parsed.check:
        from vmpath_service.cmd.checking import check

        return check(configuration, parsed.format or "plain")
    from vmpath_service.cmd.all_in_one import serve

    return serve(configuration)


def _set_up_logging(configuration: Configuration) -> None:
    import logging

    from oslo_log import log

    log.setup(configuration.oslo, "vmpath")
    # it tells each of its steps; what an operator wants to know of them we say ourselves
    logging.getLogger("alembic").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
