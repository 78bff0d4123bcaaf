"""What the end of every copy of a stage means together: kept for later, said in one sentence."""

from pipeline.coverage import Coverage
from pipeline.errors import StageFailed
from pipeline.judge import Judged, Past, failing_in, judge, lines_of, once, said_of
from pipeline.outcome import Outcome, State, passed
from pipeline.pieces import led
from runtime.oneshot import quoted
from store import artifacts, jobs, tests
from workers.stage import Scene
from workers.trial import Ended, Subject

# As many lines as the shortest extract anybody is shown: what stands first must not be cut off.
TAIL = 15
LEAST = 4


def conclude(scene: Scene, subject: Subject, ends: tuple[Ended, ...], code: str) -> Outcome:
    """Keep what the copies left and return how the stage ended; `code` is that of a command's own failure.

    Raises Cancelled if one of them was stopped.
    """
    judged, past = _recorded(scene, subject, ends)
    for stopped in (end.stopped for end in ends if end.stopped):
        raise stopped
    coverage = str(sum((end.found.coverage for end in ends), Coverage()))
    summary = said_of(judged, past) if judged else ""
    said = "; ".join(part for part in (summary, coverage) if part)
    failure = _failure(scene, ends, said, code)
    if failure is None:
        return passed(said)
    scene.transcript.write(failure.sentence)
    named = lines_of(judged, past)
    lines = (*named, *_last(ends, max(TAIL - len(named), LEAST)))
    return Outcome(
        state=State.FAILED,
        sentence=scene.transcript.masked(failure.sentence),
        code=failure.code,
        tail=scene.transcript.masked_lines(lines),
    )


def _recorded(scene: Scene, subject: Subject, ends: tuple[Ended, ...]) -> tuple[tuple[Judged, ...], Past]:
    """Record tests and artifacts at once, so that they are there however the stage's own end is told."""
    said = {end.copy.number: end.found.cases for end in ends}
    counts, failing = once(said), failing_in(said)
    cases = [case for of_shard in counts.values() for case in of_shard]
    kept = [one for end in ends for one in end.found.kept]
    if not (cases or kept):
        return (), Past()
    work = scene.work
    where = tests.Where(
        project_id=scene.project.id,
        run_id=work.run_id,
        stage_id=work.stage.id,
        stage=work.stage.name,
        attempt=work.attempt,
        image=subject.digest,
    )
    with scene.ctx.database.begin() as session:
        jobs.renew(session, scene.claim)
        past = tests.past(session, where, cases)
        for shard, of_shard in counts.items():
            tests.record(session, where, judge(of_shard, past), shard=shard)
        artifacts.record(session, work.run_id, work.stage.id, kept, at=scene.ctx.now())
    return judge(cases, past, failing), past


def _failure(scene: Scene, ends: tuple[Ended, ...], said: str, code: str) -> StageFailed | None:
    bad = [end for end in ends if not end.good]
    if not bad:
        return None
    first = next((end for end in bad if end.failure), bad[0])
    named = f"{_shards(bad)}: " if first.copy.number else ""
    tested = any(case.state.bad for end in ends for case in end.found.cases)
    if first.failure:
        sentence = f"{first.failure.sentence}{f' ({said})' if said else ''}"
        return StageFailed(f"{named}{sentence}", code=first.failure.code, tail=first.failure.tail)
    run = scene.work.spec["run"]
    command = quoted(tuple(run)) if run else "the image's own command"
    exited = next((end.code for end in bad if end.code), 0)
    if not tested:
        though = f", though its report says {said}" if said else ""
        return StageFailed(f"{named}{command} exited with {exited}{though}", code=code)
    although = "" if exited else f", although {command} exited with 0"
    return StageFailed(f"{named}{said}{although}", code=code)


def _last(ends: tuple[Ended, ...], most: int) -> tuple[str, ...]:
    """Return the last lines of what failed: of each failing shard's command, or of the service that was at fault."""
    bad = [end for end in ends if not end.good][:most]
    each = most // len(bad)
    return tuple(
        led(f"[{end.copy.number}/{end.copy.of}] ", line) if end.copy.number else line
        for end in bad
        for line in ((end.failure and end.failure.tail) or end.said)[-each:]
    )


def _shards(bad: list[Ended]) -> str:
    numbers = ", ".join(str(end.copy.number) for end in bad)
    return f"shard{'s' if len(bad) > 1 else ''} {numbers} of {bad[0].copy.of}"
