"""A database: its engine, its transactions, its schema."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from oslo_db import exception
from oslo_db.sqlalchemy import engines
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from vmpath_service.model.errors import StoreError
from vmpath_service.store import servers, sqlite
from vmpath_service.store.failures import label, translated

Result = TypeVar("Result")

_SCRIPTS = Path(__file__).parent / "migrations"
_TRIES = 6
_FIRST_PAUSE = 0.02


@dataclass(slots=True)
class _Standing:
    """The transaction of a thread that is within ``together``, or ``at_once`` if it only reads.

    ``broken``: what the database has refused in it. It may have rolled back all of it by itself (InnoDB after a
    deadlock), and would take what follows for a new transaction: nothing follows, and nothing is committed.
    """

    session: Session
    reads: bool = False
    broken: StoreError | None = None
    at_last: list[Callable[[Session], None]] = field(default_factory=list)
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    known: dict[Any, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raises StoreError if it is broken."""
        if self.broken is not None:
            raise StoreError(str(self.broken)) from self.broken

    @contextmanager
    def watched(self, *, savepoint: bool) -> Iterator[None]:
        """Notes whether it breaks in the block."""
        self.check()
        try:
            yield
        except StoreError as error:
            cause = error.__cause__
            # taken back by its savepoint, and nothing else with it
            duplicate = savepoint and isinstance(cause, exception.DBDuplicateEntry)
            if isinstance(cause, (exception.DBError, SQLAlchemyError)) and not duplicate:
                self.broken = error
            raise


