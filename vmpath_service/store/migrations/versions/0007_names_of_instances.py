"""A migration says what its instance is called, also when that is there no more."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("migrations", sa.Column("instance_name", sa.String(255), nullable=True))
