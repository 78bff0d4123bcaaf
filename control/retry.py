"""retry: have what failed in a run done again, in the same run; or make another run of the same."""

from control.asking import Ask, Reply
from control.build import Wish, again
from pipeline.errors import Conflict, NotFound, Rejected
from pipeline.intents import Intent
from pipeline.names import run_name, short
from pipeline.nearest import missing
from pipeline.outcome import State
from pipeline.run import Run
from pipeline.telling import because, person
from store import catalog, messages, projects, runs
from store.schema import RunRow

BROKEN = frozenset({State.FAILED, State.ERROR})


def retry(ask: Ask, intent: Intent) -> Reply:
    """Have one stage done again, or all that failed; of a run that did not fail, make another."""
    number = int(intent.id[1:])
    if intent.id[0] == "d":
        raise Rejected(
            "A deployment cannot be retried yet; `deploy SERVICE to ENVIRONMENT` makes another.", code="not_yet"
        )
    row = ask.session.get(RunRow, number, with_for_update=True)
    if row is None:
        raise NotFound(f"There is no run {run_name(number)}.", code="unknown_run")
    if intent.subject or row.state in BROKEN:
        return _same_run(ask, row, intent)
    newest = catalog.latest_run(ask.session, row.project_id, row.revision, ref=row.ref) or row
    return again(ask, projects.get(ask.session, row.project_id), newest, Wish(reason=intent.reason))


def _same_run(ask: Ask, row: RunRow, intent: Intent) -> Reply:
    run = runs.load(ask.session, row.id)
    names = [_stage(run, intent.subject)] if intent.subject else []
    if not row.trusted and not row.approved_by:
        sentence = f"{run_name(row.id)} was never approved; the next push of its pull request makes a run that can be."
        raise Conflict(sentence, code="untrusted_run")
    if row.superseded_by is not None or row.state == State.SUPERSEDED:
        newer = run_name(row.superseded_by) if row.superseded_by else "a newer one"
        raise Conflict(f"{run_name(row.id)} gave way to {newer}; retry that.", code="superseded")
    if not run.state.ended:
        if names and not _ended(run, names[0]):
            return Reply(text=f"{names[0]} of {run_name(row.id)} has not ended yet.", code="already_started")
        raise Conflict(f"{run_name(row.id)} is {row.state}; a stage can be retried once it has ended.", code="running")
    moved = runs.again(ask.session, row.id, names, at=ask.at, asked=runs.Asked(by=ask.actor, reason=intent.reason))
    messages.touch(ask.session, "run", row.id, channel=ask.channel, at=ask.at)
    queued = ", ".join(stage.name for stage in moved.stages if stage.state is State.QUEUED)
    what = f"{queued} of {run_name(row.id)} (`{short(row.revision)}`)"
    text = f"🔁 {person(ask.actor)} runs {what} again{because(intent.reason)}."
    return Reply(text=text, everyone=True, runs=(row.id,))


def _stage(run: Run, name: str) -> str:
    known = [stage.name for stage in run.stages]
    if name not in known:
        raise NotFound(missing(name, known, "stage"), code="unknown_stage")
    return name


def _ended(run: Run, name: str) -> bool:
    return next(stage.state.ended for stage in run.stages if stage.name == name)