class Database:
    """Where the state of vmpath is kept: an SQLite file, MariaDB or PostgreSQL.

    Every method raises StoreError, with one sentence, for whatever goes wrong in the database.
    """

    def __init__(
        self,
        url: str,
        *,
        busy_seconds: float = 30.0,
        pool_size: int = 5,
        connection_tries: int = 3,
        connection_pause_seconds: float = 2.0,
        idle_seconds: int = 20,
    ) -> None:
        """``url`` as SQLAlchemy writes it. ``busy_seconds``: how long to wait for another writer of an SQLite
        file, or for a free connection. ``connection_tries`` and ``connection_pause_seconds``: how often and
        how long apart to try to reach a database server before giving up. ``idle_seconds``: the server ends a
        transaction that holds others up and in which nothing has come for so long, as its engine stands still.
        Nothing is opened yet."""
        try:
            self.url = make_url(url)
        except SQLAlchemyError as error:
            raise StoreError("the database connection is not a URL such as sqlite:////var/lib/file") from error
        self.label = label(self.url)
        self._is_file = self.url.get_backend_name() == "sqlite"
        if self._is_file and self.url.database in (None, "", ":memory:"):
            raise StoreError("a database in memory would forget what was asked of Nova: name a file")
        self._busy_seconds = busy_seconds
        self._pool_size = pool_size
        self._tries = connection_tries
        self._pause_seconds = connection_pause_seconds
        self._idle_seconds = idle_seconds
        self._opened: Engine | None = None
        self._own = threading.local()

    def read(self, work: Callable[[Session], Result]) -> Result:
        """Run ``work`` in one transaction that changes nothing."""
        return self._run(work, writes=False, savepoint=False)

    def write(self, work: Callable[[Session], Result], *, savepoint: bool = True) -> Result:
        """Run ``work`` in one transaction, all of it or nothing; what it raises rolls back.

        When this returns the change is on the disk. ``work`` may run several times (deadlocks). Without ``savepoint``
        what it raises within ``together`` takes nothing back by itself.
        """
        return self._run(work, writes=True, savepoint=savepoint)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that the calling thread reads and writes in the block, on the disk when it is
        left; what is raised rolls back all of it, and so does whatever the database has refused in it, but for a
        duplicate, even if that was caught. It is not repeated after a deadlock: keep it short."""
        if self._standing() is not None:
            yield
            return
        with translated(self.label):
            engine = self._engine().execution_options(**{sqlite.WRITES: True})
            with Session(engine, expire_on_commit=False) as session, session.begin():
                standing = self._own.standing = _Standing(session)
                try:
                    yield
                    standing.check()
                    for write in standing.at_last:
                        write(session)
                finally:
                    self._own.standing = None
        for call in standing.afterwards:
            call()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Make one transaction of all that the calling thread reads in the block. Not for writes."""
        if self._standing() is not None:
            yield
            return
        with translated(self.label):
            engine = self._engine().execution_options(**{sqlite.WRITES: False})
            with Session(engine, expire_on_commit=False) as session, session.begin():
                self._own.standing = _Standing(session, reads=True)
                try:
                    yield
                finally:
                    self._own.standing = None

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call this when what the calling thread has written is on the disk: now, unless it is within ``together``."""
        standing = self._standing()
        if standing is None:
            call()
        else:
            standing.afterwards.append(call)

    def at_last(self, write: Callable[[Session], None]) -> None:
        """Only within ``together``: write this when its block has ended well, in the same transaction."""
        standing = self._standing()
        if standing is None:
            raise TypeError("not within together()")
        standing.at_last.append(write)

    def known(self) -> dict[Any, Any] | None:
        """What may be noted for as long as the calling thread is within the present ``together``; None outside."""
        standing = self._standing()
        return None if standing is None else standing.known

    def _standing(self) -> _Standing | None:
        found: _Standing | None = getattr(self._own, "standing", None)
        return found

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        if self._opened is not None:
            self._opened.dispose()
            self._opened = None

    def revision(self) -> str | None:
        """The schema that the database has, None for one without tables."""
        if self._is_file and not os.path.exists(str(self.url.database)):
            return None  # asking SQLite would create the file
        with translated(self.label), self._engine().connect() as connection:
            return _revision(connection)

    def upgrade(self) -> tuple[str | None, str]:
        """Bring the schema to what this code expects, creating the file of SQLite; returns what it was and is. Of
        several at the same time one does it, and the others wait for it."""
        with translated(self.label):
            if self._is_file:
                os.makedirs(os.path.dirname(os.path.abspath(str(self.url.database))), mode=0o750, exist_ok=True)
            config = _alembic_config()
            engine = self._made(answers=False)
            try:
                with engine.execution_options(**{sqlite.WRITES: True}).connect() as connection:
                    if not self._is_file:
                        servers.take_turn(connection)
                    with connection.begin():
                        before = _revision(connection)
                        self._refuse_newer(before)
                        config.attributes["connection"] = connection
                        alembic.command.upgrade(config, "head")
                        return before, str(_revision(connection))
            finally:
                engine.dispose()

    def check(self) -> None:
        """Raise StoreError unless the schema is the one that this code was written for."""
        found = self.revision()
        self._refuse_newer(found)
        if found is None:
            raise StoreError(f"database {self.label}: has no tables yet: run vmpath-manage db upgrade")
        if found != expected_revision():
            raise StoreError(
                f"database {self.label}: its schema {found} is older than this vmpath, which needs"
                f" {expected_revision()}: run vmpath-manage db upgrade"
            )

    def _refuse_newer(self, found: str | None) -> None:
        if found is not None and found not in _known_revisions():
            raise StoreError(
                f"database {self.label}: its schema {found} is newer than this vmpath, which knows up to"
                f" {expected_revision()}: install the newer vmpath"
            )

    def _run(self, work: Callable[[Session], Result], *, writes: bool, savepoint: bool = True) -> Result:
        standing = self._standing()
        if standing is not None:
            if writes and standing.reads:
                raise TypeError("a write within at_once()")
            with (
                standing.watched(savepoint=savepoint),
                translated(self.label),
                standing.session.begin_nested() if savepoint else nullcontext(),
            ):
                return work(standing.session)
        with translated(self.label):
            engine = self._engine().execution_options(**{sqlite.WRITES: writes})
            pause = _FIRST_PAUSE
            for _ in range(_TRIES - 1):
                try:
                    return _transaction(engine, work)
                except exception.DBDeadlock:
                    time.sleep(pause * random.uniform(0.5, 1.5))
                    pause *= 2
            return _transaction(engine, work)

    def _engine(self) -> Engine:
        if self._opened is None:
            self._opened = self._made()
        return self._opened

    def _made(self, *, answers: bool = True) -> Engine:
        try:
            return self._open(answers)
        except ModuleNotFoundError as error:
            raise StoreError(
                f"database {self.label}: the Python package {error.name!r} that talks to it is not installed"
            ) from error

    def _open(self, answers: bool) -> Engine:
        """``answers``: whether an answer must come in time."""
        if self._is_file:
            return sqlite.create_engine(self.url, self._busy_seconds)
        url = servers.with_time_limits(_with_character_set(self.url), answers=answers)
        engine: Engine = engines.create_engine(
            url.render_as_string(hide_password=False),
            max_pool_size=self._pool_size,
            pool_timeout=self._busy_seconds,
            max_retries=self._tries,
            retry_interval=self._pause_seconds,
        )
        servers.bound_idle_transactions(engine, self._idle_seconds)
        return engine


def expected_revision() -> str:
    """The schema that this code was written for."""
    return str(ScriptDirectory(str(_SCRIPTS)).get_current_head())


def _known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions()}


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


def _with_character_set(url: URL) -> URL:
    """MySQL's plain "utf8" cannot hold every character that an error message may have."""
    if url.get_backend_name() in ("mysql", "mariadb") and "charset" not in url.query:
        return url.update_query_dict({"charset": "utf8mb4"})
    return url


def _transaction(engine: Engine, work: Callable[[Session], Result]) -> Result:
    with Session(engine, expire_on_commit=False) as session, session.begin():
        return work(session)
