"""Reports: the outbox of what git hosts are to be told. A row a revision and a row a deployment, each kept true."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from pipeline.errors import SlipwayError
from pipeline.names import deployment_name
from pipeline.project import Forge
from pipeline.push import TAGS
from store import jobs
from store.plain import Plain, chunks, marks
from store.schema import DeploymentRow, ForgeAccountRow, ProjectRow, ReportRow

# Asked of every push: in plain SQL, for most have nobody to tell.
CHANGED = """
SELECT DISTINCT run.project_id, run.revision, forge_account.broken
FROM run JOIN forge_account ON forge_account.project_id = run.project_id
WHERE (run.ref NOT LIKE ? OR run.config IS NOT NULL) AND run.id IN"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a host has been told of one subject, and up to which version of it; the rest as in `ReportRow`."""

    id: int
    project_id: int
    subject: str
    deployment_id: int | None
    version: int
    told: Mapping[str, Any]
    asking: str


def touch(session: Session, run_id: int, *, at: datetime) -> None:
    """Say that a run has changed, in the transaction that changed it; one look-up where nobody is to be told."""
    touch_many(session, [run_id], at=at)


def touch_many(session: Session, run_ids: Collection[int], *, at: datetime) -> None:
    """Say that runs have changed or were made. A tag's run counts from when the commit that the tag means is known."""
    session.flush()
    plain = Plain(session)
    found: dict[tuple[int, str, int | None], bool] = {}
    for some in chunks(run_ids):
        rows = plain.rows(f"{CHANGED} {marks(some)}", [f"{TAGS}%", *some])
        found |= {(project_id, revision, None): bool(broken) for project_id, revision, broken in rows}
    _touch(session, found, at=at)


def touch_deployment(session: Session, deployment_id: int, *, at: datetime) -> None:
    """Say that a deployment has changed; with it those that the host takes for live in the same environment."""
    mine = (
        select(DeploymentRow.project_id, DeploymentRow.environment_id, ForgeAccountRow.broken)
        .join(ForgeAccountRow, ForgeAccountRow.project_id == DeploymentRow.project_id)
        .join(ProjectRow, ProjectRow.id == DeploymentRow.project_id)
        .where(DeploymentRow.id == deployment_id, ProjectRow.forge == Forge.GITHUB)
    )
    row = session.execute(mine).one_or_none()
    if row is None:
        return
    shown = session.scalars(
        select(ReportRow.deployment_id)
        .join(DeploymentRow, DeploymentRow.id == ReportRow.deployment_id)
        .where(DeploymentRow.environment_id == row.environment_id, ReportRow.live)
    )
    numbers = {deployment_id, *(one for one in shown if one is not None)}
    _touch(session, {(row.project_id, deployment_name(one), one): row.broken for one in numbers}, at=at)


def again(session: Session, project_id: int, *, at: datetime) -> None:
    """Ask for everything a project's host does not know yet: its account was set anew."""
    behind = (ReportRow.project_id == project_id) & (ReportRow.version > ReportRow.done)
    waiting = session.scalars(select(ReportRow.id).where(behind).order_by(ReportRow.id)).all()
    jobs.add_all(session, jobs.JobKind.REPORT, waiting, at=at)


def get(session: Session, report_id: int) -> Report | None:
    """Return a report, which stays as it is until the transaction ends."""
    row = session.get(ReportRow, report_id, with_for_update=True)
    if row is None:
        return None
    return Report(
        id=row.id,
        project_id=row.project_id,
        subject=row.subject,
        deployment_id=row.deployment_id,
        version=row.version,
        told=row.told,
        asking=row.asking,
    )


def asking(session: Session, report_id: int, what: str) -> None:
    """Note what the host is about to be told."""
    session.get_one(ReportRow, report_id).asking = what


def told(session: Session, report_id: int, told: Mapping[str, Any], *, live: bool = False) -> None:
    """Keep what the host has taken, or refused."""
    row = session.get_one(ReportRow, report_id)
    row.told, row.asking, row.live = dict(told), "", live


def done(session: Session, report: Report) -> None:
    """Note that the host knows all there was to tell; what it has refused stays an error."""
    row = session.get_one(ReportRow, report.id)
    row.done = report.version
    if not any(isinstance(one, dict) and one.get("refused") for one in report.told.values()):
        row.error = row.code = ""


def failed(session: Session, report_id: int, fault: SlipwayError) -> None:
    """Keep why a host could not be told."""
    row = session.get_one(ReportRow, report_id)
    row.error, row.code = fault.sentence, fault.code


def untold(session: Session, project_id: int) -> tuple[str, ...]:
    """Return why the newest reports that were given up were not taken, newest first."""
    wrong = (ReportRow.project_id == project_id) & (ReportRow.error != "")
    newest = select(ReportRow.error).where(wrong).order_by(ReportRow.id.desc()).limit(10)
    return tuple(session.scalars(newest))


def _touch(session: Session, subjects: Mapping[tuple[int, str, int | None], bool], *, at: datetime) -> None:
    """Raise the versions, and queue the reports whose account is not broken."""
    if not subjects:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    rows = [
        {"project_id": project, "subject": subject, "deployment_id": deployment, "changed_at": at}
        for project, subject, deployment in sorted(subjects, key=lambda one: one[:2])
    ]
    made = insert(ReportRow).values([{**_NEW, **row} for row in rows])
    raised = made.on_conflict_do_update(
        index_elements=[ReportRow.project_id, ReportRow.subject],
        set_={"version": ReportRow.version + 1, "changed_at": made.excluded.changed_at},
    )
    session.execute(raised)
    wanted = [(project, subject) for (project, subject, _), broken in subjects.items() if not broken]
    same = tuple_(ReportRow.project_id, ReportRow.subject).in_(wanted)
    numbers = session.scalars(select(ReportRow.id).where(same).order_by(ReportRow.id)).all()
    jobs.add_all(session, jobs.JobKind.REPORT, numbers, at=at)


_NEW: dict[str, Any] = {
    "version": 1,
    "done": 0,
    "told": {},
    "asking": "",
    "live": False,
    "error": "",
    "code": "",
}
