"""build: make another run of something that was pushed, whole or in part."""

from collections.abc import Sequence
from dataclasses import dataclass

from control.asking import Ask, Reply
from control.places import project_named
from control.targets import SHA
from pipeline.errors import Rejected
from pipeline.intents import Intent
from pipeline.names import run_name, short
from pipeline.nearest import either, missing, near
from pipeline.outcome import State
from pipeline.project import Project
from pipeline.push import HEADS, TAGS, Push
from store import catalog, heads, messages, runs
from store.schema import RunRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What somebody wants of a run: why, and which stages; None is all."""

    reason: str = ""
    stages: list[str] | None = None


def build(ask: Ask, intent: Intent) -> Reply:
    """Run a project's newest push of a branch or tag, or a revision, again: all of it, or only some stages."""
    target = intent.targets[0]
    project = project_named(ask.session, target.name)
    old = _pushed(ask, project, target.ref)
    if isinstance(old, Push):
        stages = list(dict.fromkeys(intent.words)) or None
        return _first(ask, project, old, Wish(reason=intent.reason, stages=stages))
    return again(ask, project, old, Wish(reason=intent.reason, stages=_stages(ask, old, intent.words)))


def again(ask: Ask, project: Project, old: RunRow, wish: Wish) -> Reply:
    """Make another run of what the newest run of it was of, unless that is under way and does as much."""
    if not old.trusted:
        fix = "`retry` does what failed in it again; the next push of the pull request makes another."
        raise Rejected(f"{run_name(old.id)} is of a stranger's pull request.", code="untrusted_run", fix=fix)
    if not State(old.state).ended and (old.wanted is None or old.wanted == wish.stages):
        text = f"{run_name(old.id)} of {project.name} `{short(old.revision)}` is {old.state} already."
        return Reply(text=text, code="already_started")
    before = old.before or old.revision
    push = Push(ref=old.ref, before=before, after=old.revision, message=old.message, author=old.author)
    run = _make(ask, project, push, wish, of=run_name(old.id))
    where = old.ref.removeprefix(HEADS).removeprefix(TAGS)
    only = f", only {', '.join(wish.stages)}" if wish.stages else ""
    text = f"🔨 {project.name} `{short(old.revision)}` on `{where}` is built again as {run_name(run)}{only}."
    return Reply(text=text, everyone=True, runs=(run,))


def _first(ask: Ask, project: Project, push: Push, wish: Wish) -> Reply:
    """Make the first run of what we were told of and never ran, or of what only git can find."""
    run = _make(ask, project, push, wish, of="first")
    where = f" on `{push.branch or push.tag}`" if push.before else ""
    text = f"🔨 {project.name} `{short(push.after)}`{where} is built as {run_name(run)}."
    return Reply(text=text, everyone=True, runs=(run,))


def _make(ask: Ask, project: Project, push: Push, wish: Wish, *, of: str) -> int:
    asked = runs.Asked(
        again=f"{of}.{ask.at.timestamp():.6f}",
        by=ask.actor,
        reason=wish.reason,
        wanted=wish.stages,
    )
    run, _ = runs.create(ask.session, project, push, trigger="chat", at=ask.at, asked=asked)
    messages.touch(ask.session, "run", run, channel=ask.channel, at=ask.at)
    return run


def _stages(ask: Ask, old: RunRow, named: Sequence[str]) -> list[str] | None:
    """Return the stages that were named, or None for all. Raises Rejected for one that the commit has not.

    A commit whose configuration was never read is looked at when it is run.
    """
    config = catalog.config(ask.session, old.project_id, old.revision)
    known = list((config or {}).get("stages") or ())
    for name in named if config is not None else ():
        if name not in known:
            where = f"{short(old.revision)} has no such stage. "
            raise Rejected(where + missing(name, known, "stage"), code="unknown_stage")
    return list(dict.fromkeys(named)) or None


def _pushed(ask: Ask, project: Project, ref: str) -> RunRow | Push:
    """Return the newest run of what a ref means among what was pushed, or what to run where that had none.

    Git is never asked: what looks like a commit's digits is found by the run's first stage, or is not.
    """
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
    for whole in (f"{HEADS}{wanted}", f"{TAGS}{wanted}"):
        if told := heads.told(ask.session, project.id, whole):
            return Push(ref=whole, before=told, after=told)
    if SHA.fullmatch(wanted):
        return Push(ref=f"{HEADS}{project.default_branch}", before="", after=wanted.lower())
    close = near(wanted, catalog.branches(ask.session, project.id))
    meant = f" Did you mean {either(close)}?" if close else ""
    raise Rejected(f"`{wanted[:60]}` of {project.name} was never pushed here.{meant}", code="never_pushed")
