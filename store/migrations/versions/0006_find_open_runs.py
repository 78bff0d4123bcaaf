"""An index on the runs that have not ended, and none that another one makes needless."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    going = sa.text("finished_at IS NULL")
    op.create_index("ix_run_open", "run", ["project_id", "ref"], sqlite_where=going, postgresql_where=going)
    op.drop_index("ix_stage_run_id", "stage")
    op.drop_index("ix_delivery_received_at", "delivery")


def downgrade() -> None:
    """Bring the tables back."""
    op.create_index("ix_delivery_received_at", "delivery", ["received_at"])
    op.create_index("ix_stage_run_id", "stage", ["run_id"])
    op.drop_index("ix_run_open", "run")
