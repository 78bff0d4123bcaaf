"""Numbers of builds, retries and lanes of stages, tests, artifacts, secrets, schedules."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ADDED = {
    "project": (sa.Column("builds", sa.Integer(), nullable=False, server_default="0"),),
    "run": (
        sa.Column("wanted", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("build_number", sa.Integer(), nullable=True),
        sa.Column("pull_request", sa.Integer(), nullable=True),
        sa.Column("trusted", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("approved_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("asked_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("asked_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("earlier_seconds", sa.Float(), nullable=False, server_default="0"),
        sa.Column("stop_seen", sa.Float(), nullable=True),
    ),
    "stage": (
        sa.Column("title", sa.Text(), nullable=False, server_default=""),
        sa.Column("retries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("flaky", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("allow_failure", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("lane", sa.Text(), nullable=False, server_default=""),
        sa.Column("progress", sa.Text(), nullable=False, server_default=""),
    ),
    "job": (
        sa.Column("lane", sa.Text(), nullable=False, server_default=""),
        sa.Column("place", sa.Float(), nullable=False, server_default="0"),
    ),
    "image": (sa.Column("release_digest", sa.Text(), nullable=False, server_default=""),),
}


def upgrade() -> None:
    """Bring the tables forward."""
    for table, columns in ADDED.items():
        for column in columns:
            op.add_column(table, column)
    waiting = sa.text("lane <> '' AND state <> 'done'")
    op.create_index("ix_job_lane", "job", ["lane", "id"], sqlite_where=waiting, postgresql_where=waiting)
    _tests()
    _artifacts()
    _secrets()
    _schedules()
    _publications()


def downgrade() -> None:
    """Bring the tables back."""
    for table in ("publication", "schedule", "secret", "artifact", "test_result"):
        op.drop_table(table)
    op.drop_index("ix_job_lane", "job")
    for table, columns in ADDED.items():
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column.name)


def _tests() -> None:
    op.create_table(
        "test_result",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("project_id", sa.Integer(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("stage_id", sa.Integer(), sa.ForeignKey("stage.id"), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("flaky", sa.Boolean(), nullable=False),
        sa.Column("new", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("stage_id", "attempt", "shard", "suite", "name"),
    )
    op.create_index("ix_test_history", "test_result", ["project_id", "stage", "suite", "name", "id"])
    op.create_index("ix_test_image", "test_result", ["project_id", "stage", "image", "state"])
    op.create_index("ix_test_run", "test_result", ["run_id", "id"])


def _artifacts() -> None:
    op.create_table(
        "artifact",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("stage_id", sa.Integer(), sa.ForeignKey("stage.id"), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("stage_id", "path"),
    )
    op.create_index("ix_artifact_run", "artifact", ["run_id", "id"])


def _secrets() -> None:
    op.create_table(
        "secret",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("project", "environment", "name"),
    )


def _publications() -> None:
    op.create_table(
        "publication",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("project_id", sa.Integer(), sa.ForeignKey("project.id"), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("service", "revision", "name", "digest", "target", "tag", "reference", "state", "reason")
        ),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index("ix_publication_digest", "publication", ["digest", "id"])


def _schedules() -> None:
    op.create_table(
        "schedule",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("project_id", sa.Integer(), sa.ForeignKey("project.id"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("stages", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.UniqueConstraint("project_id", "key"),
    )
    op.create_index("ix_schedule_due", "schedule", ["due_at"])
