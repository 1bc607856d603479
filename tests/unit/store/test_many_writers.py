"""Threads and processes that write at the same time, and one that dies: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contracts.store_contract import intention, planned
from tests.database_servers import ASKED_FOR
from vmpath_service.model.errors import Conflict
from vmpath_service.model.records import MigrationState
from vmpath_service.store import Database, SqlStore

on_those_asked_for = pytest.mark.parametrize("database_url", ["sqlite", *ASKED_FOR], indirect=True)
ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 25
PROCESSES = 3
THREADS = 4


def start(*arguments: object) -> subprocess.Popen[str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.store.writers", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )


def finish(*programs: subprocess.Popen[str]) -> list[str]:
    """What each printed; fails unless each ended well."""
    try:
        printed = [program.communicate(timeout=120)[0] for program in programs]
    finally:
        for program in programs:
            program.kill()
    assert [program.returncode for program in programs] == [0] * len(programs)
    return printed


@on_those_asked_for
def test_no_update_is_lost_and_each_intention_is_accepted_once(database_url: str, store: SqlStore) -> None:
    identity, epoch, migrations = planned(store, ROUNDS)
    before = store.get(identity).version

    def hammer(name: int) -> int:
        accepted = 0
        for number in range(ROUNDS):
            store.change(identity, epoch, explanation=f"thread {name} {number}")
            store.add_event("hammer", f"thread {name} {number}", subject=identity)
            try:
                store.intend(epoch, intention(migrations[number]))
            except Conflict:
                continue
            accepted += 1
        return accepted

    programs = [start("hammer", database_url, identity, epoch, f"process {n}", ROUNDS) for n in range(PROCESSES)]
    with ThreadPoolExecutor(THREADS) as threads:
        accepted = sum(threads.map(hammer, range(THREADS)))
    accepted += sum(map(int, finish(*programs)))

    writers = PROCESSES + THREADS
    assert accepted == ROUNDS
    assert store.get(identity).version == before + writers * ROUNDS
    events = store.events(identity)
    assert [event.sequence for event in events] == list(range(1, writers * ROUNDS + 1))
    assert len({event.message for event in events}) == writers * ROUNDS
    assert [migration.state for migration in store.migrations(identity)] == [MigrationState.REQUESTED] * ROUNDS


@on_those_asked_for
def test_every_claim_of_every_process_has_its_own_epoch(database_url: str, store: SqlStore) -> None:
    identity, first, _ = planned(store)
    programs = [start("claim", database_url, identity, f"engine-{n}", ROUNDS) for n in range(PROCESSES)]
    epochs = sorted(int(epoch) for printed in finish(*programs) for epoch in printed.split())
    assert epochs == list(range(first + 1, first + 1 + PROCESSES * ROUNDS))


@on_those_asked_for
def test_what_was_intended_survives_a_kill(database_url: str, store: SqlStore) -> None:
    program = start("intend_and_die", database_url, 5)
    printed, _ = program.communicate(timeout=60)
    assert program.returncode == -9
    identity = printed.strip()
    migrations = store.migrations(identity)
    assert [(each.step, each.state, each.attempt) for each in migrations] == [
        (step, MigrationState.REQUESTED, 1) for step in range(1, 6)
    ]
    assert store.unresolved() == migrations
    taken_over = store.claim(identity, "the next engine")
    assert taken_over == 2


def test_processes_that_upgrade_at_once_agree(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/vmpath.sqlite"
    finish(*(start("upgrade", url) for _ in range(3)))
    assert list(SqlStore(Database(url), time).list()) == []
