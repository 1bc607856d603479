"""An engine for SQLite that loses nothing and lets one writer at a time in, without errors for the others."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from oslo_db.sqlalchemy import exc_filters
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine

WRITES = "vmpath_writes"
"""Execution option of connections that are going to write."""


def create_engine(url: URL, busy_seconds: float) -> Engine:
    """WAL, every commit on the disk before it returns, foreign keys kept.

    A connection with the option ``WRITES`` takes the write lock when its transaction begins, waiting up to
    ``busy_seconds`` for it: one that read first and asked for the lock later would be refused or lose updates.
    """
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": busy_seconds}, pool_timeout=busy_seconds)
    exc_filters.register_engine(engine)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        # the driver would begin transactions at moments of its own choice
        connection.isolation_level = None
        # a change of mode needs the whole file for itself, a question does not
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
