"""Programs that the tests of the database run in processes of their own: writers, and one that is killed."""

from __future__ import annotations

import os
import signal
import sys
import time

from tests.contracts.store_contract import intention, plan_of, request
from vmpath_service.model.errors import Conflict
from vmpath_service.model.records import Migration
from vmpath_service.store import Database, SqlStore


def hammer(url: str, identity: str, epoch: int, name: str, rounds: int) -> None:
    """Change, tell and try every intention as often as ``rounds``; print how many intentions were accepted."""
    store = SqlStore(Database(url), time)
    accepted = 0
    migrations = store.migrations(identity)
    for number in range(rounds):
        store.change(identity, epoch, explanation=f"{name} {number}")
        store.add_event("hammer", f"{name} {number}", subject=identity)
        try:
            store.intend(epoch, intention(migrations[number]))
        except Conflict:
            continue
        accepted += 1
    print(accepted)  # noqa: T201 (this is a program)


def claim(url: str, identity: str, name: str, rounds: int) -> None:
    """Claim again and again; print the epochs."""
    store = SqlStore(Database(url), time)
    print(*(store.claim(identity, name) for _ in range(rounds)))  # noqa: T201


def upgrade(url: str) -> None:
    Database(url).upgrade()


def intend_and_die(url: str, steps: int) -> None:
    """Intend every step of a new plan and die at once, with nothing closed; print the id before."""
    store = SqlStore(Database(url), time)
    identity = store.create(request()).id
    epoch = store.claim(identity, "the late engine")
    migrations = [
        Migration(rearrangement=identity, step=move.id, instance=move.instance, source=move.source, dest=move.dest)
        for move in plan_of(steps).migrations
    ]
    store.save_plan(identity, epoch, plan_of(steps), migrations)
    print(identity, flush=True)  # noqa: T201
    for migration in migrations:
        store.intend(epoch, intention(migration))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    work, url, *rest = sys.argv[1:]
    {"hammer": hammer, "claim": claim, "upgrade": upgrade, "intend_and_die": intend_and_die}[work](
        url, *(int(part) if part.isdigit() else part for part in rest)
    )
