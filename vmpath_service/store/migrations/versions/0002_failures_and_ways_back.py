"""Failures by kind, demands on migrations under way, ways back, host steps, and hosts in trouble."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _given(name: str, kind: Any, value: Any) -> sa.Column[Any]:
    """A column that what is there already gets a value for."""
    return sa.Column(name, kind, nullable=False, server_default=value)


def upgrade() -> None:
    op.add_column("rearrangements", _given("abort_requested", sa.Boolean(), sa.false()))
    op.add_column("rearrangements", _given("rolling_back", sa.Boolean(), sa.false()))
    op.add_column("migrations", _given("method", sa.String(32), sa.text("'live'")))
    op.add_column("migrations", sa.Column("failure", sa.String(32), nullable=True))
    op.add_column("migrations", _given("failures", sa.Integer(), sa.text("0")))
    op.add_column("migrations", sa.Column("tried", _LONG_TEXT, nullable=True))
    op.add_column("migrations", sa.Column("demand", sa.String(32), nullable=True))
    op.add_column("migrations", sa.Column("demanded_at", sa.Double(), nullable=True))
    op.create_index("ix_migrations_instance_ended_at", "migrations", ["instance", "ended_at"])
    op.create_table(
        "host_actions",
        sa.Column("rearrangement", sa.String(36), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("before", _LONG_TEXT, nullable=True),
        sa.Column("reason", _LONG_TEXT, nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("rearrangement", "step", name="pk_host_actions"),
        sa.ForeignKeyConstraint(
            ["rearrangement"], ["rearrangements.id"], name="fk_host_actions_rearrangement", ondelete="CASCADE"
        ),
        **_MYSQL,
    )
    op.create_table(
        "host_troubles",
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.Column("reason", _LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("host", name="pk_host_troubles"),
        **_MYSQL,
    )
