"""Turns: the runs of projects that push at the same time start in turns, however many one of them has waiting."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WAITING = sa.text("state = 'queued' AND sent_at IS NULL")
SENT = sa.text("state = 'queued' AND sent_at IS NOT NULL")


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("project", sa.Column("turn", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("job", sa.Column("turn", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_job_turn", "job", ["queue", "turn", "id"], sqlite_where=WAITING, postgresql_where=WAITING)
    op.create_index("ix_job_sent", "job", ["queue"], sqlite_where=SENT, postgresql_where=SENT)


def downgrade() -> None:
    """Bring the tables back."""
    op.drop_index("ix_job_sent", "job")
    op.drop_index("ix_job_turn", "job")
    with op.batch_alter_table("job") as table:
        table.drop_column("turn")
    with op.batch_alter_table("project") as table:
        table.drop_column("turn")
