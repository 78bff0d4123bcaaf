"""The tables. Times that people read are aware UTC; times that leases compare are the database's seconds."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Refuse naive times, store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return an aware time whatever the database kept."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """What every table shares: how Python types become columns."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration
        str: Text(),
        datetime: UtcTime(),
        dict[str, Any]: JSON(),
        dict[str, Any] | None: JSON(none_as_null=True),
        list[Any]: JSON(),
        list[Any] | None: JSON(none_as_null=True),
        bytes: LargeBinary(),
    }


def _where(condition: str) -> dict[str, Any]:
    """Return what makes an index one of some rows only."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class ProjectRow(Table):
    """One repository; `turn` is that of its newest run among those of all projects, `builds` its last build number."""

    __tablename__ = "project"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    url: Mapped[str]
    forge: Mapped[str]
    secret: Mapped[str]
    default_branch: Mapped[str]
    rules: Mapped[dict[str, Any] | None]
    recovered: Mapped[int] = mapped_column(default=0)
    turn: Mapped[int] = mapped_column(default=0)
    builds: Mapped[int] = mapped_column(default=0)
    swept_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class RefHeadRow(Table):
    """What a ref was when we last heard of it, by webhook or by looking; `candidate` is news that may still be told."""

    __tablename__ = "ref_head"
    __table_args__ = (UniqueConstraint("project_id", "ref"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    ref: Mapped[str]
    revision: Mapped[str]
    candidate: Mapped[str] = mapped_column(default="")
    seen_at: Mapped[datetime]


class DeliveryRow(Table):
    """One webhook as it was received, or a push that a sweep found, and what was decided about it.

    `source` is hook, sweep or redelivery; `digest` is the SHA-256 of the body.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("project_id", "key"),
        Index("ix_delivery_project", "project_id", "id"),
        Index("ix_delivery_digest", "project_id", "digest"),
        Index("ix_delivery_forge", "forge", "id"),
        # Of what is seldom, so that taking in what is usual costs nothing.
        Index("ix_delivery_refused", "id", **_where("verdict = 'refused'")),
        Index("ix_delivery_code", "code", "id", **_where("code <> 'accepted'")),
        Index("ix_delivery_other", "id", **_where("code <> 'accepted'")),
        Index("ix_delivery_source", "source", "id", **_where("source <> 'hook'")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
    forge: Mapped[str]
    key: Mapped[str]
    event: Mapped[str]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes]
    digest: Mapped[str]
    source: Mapped[str] = mapped_column(default="hook")
    verdict: Mapped[str]
    code: Mapped[str]
    detail: Mapped[str]
    received_at: Mapped[datetime]


