"""vmpath-manage: care for the database."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from vmpath_service.cmd.arguments import add_configuration_files
from vmpath_service.cmd.configuration import load
from vmpath_service.model.errors import InvalidInput, VmpathError
from vmpath_service.store import Database
from vmpath_service.store.purge import purge

_DAY = 86400.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 it failed, 2 bad usage or configuration."""
    parsed = _parser().parse_args(arguments)
    try:
        database = load(parsed.config_file, parsed.config_dir).database.open()
        try:
            print(parsed.run(database, parsed))  # noqa: T201
        finally:
            database.close()
    except VmpathError as error:
        print(f"vmpath-manage: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, InvalidInput) else 1
    except KeyboardInterrupt:
        return 130
    return 0


def _upgrade(database: Database, parsed: argparse.Namespace) -> str:
    before, after = database.upgrade()
    if before == after:
        return f"database {database.label}: nothing to do, its schema is {after}"
    return f"database {database.label}: upgraded from {before or 'nothing'} to {after}"


def _purge(database: Database, parsed: argparse.Namespace) -> str:
    database.check()
    gone = purge(database, time.time() - parsed.older_than * _DAY, dry_run=parsed.dry_run)
    verb = "would delete" if parsed.dry_run else "deleted"
    what = f"{gone.rearrangements} rearrangements, {gone.maintenances} maintenances and {gone.events} events"
    return f"database {database.label}: {verb} {what}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vmpath-manage", description=__doc__)
    add_configuration_files(parser)
    nouns = parser.add_subparsers(required=True, metavar="COMMAND")
    verbs = nouns.add_parser("db", help="the database").add_subparsers(required=True, metavar="VERB")

    upgrade = verbs.add_parser("upgrade", help="make the tables, or bring them up to date")
    upgrade.set_defaults(run=_upgrade)

    forget = verbs.add_parser(
        "purge", help="forget rearrangements and maintenances that ended long ago, with all they left"
    )
    forget.set_defaults(run=_purge)
    forget.add_argument(
        "--older-than", type=_days, required=True, metavar="DAYS", help="what ended at least so many days ago"
    )
    forget.add_argument("--dry-run", action="store_true", help="only say how much would be deleted")
    return parser


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < 1e6:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number of days of at least 0")
    return days


if __name__ == "__main__":
    sys.exit(main())
