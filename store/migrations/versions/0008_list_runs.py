"""Indexes that give lists of runs in their order, by project and by state."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_index("ix_run_project", "run", ["project_id", "id"])
    op.create_index("ix_run_state", "run", ["state", "id"])
    op.drop_index("ix_run_project_state", "run")


def downgrade() -> None:
    """Bring the tables back."""
    op.create_index("ix_run_project_state", "run", ["project_id", "state"])
    op.drop_index("ix_run_state", "run")
    op.drop_index("ix_run_project", "run")
