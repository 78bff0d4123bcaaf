"""A stage's work: all that its worker needs to know of it and of the run around it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from pipeline.outcome import State
from pipeline.push import Push
from pipeline.stage import Kind, Stage
from store.schema import RunRow, StageRow


@dataclass(frozen=True, kw_only=True, slots=True)
class StageWork:
    """A stage and all its worker needs to know of the run around it.

    `wanted` are the stages that were asked for, None is all; a run that is not `trusted` is a stranger's. Without a
    `before` somebody has named a commit by its digits, and which ref holds it is to be found.
    """

    run_id: int
    project_id: int
    ref: str
    revision: str
    trigger: str
    stage: Stage
    spec: dict[str, Any]
    config: dict[str, Any] | None
    run_state: State
    cancel_requested: bool
    attempt: int
    wanted: tuple[str, ...] | None = None
    trusted: bool = True
    pull_request: int | None = None
    build_number: int | None = None
    approved_by: str = ""
    before: str = ""

    @property
    def may_begin(self) -> bool:
        """Tell whether somebody who may has vouched for the commit."""
        return self.trusted or bool(self.approved_by)

    @property
    def branch(self) -> str | None:
        """The branch that was pushed, or None for a tag."""
        return Push(ref=self.ref, before="", after=self.revision).branch

    @property
    def tag(self) -> str | None:
        """The tag that was pushed, or None for a branch."""
        return Push(ref=self.ref, before="", after=self.revision).tag


def work(session: Session, stage_id: int) -> StageWork:
    """Return what a stage's worker needs to know."""
    stage = session.get_one(StageRow, stage_id)
    run = session.get_one(RunRow, stage.run_id)
    return StageWork(
        run_id=run.id,
        project_id=run.project_id,
        ref=run.ref,
        revision=run.revision,
        trigger=run.trigger,
        stage=stage_of(stage),
        spec=stage.spec,
        config=run.config,
        run_state=State(run.state),
        cancel_requested=run.cancel_requested,
        attempt=stage.attempt,
        wanted=None if run.wanted is None else tuple(run.wanted),
        trusted=run.trusted,
        pull_request=run.pull_request,
        build_number=run.build_number,
        approved_by=run.approved_by,
        before=run.before,
    )


def stage_of(row: StageRow) -> Stage:
    """Return a stage as its row has it."""
    return Stage(
        id=row.id,
        name=row.name,
        kind=Kind(row.kind),
        state=State(row.state),
        needs=tuple(row.needs),
        sentence=row.reason,
        retries=row.retries,
        tries=row.tries,
        allow_failure=row.allow_failure,
        code=row.code,
        flaky=row.flaky,
        lane=row.lane,
        attempt=row.attempt or 0,
    )
