"""The tables, as typed models. ``migrations/`` builds them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

IDENTITY = 36
NAME = 255

LongText = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
LongBinary = LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
# only INTEGER PRIMARY KEY counts by itself on SQLite
Counting = BigInteger().with_variant(Integer(), "sqlite")

_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=_CONVENTION)


def _rearrangement_key() -> Mapped[str]:
    return mapped_column(String(IDENTITY), ForeignKey("rearrangements.id", ondelete="CASCADE"), primary_key=True)


class RearrangementRow(Base):
    """``number`` gives the order of creation; ``journal`` counts fenced writes of others than this row.

    The count makes every journal write a real change of this row, so that it collides with a change of owner
    even where two database nodes accept writes and row locks of one are not seen by the other.
    """

    __tablename__ = "rearrangements"
    __table_args__ = (Index(None, "state"), Index(None, "updated_at"), _MYSQL)

    number: Mapped[int] = mapped_column(Counting, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(IDENTITY), unique=True)
    state: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[float] = mapped_column(Double)
    updated_at: Mapped[float] = mapped_column(Double)
    version: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[str | None] = mapped_column(String(NAME))
    epoch: Mapped[int] = mapped_column(BigInteger)
    journal: Mapped[int] = mapped_column(BigInteger)
    cancel_requested: Mapped[bool] = mapped_column(Boolean)
    request: Mapped[str] = mapped_column(LongText)
    explanation: Mapped[str | None] = mapped_column(LongText)
    decision: Mapped[str | None] = mapped_column(LongText)
    summary: Mapped[str | None] = mapped_column(LongText)
    disabled: Mapped[str] = mapped_column(LongText)
    abort_requested: Mapped[bool] = mapped_column(Boolean)
    rolling_back: Mapped[bool] = mapped_column(Boolean)


class PlanRow(Base):
    """``content`` is the plan's JSON, compressed: a large plan stays below what one packet of MySQL may hold."""

    __tablename__ = "plans"
    __table_args__ = (_MYSQL,)

    rearrangement: Mapped[str] = _rearrangement_key()
    content: Mapped[bytes] = mapped_column(LongBinary)


class MigrationRow(Base):
    __tablename__ = "migrations"
    __table_args__ = (Index(None, "state"), Index(None, "instance", "ended_at"), _MYSQL)

    rearrangement: Mapped[str] = _rearrangement_key()
    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    instance: Mapped[str] = mapped_column(String(NAME))
    source: Mapped[str] = mapped_column(String(NAME))
    dest: Mapped[str] = mapped_column(String(NAME))
    state: Mapped[str] = mapped_column(String(32))
    attempt: Mapped[int] = mapped_column(Integer)
    baseline: Mapped[int | None] = mapped_column(BigInteger)
    nova_migration: Mapped[int | None] = mapped_column(BigInteger)
    was: Mapped[str | None] = mapped_column(String(NAME))
    intended_at: Mapped[float | None] = mapped_column(Double)
    ended_at: Mapped[float | None] = mapped_column(Double)
    progress: Mapped[float | None] = mapped_column(Double)
    reason: Mapped[str | None] = mapped_column(LongText)
    method: Mapped[str] = mapped_column(String(32))
    failure: Mapped[str | None] = mapped_column(String(32))
    failures: Mapped[int] = mapped_column(Integer)
    tried: Mapped[str | None] = mapped_column(LongText)
    demand: Mapped[str | None] = mapped_column(String(32))
    demanded_at: Mapped[float | None] = mapped_column(Double)
    instance_name: Mapped[str | None] = mapped_column(String(NAME))


class HostActionRow(Base):
    __tablename__ = "host_actions"
    __table_args__ = (_MYSQL,)

    rearrangement: Mapped[str] = _rearrangement_key()
    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    host: Mapped[str] = mapped_column(String(NAME))
    action: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(32))
    before: Mapped[str | None] = mapped_column(LongText)
    reason: Mapped[str | None] = mapped_column(LongText)
    ended_at: Mapped[float | None] = mapped_column(Double)


class HostTroubleRow(Base):
    """Of every host whose last migration failed."""

    __tablename__ = "host_troubles"
    __table_args__ = (_MYSQL,)

    host: Mapped[str] = mapped_column(String(NAME), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    since: Mapped[float] = mapped_column(Double)
    last_at: Mapped[float] = mapped_column(Double)
    reason: Mapped[str] = mapped_column(LongText)


class IntentionRow(Base):
    """One request that was about to be sent. Its key is what lets no attempt be made twice."""

    __tablename__ = "intentions"
    __table_args__ = (_MYSQL,)

    rearrangement: Mapped[str] = _rearrangement_key()
    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BigInteger)
    instance: Mapped[str] = mapped_column(String(NAME))
    source: Mapped[str] = mapped_column(String(NAME))
    dest: Mapped[str] = mapped_column(String(NAME))
    baseline: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[float] = mapped_column(Double)


class EventRow(Base):
    """``subject``: the id of a rearrangement or maintenance, or the name of a schedule. It is no foreign key: what
    happened to a forgotten one may still be told. ``host``: the name of the one host that it is about."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "subject", "sequence"), Index(None, "at"), _MYSQL)

    sequence: Mapped[int] = mapped_column(Counting, primary_key=True, autoincrement=False)
    at: Mapped[float] = mapped_column(Double)
    subject: Mapped[str | None] = mapped_column(String(NAME))
    kind: Mapped[str] = mapped_column(String(NAME))
    message: Mapped[str] = mapped_column(LongText)
    step: Mapped[int | None] = mapped_column(Integer)
    host: Mapped[str | None] = mapped_column(String(NAME))


class CounterRow(Base):
    """Numbers given out in the order of commits: a sequence of the database would leave gaps and
    show a higher number before a lower one."""

    __tablename__ = "counters"
    __table_args__ = (_MYSQL,)

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class FreezeRow(Base):
    """At most one row, with id 1."""

    __tablename__ = "freezes"
    __table_args__ = (_MYSQL,)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    since: Mapped[float] = mapped_column(Double)
    reason: Mapped[str] = mapped_column(LongText)
    by: Mapped[str] = mapped_column(String(NAME))


class EngineRow(Base):
    """An engine that lives, or died without a word. Whoever wants to know which watches whether ``beats`` goes on
    growing: clocks of different machines are not compared. ``seen_at`` is for people."""

    __tablename__ = "engines"
    __table_args__ = (_MYSQL,)

    owner: Mapped[str] = mapped_column(String(NAME), primary_key=True)
    beats: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[float] = mapped_column(Double)


class DocumentRow(Base):
    """A maintenance or a schedule, whole, as JSON: few, small, and asked for by ``kind``, ``id`` and ``state`` only.

    ``version`` makes every change conditional on what it was made from; ``epoch`` is as with rearrangements.
    """

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("kind", "id"), Index(None, "kind", "state"), _MYSQL)

    number: Mapped[int] = mapped_column(Counting, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(32))
    id: Mapped[str] = mapped_column(String(NAME))
    state: Mapped[str] = mapped_column(String(32))
    version: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[str] = mapped_column(LongText)


def table_of(mapped: type[Base]) -> Table:
    """The table behind a model, for statements without the mapper."""
    table = mapped.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{mapped.__name__} is no table")
    return table
