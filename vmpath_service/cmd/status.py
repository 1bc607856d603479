"""vmpath-status: whether this vmpath can be started on what is there."""

from __future__ import annotations

import argparse
import enum
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vmpath_service.cmd.arguments import add_configuration_files
from vmpath_service.cmd.configuration import Configuration, load
from vmpath_service.model.errors import VmpathError
from vmpath_service.model.records import ENDED, RearrangementState
from vmpath_service.store import Database, SqlStore


class Code(enum.IntEnum):
    """As other OpenStack services have them; the highest one is the exit status."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    code: Code
    details: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 all is well, 1 something needs a look, 2 something stops the upgrade (or bad usage)."""
    parsed = _parser().parse_args(arguments)
    findings = list(check(parsed.config_file, parsed.config_dir))
    for finding in findings:
        print(f"{finding.code.name:<8} {finding.check}: {finding.details}")  # noqa: T201
    return max(finding.code for finding in findings)


def check(files: Sequence[str], directories: Sequence[str]) -> Iterator[Finding]:
    """One finding after the other; those that need what was not found are left out."""
    try:
        configuration = load(files, directories)
    except VmpathError as error:
        yield Finding("configuration", Code.FAILURE, str(error))
        return
    read = ", ".join(configuration.files) or "no file, all defaults"
    yield Finding("configuration", Code.SUCCESS, f"{read}; policies: {', '.join(configuration.engine.policies)}")
    yield _judged("state directory", lambda: _state_path(configuration))
    try:
        database = configuration.database.open()
        database.check()
    except VmpathError as error:
        yield Finding("database", Code.FAILURE, str(error))
        return
    try:
        yield Finding("database", Code.SUCCESS, f"{database.label}: schema {database.revision()}")
        yield _judged("unfinished work", lambda: _unfinished(database))
    finally:
        database.close()


def _state_path(configuration: Configuration) -> tuple[Code, str]:
    path = configuration.state_path
    if not path.is_dir():
        return Code.WARNING, f"there is no directory {path} yet"
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Code.FAILURE, f"{path} cannot be written by this user"
    return Code.SUCCESS, f"{path}"


def _unfinished(database: Database) -> tuple[Code, str]:
    store = SqlStore(database, time)
    going = store.list(states=[state for state in RearrangementState if state not in ENDED])
    moving = store.unresolved()
    if not going and not moving:
        return Code.SUCCESS, "none"
    return (
        Code.WARNING,
        f"{len(going)} rearrangements have not ended, {len(moving)} migrations may be under way: they are taken up "
        "again at the next start",
    )


def _judged(name: str, judge: Callable[[], tuple[Code, str]]) -> Finding:
    try:
        return Finding(name, *judge())
    except VmpathError as error:
        return Finding(name, Code.FAILURE, str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vmpath-status", description=__doc__)
    add_configuration_files(parser)
    nouns = parser.add_subparsers(required=True, metavar="COMMAND")
    upgrade = nouns.add_parser("upgrade", help="before and after an upgrade")
    verbs = upgrade.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("check", help="check configuration, database and what is under way")
    return parser


if __name__ == "__main__":
    sys.exit(main())
