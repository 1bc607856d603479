"""What is asked of a database server for each connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oslo_db import exception
from oslo_log import log as logging
from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection, Engine

from vmpath_service.model.errors import StoreError
from vmpath_service.store.failures import label

LOG = logging.getLogger(__name__)

TURN = 5_062_170_614_093
"""Whoever changes the schema holds PostgreSQL's advisory lock of this number, or MySQL's lock ``turn_of``."""
_LONGEST_TURN_S = 3600

_MYSQL = {"connect_timeout": "10", "read_timeout": "60", "write_timeout": "60"}
_LIMITS: Mapping[str, Mapping[str, str]] = {
    "pymysql": _MYSQL,
    "mysqldb": _MYSQL,
    "psycopg2": {
        "connect_timeout": "10",
        # 20 + 4 * 10 s
        "keepalives_idle": "20",
        "keepalives_interval": "10",
        "keepalives_count": "4",
        "tcp_user_timeout": "60000",
    },
}
"""What drivers call it, and in which units: 10 seconds to reach a server, 60 until one that says nothing is given up
(of PostgreSQL its machine: libpq knows no limit for an answer). InnoDB lets nobody wait longer than 50 for a row."""
_ANSWERS = "read_timeout"


def with_time_limits(url: URL, *, answers: bool = True) -> URL:
    """The URL with limits for connections to a server, where it sets none itself: else one whose machine has vanished
    would hold up whoever waits for it until TCP gives up. Without ``answers`` a statement may take any time."""
    limits = _LIMITS.get(url.get_driver_name(), {})
    wanted = {name: limit for name, limit in limits.items() if answers or name != _ANSWERS}
    return url.update_query_dict({name: limit for name, limit in wanted.items() if name not in url.query})


def bound_idle_transactions(engine: Engine, seconds: int) -> None:
    """Have the server end a transaction in which nothing comes for so long, though it has locked rows: an engine that
    stands still, its machine suspended perhaps, would keep all others from writing. MySQL, unlike MariaDB, cannot."""
    name = engine.dialect.name

    @event.listens_for(engine, "connect")
    def bound(connection: Any, _record: Any) -> None:
        if name == "postgresql":
            # outside of any transaction: taken back with it, it would be forgotten
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"SET idle_in_transaction_session_timeout = {seconds * 1000}")
            connection.autocommit = False
        elif name in ("mysql", "mariadb") and "mariadb" in connection.get_server_info().lower():
            with connection.cursor() as cursor:
                cursor.execute(f"SET SESSION idle_write_transaction_timeout = {seconds}")

    # those made before this was said
    engine.dispose()


def turn_of(database: str | None) -> str:
    """MySQL's locks are the server's, not a database's."""
    return f"vmpath.schema.{database}"[:64]


def take_turn(connection: Connection) -> None:
    """Wait until nobody else changes the schema; the turn is this connection's until it is closed. Raises StoreError
    if that takes too long."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_lock(:turn)"), {"turn": TURN})
    elif connection.dialect.name in ("mysql", "mariadb"):
        question = {"turn": turn_of(connection.engine.url.database), "seconds": _LONGEST_TURN_S}
        try:
            taken = connection.execute(text("SELECT GET_LOCK(:turn, :seconds)"), question).scalar()
        except exception.DBError as error:
            taken = error
        if taken == 0:
            raise StoreError(
                f"database {label(connection.engine.url)}: another upgrade has been at it for {_LONGEST_TURN_S:g} s"
            )
        if taken != 1:
            # some clusters refuse such locks; the operator has been told to upgrade once
            LOG.warning("Nobody keeps others from upgrading the database at the same time: %s", taken)
    # what is read from now on is as the one before has left it
    connection.rollback()
