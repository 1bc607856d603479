"""The first tables.

Written out in full and never changed afterwards: the models of today are not those of the day of a release.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import SchemaItem

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_LONG_BINARY = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
_COUNTING = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _of_rearrangement(table: str) -> list[SchemaItem]:
    return [
        sa.Column("rearrangement", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(
            ["rearrangement"], ["rearrangements.id"], name=f"fk_{table}_rearrangement", ondelete="CASCADE"
        ),
    ]


def upgrade() -> None:
    op.create_table(
        "rearrangements",
        sa.Column("number", _COUNTING, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(255), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("journal", sa.BigInteger(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("request", _LONG_TEXT, nullable=False),
        sa.Column("explanation", _LONG_TEXT, nullable=True),
        sa.Column("decision", _LONG_TEXT, nullable=True),
        sa.Column("summary", _LONG_TEXT, nullable=True),
        sa.Column("disabled", _LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_rearrangements"),
        sa.UniqueConstraint("id", name="uq_rearrangements_id"),
        **_MYSQL,
    )
    op.create_index("ix_rearrangements_state", "rearrangements", ["state"])
    op.create_index("ix_rearrangements_updated_at", "rearrangements", ["updated_at"])
    op.create_table(
        "plans",
        *_of_rearrangement("plans"),
        sa.Column("content", _LONG_BINARY, nullable=False),
        sa.PrimaryKeyConstraint("rearrangement", name="pk_plans"),
        **_MYSQL,
    )
    op.create_table(
        "migrations",
        *_of_rearrangement("migrations"),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("dest", sa.String(255), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("baseline", sa.BigInteger(), nullable=True),
        sa.Column("nova_migration", sa.BigInteger(), nullable=True),
        sa.Column("was", sa.String(255), nullable=True),
        sa.Column("intended_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("progress", sa.Double(), nullable=True),
        sa.Column("reason", _LONG_TEXT, nullable=True),
        sa.PrimaryKeyConstraint("rearrangement", "step", name="pk_migrations"),
        **_MYSQL,
    )
    op.create_index("ix_migrations_state", "migrations", ["state"])
    op.create_table(
        "intentions",
        *_of_rearrangement("intentions"),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("dest", sa.String(255), nullable=False),
        sa.Column("baseline", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("rearrangement", "step", "attempt", name="pk_intentions"),
        **_MYSQL,
    )
    op.create_table(
        "events",
        sa.Column("sequence", _COUNTING, autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("rearrangement", sa.String(36), nullable=True),
        sa.Column("kind", sa.String(255), nullable=False),
        sa.Column("message", _LONG_TEXT, nullable=False),
        sa.Column("step", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_events"),
        **_MYSQL,
    )
    op.create_index("ix_events_rearrangement_sequence", "events", ["rearrangement", "sequence"])
    op.create_index("ix_events_at", "events", ["at"])
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
        **_MYSQL,
    )
    op.create_table(
        "freezes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("reason", _LONG_TEXT, nullable=False),
        sa.Column("by", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_freezes"),
        **_MYSQL,
    )
    op.bulk_insert(counters, [{"name": "events", "value": 0}])
