"""What ``vmpath-service --check`` says of vmpath's own things: its directory, its database, the freeze."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from vmpath_service.cloud.rights import Finding, Verdict
from vmpath_service.cmd.configuration import Configuration
from vmpath_service.model.errors import StoreError
from vmpath_service.store import Database, SqlStore
from vmpath_service.store.probing import try_writing


def examine(configuration: Configuration) -> Iterator[Finding]:
    """Nothing is made and nothing is changed."""
    yield judge_directory("state_path", configuration.state_path)
    try:
        database = configuration.database.open()
    except StoreError as error:
        yield Finding("database", Verdict.MISSING, str(error), "see connection in [database]")
        return
    try:
        yield from _database(database)
    finally:
        database.close()


def judge_directory(name: str, path: Path) -> Finding:
    """Whether the directory can be written, or made where there is none."""
    if path.is_dir():
        if os.access(path, os.R_OK | os.W_OK | os.X_OK):
            return Finding(name, Verdict.OK, f"{path} can be written")
        return Finding(name, Verdict.MISSING, f"{path} cannot be written", f"chown {path} to the service's user")
    above = next((each for each in path.absolute().parents if each.exists()), Path("/"))
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return Finding(name, Verdict.OK, f"{path} will be made")
    return Finding(name, Verdict.MISSING, f"{path} cannot be made: {above} cannot be written", f"make {path}")


def _database(database: Database) -> Iterator[Finding]:
    name = "database"
    is_file = database.url.get_backend_name() == "sqlite"
    try:
        revision = database.revision()
        if is_file and revision is None:
            yield judge_directory(name, Path(str(database.url.database)).absolute().parent)
            return
        if not is_file:
            database.check()
    except StoreError as error:
        yield Finding(name, Verdict.MISSING, str(error), "see [database], and run vmpath-manage db upgrade")
        return
    try:
        database.check()
    except StoreError as error:
        # an older file is brought up to date when the service starts, a newer one is not
        is_older = "older" in str(error)
        verdict = Verdict.OK if is_older else Verdict.MISSING
        yield Finding(name, verdict, str(error), "" if is_older else "install the newer vmpath")
        return
    try:
        try_writing(database)
        freeze = SqlStore(database, time).frozen()
    except StoreError as error:
        yield Finding(name, Verdict.MISSING, str(error), "let the service's user write it")
        return
    yield Finding(name, Verdict.OK, f"{database.label} can be written, schema {revision}")
    if freeze is None:
        yield Finding("freeze", Verdict.OK, "none")
        return
    since = datetime.fromtimestamp(freeze.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    details = f"in force since {since} by {freeze.by} ({freeze.reason}): nothing new is started"
    yield Finding("freeze", Verdict.OK, details, "vmpath thaw lifts it")
