"""What reports tell, read from the rows as they stand."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.outcome import State
from pipeline.reports import RunFacts, StageFacts
from pipeline.reports_deployment import DeploymentFacts, revision_of
from store import deployments
from store.links import Links
from store.schema import EnvironmentRow, RunRow, StageRow
from store.stories import deployment_story, took

# More runs of one commit than this are history that no host shows.
MOST_RUNS = 20


def runs_of(session: Session, project_id: int, revision: str, links: Links) -> tuple[RunFacts, ...]:
    """Return the newest runs of a revision, and the first one."""
    mine = (RunRow.project_id == project_id) & (RunRow.revision == revision)
    rows = list(session.scalars(select(RunRow).where(mine).order_by(RunRow.id.desc()).limit(MOST_RUNS)))
    first = session.scalar(select(RunRow).where(mine).order_by(RunRow.id).limit(1))
    if first is not None and first not in rows:
        rows.append(first)
    return tuple(_run(session, row, links) for row in rows)


def deployment_of(session: Session, deployment_id: int, links: Links) -> DeploymentFacts | None:
    """Return a deployment as it stands."""
    story = deployment_story(session, deployment_id, links)
    if story is None:
        return None
    known = deployments.get(session, deployment_id)
    place = session.get_one(EnvironmentRow, known.environment_id)
    pushed = session.scalar(select(RunRow.revision).where(RunRow.id == known.run_id)) if known.run_id else None
    main = next((one.service for one in known.releases if one.main), None)
    addresses = {one.service: one.url for one in story.addresses}
    return DeploymentFacts(
        id=deployment_id,
        environment=story.environment,
        revision=revision_of(known.releases, known.named, pushed),
        state=known.state,
        live=place.live_deployment_id == deployment_id,
        reason=story.reason,
        url=links.deployment(deployment_id),
        address=addresses.get(main or "") or next(iter(addresses.values()), ""),
    )


def _run(session: Session, row: RunRow, links: Links) -> RunFacts:
    stages = session.scalars(select(StageRow).where(StageRow.run_id == row.id).order_by(StageRow.position))
    return RunFacts(
        id=row.id,
        ref=row.ref,
        state=State(row.state),
        url=links.run(row.id),
        reason=row.reason,
        whole=row.wanted is None,
        seconds=took(row),
        stages=tuple(
            StageFacts(
                name=one.name,
                state=State(one.state),
                sentence=one.reason,
                attempt=one.attempt,
                flaky=one.flaky,
                allow_failure=one.allow_failure,
            )
            for one in stages
        ),
    )
