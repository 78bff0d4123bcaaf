"""build, retry: make another run of something that was pushed."""

from control.asking import Ask, Reply
from control.places import project_named
from control.targets import SHA
from pipeline.errors import NotFound, Rejected
from pipeline.intents import Intent
from pipeline.names import run_name, short
from pipeline.nearest import either, near
from pipeline.outcome import State
from pipeline.project import Project
from pipeline.push import HEADS, TAGS, Push
from pipeline.telling import person
from store import catalog, messages, projects, runs
from store.schema import RunRow


def build(ask: Ask, intent: Intent) -> Reply:
    """Run a project's newest push of a branch or tag, or a revision, again."""
    target = intent.targets[0]
    project = project_named(ask.session, target.name)
    return _again(ask, project, _pushed(ask, project, target.ref), intent.reason)


def retry(ask: Ask, intent: Intent) -> Reply:
    """Run what a run was of again: the same revision, pushed to the same ref."""
    number = int(intent.id[1:])
    if intent.id[0] == "d":
        raise Rejected(
            "A deployment cannot be retried yet; `deploy SERVICE to ENVIRONMENT` makes another.", code="not_yet"
        )
    row = ask.session.get(RunRow, number)
    if row is None:
        raise NotFound(f"There is no run {run_name(number)}.", code="unknown_run")
    if intent.subject:
        sentence = f"A single stage cannot be retried yet; `retry {run_name(number)}` runs all of them again."
        raise Rejected(sentence, code="not_yet")
    newest = catalog.latest_run(ask.session, row.project_id, row.revision, ref=row.ref) or row
    return _again(ask, projects.get(ask.session, row.project_id), newest, intent.reason)


def _again(ask: Ask, project: Project, old: RunRow, why: str) -> Reply:
    """Make another run of what the newest run of it was of, unless that is under way."""
    if not State(old.state).ended:
        text = f"{run_name(old.id)} of {project.name} `{short(old.revision)}` is {old.state} already."
        return Reply(text=text, code="already_started")
    push = Push(ref=old.ref, before=old.before, after=old.revision, message=old.message, author=old.author)
    again = f"{ask.at.timestamp():.6f}"
    reason = why or f"asked for by {person(ask.actor)}"
    run, _ = runs.create(ask.session, project, push, trigger="chat", at=ask.at, reason=reason, again=again)
    messages.touch(ask.session, "run", run, channel=ask.channel, at=ask.at)
    where = old.ref.removeprefix(HEADS).removeprefix(TAGS)
    text = f"🔨 {project.name} `{short(old.revision)}` on `{where}` is built again as {run_name(run)}."
    return Reply(text=text, everyone=True, runs=(run,))


def _pushed(ask: Ask, project: Project, ref: str) -> RunRow:
    """Return the newest run of what a ref means among what was pushed; git is never asked."""
    wanted = project.default_branch if ref in {"", "head", "latest"} else ref
    hits = {
        revision: whole
        for whole in (f"{HEADS}{wanted}", f"{TAGS}{wanted}")
        if (revision := catalog.pushed(ask.session, project.id, whole))
    }
    if SHA.fullmatch(wanted):
        hits = dict.fromkeys(catalog.pushes_beginning(ask.session, project.id, wanted.lower()), "") | hits
    if len(hits) > 1:
        raise Rejected(f"`{ref}` may mean {' or '.join(sorted(hits))}. Say which.", code="ambiguous_ref")
    for revision, whole in hits.items():
        run = catalog.latest_run(ask.session, project.id, revision, ref=whole)
        if run is not None:
            return run
    close = near(wanted, catalog.branches(ask.session, project.id))
    meant = f" Did you mean {either(close)}?" if close else ""
    raise Rejected(f"`{wanted[:60]}` of {project.name} was never pushed here.{meant}", code="never_pushed")
