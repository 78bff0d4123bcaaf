"""What one group of arrivals does to refs and runs, worked out in memory and then written in a few statements."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from pipeline.decide import Deleted, Made, comes_late, ref_name, settle
from pipeline.names import run_name, short
from pipeline.project import Project
from pipeline.pull_requests import number_of
from pipeline.push import Push
from store import new_runs, refs, reports
from store.deliveries import ACCEPTED, HOOK, SWEEP, Key, NewDelivery
from store.new_runs import WAITS, GivenWay, NewRun
from store.refs import STRANGERS, OpenRun, Ref, RefState

DUPLICATE = "duplicate"
# What `trigger.supersede` may say; the first is meant where nothing is said.
QUEUED, RUNNING, NEVER = "queued", "running", "never"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of one event."""

    code: str
    sentence: str
    run: int | None = None


@dataclass(kw_only=True, slots=True)
class Ledger:
    """The refs that are spoken of as they stand after each event, and what is to be written at the end.

    `made` are the first runs of commits by (project, key), `came` the bodies that were taken in before and whether that
    was a moment ago, `numbers` those that new runs get, `asker` is the run that looked for itself.
    """

    session: Session
    channel: str
    refs: dict[Ref, RefState]
    made: dict[Ref, Made]
    numbers: Iterator[int]
    came: dict[Key, bool]
    new: dict[int, NewRun] = field(default_factory=dict)
    told: dict[Ref, str | None] = field(default_factory=dict)
    asker: int | None = None
    at: datetime | None = None
    ended: list[GivenWay] = field(default_factory=list)
    stopped: list[GivenWay] = field(default_factory=list)
    called_off: list[tuple[int, str]] = field(default_factory=list)

    def push(self, project: Project, push: Push, *, delivery: int, new: NewDelivery, doubted: bool) -> Verdict:
        """Start the run of a push, or find the one it had."""
        where, self.at = (project.id, push.ref), new.at
        state, key = self.refs[where], key_of(push)
        replayed = doubted and self.came.get((project.id, new.digest), False)
        seen = new.source == SWEEP
        decision = settle(push, state.heard, self.made.get((project.id, key)), seen=seen, replayed=replayed)
        if isinstance(decision, Made):
            # Late news of a run must not make us forget what the ref was told to be since.
            news = decision == state.newest and state.told in {None, push.before} and not replayed
            if seen or news:
                self._hear(where, push.after)
            return Verdict(
                code=DUPLICATE, sentence=f"already handled as {run_name(decision.run_id)}", run=decision.run_id
            )
        run = NewRun(
            id=next(self.numbers),
            project_id=project.id,
            push=push,
            key=key,
            trigger=SWEEP if seen else ("push" if ours(push.ref) else STRANGERS),
            delivery_id=delivery,
            at=new.at,
        )
        if decision.again:
            run.key = f"{key}#{run_name(run.id)}"
        after = self._put_in_order(project, run, state)
        after += "" if run.trusted else f", and waits for approval: {WAITS}"
        found = self._found() if seen else ""
        what = f"{project.name} {short(push.after)} on {ref_name(push)} is {run_name(run.id)}"
        return Verdict(code=ACCEPTED, sentence=f"{found}{what}{after}", run=run.id)

    def _found(self) -> str:
        """Return how we came to know of what we saw; where a run looked for itself, a webhook may still tell."""
        return (
            f"found when {run_name(self.asker)} looked: " if self.asker else "found by looking, no webhook told of it: "
        )

    def skip(self, project: Project, push: Push, *, at: datetime) -> None:
        """Note that a ref moved, although nothing is to be done about it."""
        self.at = at
        self._hear((project.id, push.ref), push.after)

    def came_before(self, project: Project, new: NewDelivery) -> bool:
        """Tell whether the very same webhook was taken in before, under whatever name."""
        return new.source == HOOK and (project.id, new.digest) in self.came

    def delete(self, project: Project, gone: Deleted, *, new: NewDelivery, doubted: bool) -> Verdict:
        """Call off what waits for a ref that is no longer there, and, if we have seen that for ourselves, what runs."""
        if doubted and self.came_before(project, new):
            return Verdict(code=DUPLICATE, sentence=f"already handled: {gone.sentence}")
        self.at, where = new.at, (project.id, gone.ref)
        state = self.refs[where]
        begun = [run_name(run.id) for run in state.open if run.started]
        if begun and new.source != SWEEP:
            sentence = f"{', '.join(begun)} goes on until a look at the repository finds that {gone.sentence}"
            return Verdict(code="ref_deleted", sentence=sentence)
        for run in state.open:
            if run.id in self.new:
                self.new[run.id].cancelled = gone.sentence
            else:
                self.called_off.append((run.id, gone.sentence))
        names = ", ".join(run_name(run.id) for run in state.open)
        if state.newest is not None and state.newest.run_id in {run.id for run in state.open}:
            state.newest = _void(state.newest)
        state.open = []
        self._hear(where, None)
        what = f"{names} called off" if names else "nothing to do"
        return Verdict(code="ref_deleted", sentence=f"{what}: {gone.sentence}")

    def write(self) -> None:
        """Write all of it."""
        at = self.at
        if at is None:
            return
        new_runs.insert_all(self.session, list(self.new.values()), channel=self.channel)
        new_runs.end_waiting(self.session, self.ended, at=at)
        new_runs.stop_running(self.session, self.stopped)
        new_runs.call_off(self.session, self.called_off)
        reports.touch_many(self.session, self._changed(), at=at)
        refs.note(self.session, self.told.items(), at=at)

    def _changed(self) -> set[int]:
        """Return the runs that a git host may have to be told of."""
        old = {one.run_id for one in (*self.ended, *self.stopped)} | {run_id for run_id, _ in self.called_off}
        return old | set(self.new)

    def _put_in_order(self, project: Project, run: NewRun, state: RefState) -> str:
        """Have older runs of the ref give way to a new one, or the new one to them; return how the sentence ends."""
        where = (project.id, run.push.ref)
        self.new[run.id] = run
        mine = Made(run_id=run.id, revision=run.push.after, before=run.push.before)
        self.made.setdefault((project.id, key_of(run.push)), mine)
        mode = (project.rules or {}).get("supersede", QUEUED)
        late = run.trigger != SWEEP and comes_late(run.push, state.heard)
        if late and state.newest is not None and mode != NEVER:
            run.yields = (state.newest.run_id, state.newest.revision)
            return f", which gives way: {run_name(state.newest.run_id)} is of a later push that was told of first"
        replaced = [] if mode == NEVER else [old for old in state.open if self._yields(old, run, mode)]
        state.open = [old for old in state.open if old not in replaced]
        state.open.append(OpenRun(id=run.id, revision=run.push.after, by_push=True, started=False, job_id=run.takes))
        state.newest = mine
        self._hear(where, run.push.after)
        return f", in place of {', '.join(run_name(old.id) for old in replaced)}" if replaced else ""

    def _yields(self, old: OpenRun, run: NewRun, mode: str) -> bool:
        """Have an older run of the ref give way to a newer one if it may; return whether it did."""
        if not old.by_push:
            return False
        way = GivenWay(run_id=old.id, to=run.id, revision=run.push.after)
        if old.started:
            if mode != RUNNING or not new_runs.may_be_stopped(self.session, old.id):
                return False
            self.stopped.append(way)
            return True
        # A stranger's run takes the place of none: what was approved is the older commit.
        run.takes = (run.takes or old.job_id) if run.trusted else None
        if old.id in self.new:
            self.new[old.id].takes, self.new[old.id].yields = None, (run.id, run.push.after)
        else:
            self.ended.append(way)
        return True

    def _hear(self, where: Ref, revision: str | None) -> None:
        self.refs[where].told = revision
        # What pull requests are at is told by nobody but them: a look at the repository sees branches and tags.
        if ours(where[1]):
            self.told[where] = revision


def ours(ref: str) -> bool:
    """Tell whether only who may push here can move a ref: a branch or a tag, and no pull request."""
    return number_of(ref) is None


def key_of(push: Push) -> str:
    """Return what makes the same commit on the same ref one run."""
    return f"{push.ref}@{push.after}"


def _void(made: Made) -> Made:
    return Made(run_id=made.run_id, revision=made.revision, before=made.before, void=True)
