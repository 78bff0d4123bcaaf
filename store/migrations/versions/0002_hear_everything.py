"""What a sweep, superseding, reused images and a long list of deliveries need."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "ref_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "ref"),
    )
    with op.batch_alter_table("project") as table:
        table.add_column(sa.Column("rules", sa.JSON(), nullable=True))
        table.add_column(sa.Column("recovered", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("delivery") as table:
        table.add_column(sa.Column("digest", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("source", sa.Text(), nullable=False, server_default="hook"))
        table.create_index("ix_delivery_project", ["project_id", "id"])
        table.create_index("ix_delivery_digest", ["project_id", "digest"])
    with op.batch_alter_table("run") as table:
        table.add_column(sa.Column("superseded_by", sa.Integer(), nullable=True))
        table.create_index("ix_run_ref", ["project_id", "ref", "id"])
    with op.batch_alter_table("image") as table:
        table.add_column(sa.Column("built_revision", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("recipe", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE image SET built_revision = revision")


def downgrade() -> None:
    """Bring the tables back."""
    with op.batch_alter_table("image") as table:
        table.drop_column("recipe")
        table.drop_column("built_revision")
    with op.batch_alter_table("run") as table:
        table.drop_index("ix_run_ref")
        table.drop_column("superseded_by")
    with op.batch_alter_table("delivery") as table:
        table.drop_index("ix_delivery_digest")
        table.drop_index("ix_delivery_project")
        table.drop_column("source")
        table.drop_column("digest")
    with op.batch_alter_table("project") as table:
        table.drop_column("swept_at")
        table.drop_column("recovered")
        table.drop_column("rules")
    op.drop_table("ref_head")
