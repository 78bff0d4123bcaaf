"""build: make another run of something that was pushed."""

from control.asking import Ask, Reply
from control.places import project_named
from control.targets import SHA
from pipeline.errors import Rejected
from pipeline.intents import Intent
from pipeline.names import run_name, short
from pipeline.nearest import either, near
from pipeline.outcome import State
from pipeline.project import Project
from pipeline.push import HEADS, TAGS, Push
from pipeline.telling import person
from store import catalog, messages, runs
from store.schema import RunRow


def build(ask: Ask, intent: Intent) -> Reply:
    """Run a project's newest push of a branch or tag, or a revision, again."""
    target = intent.targets[0]
    project = project_named(ask.session, target.name)
    old = _pushed(ask, project, target.ref)
    if not State(old.state).ended:
        text = f"{run_name(old.id)} of {project.name} `{short(old.revision)}` is {old.state} already."
        return Reply(text=text, code="already_started")
    push = Push(ref=old.ref, before=old.before, after=old.revision, message=old.message, author=old.author)
    again = f"{ask.at.timestamp():.6f}"
    reason = intent.reason or f"asked for by {person(ask.actor)}"
    run, _ = runs.create(ask.session, project, push, trigger="chat", at=ask.at, reason=reason, again=again)
    messages.touch(ask.session, "run", run, channel=ask.channel, at=ask.at)
    where = old.ref.removeprefix(HEADS).removeprefix(TAGS)
    text = f"🔨 {project.name} `{short(old.revision)}` on `{where}` is built again as {run_name(run)}."
    return Reply(text=text, everyone=True, runs=(run,))


def _pushed(ask: Ask, project: Project, ref: str) -> RunRow:
    """Return the newest run of what a ref means among what was pushed; git is never asked."""
    wanted = project.default_branch if ref in {"", "head", "latest"} else ref
    hits = {
        revision
        for whole in (f"{TAGS}{wanted}", f"{HEADS}{wanted}")
        if (revision := catalog.pushed(ask.session, project.id, whole))
    }
    if SHA.fullmatch(wanted):
        hits |= set(catalog.pushes_beginning(ask.session, project.id, wanted.lower()))
    if len(hits) > 1:
        raise Rejected(f"`{ref}` may mean {' or '.join(sorted(hits))}. Say which.", code="ambiguous_ref")
    for revision in hits:
        run = catalog.latest_run(ask.session, project.id, revision)
        if run is not None:
            return run
    close = near(wanted, catalog.branches(ask.session, project.id))
    meant = f" Did you mean {either(close)}?" if close else ""
    raise Rejected(f"`{wanted[:60]}` of {project.name} was never pushed here.{meant}", code="never_pushed")
