"""Indexes that find the seldom among very many deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PARTIAL = (
    ("ix_delivery_refused", ("id",), "verdict = 'refused'"),
    ("ix_delivery_code", ("code", "id"), "code <> 'accepted'"),
    ("ix_delivery_other", ("id",), "code <> 'accepted'"),
    ("ix_delivery_source", ("source", "id"), "source <> 'hook'"),
)


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_index("ix_delivery_forge", "delivery", ["forge", "id"])
    for name, columns, condition in PARTIAL:
        where = sa.text(condition)
        op.create_index(name, "delivery", list(columns), sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Bring the tables back."""
    for name, _, _ in PARTIAL:
        op.drop_index(name, "delivery")
    op.drop_index("ix_delivery_forge", "delivery")
