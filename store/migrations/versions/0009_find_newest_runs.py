"""An index that gives the newest run of a ref that gave way to none, however many did."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    stands = sa.text("superseded_by IS NULL")
    op.create_index("ix_run_standing", "run", ["project_id", "ref", "id"], sqlite_where=stands, postgresql_where=stands)


def downgrade() -> None:
    """Bring the tables back."""
    op.drop_index("ix_run_standing", "run")
