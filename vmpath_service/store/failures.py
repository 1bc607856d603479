"""Every failure of the database as one sentence: which database, what failed. Never a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy.exc
from alembic.util.exc import CommandError
from oslo_db import exception
from sqlalchemy.engine import URL

from vmpath_service.model.errors import StoreError


def label(url: URL) -> str:
    """How a database is called in messages: the file of SQLite, else the address without its secrets."""
    if url.get_backend_name() == "sqlite":
        return url.database or "in memory"
    return url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def translated(database: str) -> Iterator[None]:
    """Turn what SQLAlchemy, oslo.db, alembic and the drivers raise into StoreError."""
    try:
        yield
    except exception.DBNonExistentTable as error:
        raise StoreError(f"database {database}: has no table {error.table}: run vmpath-manage db upgrade") from error
    except exception.DBDeadlock as error:
        raise StoreError(f"database {database}: too many writers at once: {_cause(error)}") from error
    except (exception.DBError, sqlalchemy.exc.SQLAlchemyError, CommandError, OSError) as error:
        raise StoreError(f"database {database}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """The driver's own words, on one line, without the statement and its values."""
    while True:
        inner = getattr(error, "inner_exception", None) or getattr(error, "orig", None)
        if not isinstance(inner, BaseException) or inner is error:
            break
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    texts = [part for part in error.args if isinstance(part, str)]
    text = (texts[-1] if texts else str(error)).strip()
    return text.splitlines()[0].strip() if text else type(error).__name__