class HookTallyRow(Table):
    """How many webhooks were received of a kind."""

    __tablename__ = "hook_tally"
    forge: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
    result: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class RunRow(Table):
    """One push through the stages. `key` makes the same (ref, revision) from two doors one run.

    `wanted` are the stages a person asked for, None is all; `build_number` counts the project's published builds. One
    that is not `trusted` is a stranger's: it gets no secrets, and does nothing until somebody has approved it.
    `asked_by` is who asked for it last and `asked_reason` why; `reason` is why it ended or waits. Tried again by hand,
    it had taken `earlier_seconds` until then. `stop_seen`, in the database's seconds, is when it was first seen that it
    should stop.
    """

    __tablename__ = "run"
    __table_args__ = (
        UniqueConstraint("project_id", "key"),
        Index("ix_run_project", "project_id", "id"),
        Index("ix_run_state", "state", "id"),
        Index("ix_run_ref", "project_id", "ref", "id"),
        Index("ix_run_standing", "project_id", "ref", "id", **_where("superseded_by IS NULL")),
        Index("ix_run_open", "project_id", "ref", **_where("finished_at IS NULL")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    delivery_id: Mapped[int | None] = mapped_column(ForeignKey("delivery.id"), index=True)
    key: Mapped[str]
    ref: Mapped[str]
    revision: Mapped[str] = mapped_column(index=True)
    before: Mapped[str]
    message: Mapped[str]
    author: Mapped[str]
    trigger: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str]
    code: Mapped[str]
    config: Mapped[dict[str, Any] | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    superseded_by: Mapped[int | None]
    wanted: Mapped[list[Any] | None]
    build_number: Mapped[int | None]
    pull_request: Mapped[int | None]
    trusted: Mapped[bool] = mapped_column(default=True, server_default=true())
    approved_by: Mapped[str] = mapped_column(default="", server_default="")
    asked_by: Mapped[str] = mapped_column(default="", server_default="")
    asked_reason: Mapped[str] = mapped_column(default="", server_default="")
    earlier_seconds: Mapped[float] = mapped_column(default=0.0, server_default="0")
    stop_seen: Mapped[float | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


# Only a run of all stages says how its branch is.
WHOLE = RunRow.wanted.is_(None)


class StageRow(Table):
    """One box of a run's graph. `spec` is what its kind needs to know, as the configuration said it.

    `attempt` counts how often it was begun, `tries` how often the project's code failed in it, of which `retries` are
    forgiven; `flaky`: it passed only then. Of all stages with the same `lane` one is at work at a time.
    """

    __tablename__ = "stage"
    __table_args__ = (UniqueConstraint("run_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    position: Mapped[int]
    name: Mapped[str]
    kind: Mapped[str]
    needs: Mapped[list[Any]]
    spec: Mapped[dict[str, Any]]
    state: Mapped[str]
    reason: Mapped[str]
    code: Mapped[str]
    tail: Mapped[list[Any]]
    title: Mapped[str] = mapped_column(default="", server_default="")
    attempt: Mapped[int] = mapped_column(default=0)
    retries: Mapped[int] = mapped_column(default=0, server_default="0")
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    flaky: Mapped[bool] = mapped_column(default=False, server_default=false())
    allow_failure: Mapped[bool] = mapped_column(default=False, server_default=false())
    lane: Mapped[str] = mapped_column(default="", server_default="")
    progress: Mapped[str] = mapped_column(default="", server_default="")
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobRow(Table):
    """Work to be done: at once the outbox (unsent rows) and the lease (owner, fence, until).

    Redis only ever carries the id. `fence` grows with every claim; whoever writes with an older one is refused.
    Lower turns go first: a project's pushed runs have one each, whatever is under way or a person asked for has none.
    In a lane the lower `place` goes first, the database's seconds when it was queued; 0 has none yet.
    """

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("kind", "ref_id"),
        Index("ix_job_due", "state", "not_before"),
        Index("ix_job_turn", "queue", "turn", "id", **_where("state = 'queued' AND sent_at IS NULL")),
        Index("ix_job_sent", "queue", **_where("state = 'queued' AND sent_at IS NOT NULL")),
        Index("ix_job_lane", "lane", "id", **_where("lane <> '' AND state <> 'done'")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    ref_id: Mapped[int]
    queue: Mapped[str]
    lane: Mapped[str] = mapped_column(default="", server_default="")
    place: Mapped[float] = mapped_column(default=0.0, server_default="0")
    turn: Mapped[int] = mapped_column(default=0)
    state: Mapped[str]
    attempt: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str] = mapped_column(default="")
    not_before: Mapped[float] = mapped_column(default=0.0)
    sent_at: Mapped[float | None]
    lease_until: Mapped[float | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ImageRow(Table):
    """The one image of a service's commit.

    `built_revision` is the commit it was built from, an earlier one where nothing the service is made of has changed
    since; `recipe` is a digest of how it was built; `release_digest` is that of the stripped image, if it has one.
    """

    __tablename__ = "image"
    __table_args__ = (UniqueConstraint("project_id", "service", "revision"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    service: Mapped[str]
    revision: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    digest: Mapped[str]
    size: Mapped[int]
    port: Mapped[int | None]
    builder: Mapped[str]
    built_revision: Mapped[str] = mapped_column(default="")
    recipe: Mapped[str] = mapped_column(default="")
    release_digest: Mapped[str] = mapped_column(default="")
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    tested: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class EnvironmentRow(Table):
    """A project's place in an environment: what is live there, who is at work on it, whether it is pinned."""

    __tablename__ = "environment"
    __table_args__ = (UniqueConstraint("project_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str]
    position: Mapped[int]
    live_deployment_id: Mapped[int | None]
    holder_job_id: Mapped[int | None]
    pinned_by: Mapped[str] = mapped_column(default="")
    pin_reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


class DeploymentRow(Table):
    """One move of an environment from one set of images to another. `releases` are pipeline Release values.

    `named` are the services that were asked for, the others staying as they are when its turn comes; None is all.
    """

    __tablename__ = "deployment"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    environment_id: Mapped[int] = mapped_column(ForeignKey("environment.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    stage_id: Mapped[int | None] = mapped_column(ForeignKey("stage.id"), unique=True)
    restores_id: Mapped[int | None]
    from_id: Mapped[int | None]
    cause: Mapped[str]
    actor: Mapped[str]
    strategy: Mapped[str]
    releases: Mapped[list[Any]]
    named: Mapped[list[Any] | None]
    state: Mapped[str]
    reason: Mapped[str]
    code: Mapped[str]
    steps: Mapped[list[Any]]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class InstanceRow(Table):
    """One container of a deployment; its id is its name on the engine and in the proxy."""

    __tablename__ = "instance"
    id: Mapped[int] = mapped_column(primary_key=True)
    deployment_id: Mapped[int] = mapped_column(ForeignKey("deployment.id"), index=True)
    route_id: Mapped[int] = mapped_column(ForeignKey("route.id"), index=True)
    service: Mapped[str]
    address: Mapped[str]
    port: Mapped[int]
    state: Mapped[str] = mapped_column(index=True)
    drain_until: Mapped[float | None]
    created_at: Mapped[datetime]


class RouteRow(Table):
    """A service in an environment: the names that lead to it. Its id is the proxy's backend."""

    __tablename__ = "route"
    __table_args__ = (UniqueConstraint("environment_id", "service"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    environment_id: Mapped[int] = mapped_column(ForeignKey("environment.id"))
    service: Mapped[str]
    hosts: Mapped[list[Any]]


class MessageRow(Table):
    """A live message: one per run or per deployment asked for, redrawn until `drawn` has caught up with `version`."""

    __tablename__ = "message"
    __table_args__ = (UniqueConstraint("kind", "ref_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    ref_id: Mapped[int]
    channel: Mapped[str]
    ts: Mapped[str] = mapped_column(default="")
    version: Mapped[int] = mapped_column(default=1)
    drawn: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(default="")


class RecordedRow(Table):
    """What the recorder keeps in place of Slack."""

    __tablename__ = "recorded"
    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str]
    ts: Mapped[str] = mapped_column(unique=True)
    thread_ts: Mapped[str | None]
    text: Mapped[str]
    blocks: Mapped[list[Any]]
    edits: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class CommandRow(Table):
    """A line somebody spoke to Slipway, and the answer. `key` makes Slack's second try the same command."""

    __tablename__ = "command"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    source: Mapped[str]
    person: Mapped[str]
    channel: Mapped[str]
    line: Mapped[str]
    response_url: Mapped[str]
    reply: Mapped[dict[str, Any] | None]
    received_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]


class PersonRow(Table):
    """Somebody who has acted."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


class LeaseRow(Table):
    """A thing only one process may do at a time."""

    __tablename__ = "lease"
    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    fence: Mapped[int]
    until: Mapped[float]


class ForgeAccountRow(Table):
    """Who speaks to a project's git host. `sealed` is the token, or a GitHub App's key; `session` what the key bought.

    `fault` says why the host took nothing the last time; `broken`: nothing is tried until it is set again, which
    raises `version`. Before `rest_until`, in the database's seconds, the host is left alone.
    """

    __tablename__ = "forge_account"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), unique=True)
    api_url: Mapped[str]
    repository: Mapped[str]
    user: Mapped[str]
    app_id: Mapped[int | None] = mapped_column(BigInteger())
    installation_id: Mapped[int | None] = mapped_column(BigInteger())
    sealed: Mapped[str]
    session: Mapped[str] = mapped_column(default="")
    session_until: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    broken: Mapped[bool] = mapped_column(default=False)
    fault: Mapped[str] = mapped_column(default="")
    code: Mapped[str] = mapped_column(default="")
    rest_until: Mapped[float] = mapped_column(default=0.0)
    told_at: Mapped[datetime | None]


class ReportRow(Table):
    """What a git host is told of one revision or one deployment, until `done` has caught up with `version`.

    `subject` is the revision or the deployment's name. `told` is what the host has taken; `asking` what it was being
    told when this was written, so that whoever comes after a crash knows it is open; `live`: it shows as serving.
    """

    __tablename__ = "report"
    __table_args__ = (UniqueConstraint("project_id", "subject"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    subject: Mapped[str]
    deployment_id: Mapped[int | None] = mapped_column(ForeignKey("deployment.id"), index=True)
    version: Mapped[int] = mapped_column(default=1)
    done: Mapped[int] = mapped_column(default=0)
    told: Mapped[dict[str, Any]] = mapped_column(default=dict)
    asking: Mapped[str] = mapped_column(default="")
    live: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str] = mapped_column(default="")
    code: Mapped[str] = mapped_column(default="")
    changed_at: Mapped[datetime]


class TestResultRow(Table):
    """How one test of a stage ended in one attempt. `image` is the digest it ran in, by which history compares."""

    __tablename__ = "test_result"
    __table_args__ = (
        UniqueConstraint("stage_id", "attempt", "shard", "suite", "name"),
        Index("ix_test_history", "project_id", "stage", "suite", "name", "id"),
        Index("ix_test_image", "project_id", "stage", "image", "state"),
        Index("ix_test_run", "run_id", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    stage_id: Mapped[int] = mapped_column(ForeignKey("stage.id"))
    stage: Mapped[str]
    image: Mapped[str]
    attempt: Mapped[int]
    shard: Mapped[int] = mapped_column(default=0)
    suite: Mapped[str]
    name: Mapped[str]
    state: Mapped[str]
    seconds: Mapped[float]
    message: Mapped[str] = mapped_column(default="")
    flaky: Mapped[bool] = mapped_column(default=False)
    new: Mapped[bool] = mapped_column(default=False)


class ArtifactRow(Table):
    """A file that a stage left behind, kept under the home; `path` is its name among the stage's."""

    __tablename__ = "artifact"
    __table_args__ = (UniqueConstraint("stage_id", "path"), Index("ix_artifact_run", "run_id", "id"))
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    stage_id: Mapped[int] = mapped_column(ForeignKey("stage.id"))
    path: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str]
    created_at: Mapped[datetime]


class PublicationRow(Table):
    """An image that a person wants copied to another registry: `target`, by its name in the settings."""

    __tablename__ = "publication"
    __table_args__ = (Index("ix_publication_digest", "digest", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    service: Mapped[str]
    revision: Mapped[str]
    name: Mapped[str]
    digest: Mapped[str]
    target: Mapped[str]
    tag: Mapped[str]
    reference: Mapped[str] = mapped_column(default="")
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    code: Mapped[str] = mapped_column(default="")
    actor: Mapped[str]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class SecretRow(Table):
    """A secret by name, for all projects, one project, or one environment; an empty word stands for all of them."""

    __tablename__ = "secret"
    __table_args__ = (UniqueConstraint("project", "environment", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(default="")
    environment: Mapped[str] = mapped_column(default="")
    name: Mapped[str]
    sealed: Mapped[str]
    set_by: Mapped[str]
    set_at: Mapped[datetime]


class ScheduleRow(Table):
    """A run that comes again and again, as the default branch's file says; `due_at` in the database's seconds."""

    __tablename__ = "schedule"
    __table_args__ = (UniqueConstraint("project_id", "key"), Index("ix_schedule_due", "due_at"))
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    key: Mapped[str]
    cron: Mapped[str]
    branch: Mapped[str]
    stages: Mapped[list[Any] | None]
    due_at: Mapped[float]
