"""Events are about more than rearrangements, and the name of a schedule is longer than an id."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_events_rearrangement_sequence", table_name="events")
    with op.batch_alter_table("events") as events:
        events.alter_column(
            "rearrangement",
            new_column_name="subject",
            existing_type=sa.String(36),
            type_=sa.String(255),
            existing_nullable=True,
        )
    op.create_index("ix_events_subject_sequence", "events", ["subject", "sequence"])
