"""Pin a run to what its ref is at this moment: a delivery is a hint to look, and what we see is what is built."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from control.found import take_in_seen
from control.intake import Answer
from pipeline.errors import Busy, Unavailable
from pipeline.names import run_name, short
from pipeline.outcome import superseded
from pipeline.push import TAGS, Push, Tag
from store import heads, new_runs, projects, stops
from store.races import settled
from store.refs import BY_PUSH
from store.stage_work import StageWork
from workers import asking
from workers.locating import locate
from workers.stage import Done, Scene
from workers.steps import ATTEMPTS

NEVER = "never"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """What a ref is: the object itself, and the commit it means; `holds` tells whether the run's commit is on it.

    `told` is what we had heard of the ref when we looked.
    """

    tip: str
    commit: str
    holds: bool
    told: str | None


def pin(scene: Scene) -> Done | None:
    """Fetch a run's ref and make sure its commit is the one to build; return how it ends if another one is.

    Raises StageFailed if the ref is gone, or, for a run that a person asked for, no longer holds the commit.
    """
    source, work, project = scene.ctx.source, scene.work, scene.project
    if work.trigger not in BY_PUSH:
        if not work.before:
            locate(scene)
        asking.fetch(scene.ctx, project, work.ref, work.revision)
        return None
    with scene.ctx.database.read() as session:
        aside = stops.given_way(session, work.run_id)
        told = heads.told(session, project.id, work.ref)
    if aside is not None:
        return Done(outcome=aside)
    tip = asking.tip(scene.ctx, project, work.ref)
    if tip == work.revision:
        return None
    seen = _Seen(
        tip=tip,
        commit=source.commit(project.name, tip).revision,
        holds=source.holds(project.name, work.ref, work.revision),
        told=told,
    )
    if seen.commit == work.revision:
        return None
    if seen.holds and _goes_on(scene):
        scene.transcript.write(f"{_moved(scene, seen)}; this run goes on with what it was told of")
        return None
    return _stand_aside(scene, seen)


def _goes_on(scene: Scene) -> bool:
    """Tell whether a run goes on although its ref has moved: by the project's rules, or lest none ever gets through."""
    if (scene.project.rules or {}).get("supersede") == NEVER:
        return True
    with scene.ctx.database.read() as session:
        return not new_runs.may_be_stopped(session, scene.work.run_id)


def _stand_aside(scene: Scene, seen: _Seen) -> Done | None:
    """Make sure that what the ref is now has its run, and end this one for it; not if that was skipped unlooked at."""
    if not seen.holds and scene.claim.attempt < ATTEMPTS and _seems_behind(scene, seen):
        what = f"{_name(scene.work)} does not hold {short(scene.work.revision)} yet, of which we were told"
        raise Unavailable(what, code="source_behind")
    there = settled(scene.ctx.database, lambda session: _give_way(session, scene, seen))
    if there is None:
        sentence = f"{_moved(scene, seen)}, which asks for no run; this run goes on with what it was told of"
        scene.transcript.write(sentence)
        return None
    sentence = f"{_moved(scene, seen)}, {there}"
    scene.transcript.write(sentence)
    return Done(outcome=superseded(sentence))


def _seems_behind(scene: Scene, seen: _Seen) -> bool:
    """Tell whether the host may not show yet what it told us of: what it shows is older news than this run."""
    with scene.ctx.database.read() as session:
        known = (seen.tip, seen.commit)
        return heads.has_older_run(session, scene.work.run_id, scene.project.id, scene.work.ref, known)


def _give_way(session: Session, scene: Scene, seen: _Seen) -> str | None:
    """Take in what the ref is and return which run it has, or None if this run's commit would have none by that.

    That the run gives way is noted in the same transaction: the other may begin at once, and must know of it.
    Raises Busy if we have heard of the ref since we looked: what we saw may be older than that.
    """
    projects.current(session, {scene.project.id})
    if heads.told(session, scene.project.id, scene.work.ref) != seen.told:
        raise Busy(f"{_name(scene.work)} has moved while we looked; looking again")
    answer = _take_in(session, scene, seen)
    newer = next((run for run in answer.runs if run != scene.work.run_id), None)
    if newer is None:
        return answer.detail
    if seen.holds and stops.built_nothing(session, newer):
        return None
    stops.give_way(session, scene.work.run_id, newer)
    return f"which is {run_name(newer)}"


def _take_in(session: Session, scene: Scene, seen: _Seen) -> Answer:
    work, ctx = scene.work, scene.ctx
    kind = Tag if work.ref.startswith(TAGS) else Push
    before = work.revision if seen.holds else "0" * len(seen.tip)
    return take_in_seen(
        session,
        scene.project,
        kind(ref=work.ref, before=before, after=seen.tip),
        look=run_name(work.run_id),
        at=ctx.now(),
        channel=ctx.channel,
        instead_of=work.run_id,
    )


def _moved(scene: Scene, seen: _Seen) -> str:
    return f"we were told of {short(scene.work.revision)}; {_name(scene.work)} is at {short(seen.commit)} by now"


def _name(work: StageWork) -> str:
    return work.branch or f"tag {work.tag}"
