"""What is asked of a database server for each connection."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


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
