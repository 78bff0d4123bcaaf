"""What may be forgotten: images, runs and logs past what their project keeps, and nothing that anything still needs."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from pipeline import spec as spec_file
from pipeline.deployment import DeploymentState
from pipeline.errors import StageFailed
from pipeline.push import HEADS
from pipeline.retention import Ages, Built, InUse, Shelf, Spent, spare
from pipeline.spec_model import Retention
from store import runs
from store.jobs import JobKind
from store.schema import (
    ArtifactRow,
    DeploymentRow,
    EnvironmentRow,
    ImageRow,
    JobRow,
    MessageRow,
    ProjectRow,
    RunRow,
    StageRow,
    TestResultRow,
)

# Of each environment what serves and so many before it stay, to go back to.
BEFORE = 3
# Of each project so many runs stay however old they are.
NEWEST = 20
ENDED = RunRow.finished_at.is_not(None)
UNDER_WAY = (DeploymentState.QUEUED, DeploymentState.RUNNING)


def ages(session: Session) -> dict[int, Ages]:
    """Return what each project keeps, as the newest configuration of its default branch says.

    A project whose configuration cannot be read, being another version's perhaps, is not there and keeps everything.
    """
    found = ((row.id, _ages(session, row)) for row in session.scalars(select(ProjectRow)))
    return {project_id: kept for project_id, kept in found if kept is not None}


def spent(session: Session, kept: Mapping[int, Ages], *, at: datetime) -> Spent:
    """Return what is past its time."""
    keep = {project_id: one.images for project_id, one in kept.items()}
    old_runs = [run for project_id, one in kept.items() for run in _old(session, project_id, at - _days(one.runs))]
    old_logs = [run for project_id, one in kept.items() for run in _old(session, project_id, at - _days(one.logs))]
    logs = set(old_logs) - set(old_runs)
    return Spent(
        images=tuple(spare(_images(session), keep, in_use(session))), runs=tuple(old_runs), logs=tuple(sorted(logs))
    )


def in_use(session: Session) -> InUse:
    """Return what something runs, is about to run or may go back to, and the commits that are at work."""
    found: set[str] = set()
    for environment in session.scalars(select(EnvironmentRow)):
        found |= _references(_kept(session, environment))
    found |= _references(session.scalars(select(DeploymentRow).where(DeploymentRow.state.in_(UNDER_WAY))))
    at_work = session.execute(select(RunRow.project_id, RunRow.revision).where(~ENDED))
    return InUse(references=frozenset(found), revisions=frozenset((row[0], row[1]) for row in at_work))


def forget_images(session: Session, images: Collection[Built], kept: Mapping[int, Ages]) -> list[Built]:
    """Forget those of the images that are spare still, and return them.

    Whoever deploys one holds its row: what has been deployed since we looked is waited for, seen, and stays.
    """
    wanted = [one.id for one in images]
    session.execute(select(ImageRow.id).where(ImageRow.id.in_(wanted)).order_by(ImageRow.id).with_for_update()).all()
    keep = {project_id: one.images for project_id, one in kept.items()}
    still = [one for one in spare(_images(session), keep, in_use(session)) if one.id in wanted]
    session.execute(delete(ImageRow).where(ImageRow.id.in_([one.id for one in still])))
    return still


def forget_run(session: Session, run_id: int, kept: Mapping[int, Ages], *, at: datetime) -> bool:
    """Forget a run and all that is kept of it; its deployments stay, and no longer say whose they were.

    False if it is not past its time after all: somebody has retried it since we looked, or it has built an image.
    """
    row = session.get(RunRow, run_id, with_for_update=True)
    if row is None or row.project_id not in kept or not _is_old(row, at - _days(kept[row.project_id].runs)):
        return False
    if session.scalar(select(ImageRow.id).where(ImageRow.run_id == run_id).limit(1)) is not None:
        return False
    stages = select(StageRow.id).where(StageRow.run_id == run_id)
    drawn = select(MessageRow.id).where(MessageRow.kind == "run", MessageRow.ref_id == run_id)
    session.execute(delete(TestResultRow).where(TestResultRow.run_id == run_id))
    session.execute(delete(ArtifactRow).where(ArtifactRow.run_id == run_id))
    session.execute(update(DeploymentRow).where(DeploymentRow.run_id == run_id).values(run_id=None, stage_id=None))
    session.execute(delete(JobRow).where(JobRow.kind == JobKind.STAGE, JobRow.ref_id.in_(stages)))
    session.execute(delete(JobRow).where(JobRow.kind == JobKind.MESSAGE, JobRow.ref_id.in_(drawn)))
    session.execute(delete(MessageRow).where(MessageRow.kind == "run", MessageRow.ref_id == run_id))
    session.execute(delete(StageRow).where(StageRow.run_id == run_id))
    session.execute(delete(RunRow).where(RunRow.id == run_id))
    return True


def forget_artifacts(session: Session, run_id: int, kept: Mapping[int, Ages], *, at: datetime) -> bool:
    """Forget the files of a run; the run itself stays. False if it is not past its time after all."""
    row = session.get(RunRow, run_id, with_for_update=True)
    if row is None or row.project_id not in kept or not _is_old(row, at - _days(kept[row.project_id].logs)):
        return False
    session.execute(delete(ArtifactRow).where(ArtifactRow.run_id == run_id))
    return True


def shelves(session: Session) -> dict[str, Shelf]:
    """Return what is known under each image name that was ever built: images, what is in use, commits at work."""
    used = in_use(session)
    revisions: dict[str, set[str]] = defaultdict(set)
    digests: dict[str, set[str]] = defaultdict(set)
    for image in _images(session):
        revisions[image.name].add(image.revision)
        digests[image.name] |= image.digests
    for reference in used.references:
        name, _, digest = reference.partition("@")
        digests[name].add(digest)
    at_work = {revision for _, revision in used.revisions}
    names = revisions.keys() | digests.keys()
    return {
        name: Shelf(revisions=frozenset(revisions[name] | at_work), digests=frozenset(digests[name])) for name in names
    }


def _ages(session: Session, project: ProjectRow) -> Ages | None:
    known = runs.config_of(session, project.id, f"{HEADS}{project.default_branch}")
    try:
        said = spec_file.from_json(known).retention if known else Retention()
    except StageFailed:
        return None
    return Ages(images=said.images, runs=said.runs, logs=said.logs)


def _old(session: Session, project_id: int, before: datetime) -> list[int]:
    """Return a project's runs that ended before a time, built nothing that is still there, and are not its newest."""
    mine = RunRow.project_id == project_id
    newest = select(RunRow.id).where(mine).order_by(RunRow.id.desc()).limit(NEWEST)
    built = select(ImageRow.run_id).where(ImageRow.project_id == project_id)
    old = select(RunRow.id).where(mine, ENDED, RunRow.finished_at < before)
    return list(session.scalars(old.where(RunRow.id.not_in(newest), RunRow.id.not_in(built)).order_by(RunRow.id)))


def _is_old(run: RunRow, before: datetime) -> bool:
    return run.finished_at is not None and run.finished_at < before


def _kept(session: Session, environment: EnvironmentRow) -> list[DeploymentRow]:
    """Return what serves in an environment and the good ones before it."""
    good = (DeploymentRow.environment_id == environment.id) & (DeploymentRow.state == DeploymentState.DEPLOYED)
    live = environment.live_deployment_id
    rows = list(session.scalars(select(DeploymentRow).where(DeploymentRow.id == live))) if live else []
    before = select(DeploymentRow).where(good, DeploymentRow.id != (live or 0)).order_by(DeploymentRow.id.desc())
    return rows + list(session.scalars(before.limit(BEFORE)))


def _references(deployments: Iterable[DeploymentRow]) -> set[str]:
    return {str(release["image"]) for row in deployments for release in row.releases}


def _images(session: Session) -> list[Built]:
    return [
        Built(
            id=row.id,
            project_id=row.project_id,
            name=row.name,
            revision=row.revision,
            digests=frozenset(filter(None, (row.digest, row.release_digest))),
            size=row.size,
        )
        for row in session.scalars(select(ImageRow))
    ]


def _days(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
