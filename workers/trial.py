"""One copy of a test or a task: everything around it, the command, and what it left behind."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.containers import ContainerSpec, environment_variables
from pipeline.errors import Cancelled, StageFailed
from pipeline.names import run_name
from workers import backing
from workers.backing import Around
from workers.copies import Copy
from workers.harvest import Found, Harvest
from workers.restoring import restore
from workers.surroundings import surroundings, sweep

TAIL = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """The image a stage runs, the service it is of, if any, and the secrets its command is given."""

    image: str
    digest: str
    service: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a copy ended: its command's exit code, or what kept that from ending by itself, and what it left.

    One that was `stopped` has left something too. `said` are the command's own last lines.
    """

    copy: Copy
    code: int | None
    failure: StageFailed | None
    found: Found
    stopped: Cancelled | None = None
    said: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Tell whether nothing is to be said against it, by its command or by its reports."""
        return (
            self.failure is None
            and self.stopped is None
            and self.code == 0
            and not any(case.state.bad for case in self.found.cases)
        )


def run_copy(copy: Copy, subject: Subject) -> Ended:
    """Run one copy to its end and leave nothing of it on the engine. Raises Unavailable."""
    limits = copy.scene.ctx.tests
    harvest = Harvest(
        copy=copy, bytes_left=limits.artifact_bytes // copy.of, files_left=-(-limits.artifact_count // copy.of)
    )
    if copy.scene.work.attempt > 1:
        sweep(copy)
    code: int | None = None
    failure: StageFailed | None = None
    stopped: Cancelled | None = None
    said: deque[str] = deque(maxlen=TAIL)
    try:
        copy.check_stop()
        with surroundings(copy) as around:
            code = _run(copy, subject, around, harvest, said)
    except StageFailed as fault:
        failure = fault
    except Cancelled as stop:
        stopped = stop
    for warning in harvest.found.warnings:
        copy.write(f"warning: {warning}")
    return Ended(copy=copy, code=code, failure=failure, found=harvest.found, stopped=stopped, said=tuple(said))


def _run(copy: Copy, subject: Subject, around: Around, harvest: Harvest, said: deque[str]) -> int:
    """Run the command; where it fails the backing services have the last word, or are what failed."""

    def line(text: str) -> None:
        said.append(text)
        copy.write(text)

    try:
        restore(copy)
        spec = _container(copy, subject, around)
        code = copy.scene.ctx.engine.run(spec, line, copy.limits, copy.stop, ended=harvest.gather)
    except StageFailed:
        backing.tell(copy)
        raise
    if code != 0:
        backing.tell(copy)
        gone = backing.died(copy)
        if gone:
            raise gone
    return code


def _container(copy: Copy, subject: Subject, around: Around) -> ContainerSpec:
    return ContainerSpec(
        name=copy.name,
        image=subject.image,
        command=tuple(copy.spec["run"]) if copy.spec["run"] else None,
        env=_environment(copy, subject) | dict(around.env) | dict(copy.spec.get("env") or {}) | dict(subject.secrets),
        labels=copy.marks(subject.service),
        network=None if around.joins else around.network,
        joins=around.joins,
        hosts={} if around.joins else around.hosts,
        memory=copy.scene.ctx.memory,
    )


def _environment(copy: Copy, subject: Subject) -> dict[str, str]:
    """Return what every command is told of where it runs."""
    work = copy.scene.work
    where = {"service": subject.service, "branch": work.branch or "", "tag": work.tag or "", "stage": work.stage.name}
    known = environment_variables(
        project=copy.scene.project.name, revision=work.revision, run_id=run_name(work.run_id), **where
    )
    shard = {"SLIPWAY_SHARD": str(copy.number), "SLIPWAY_SHARDS": str(copy.of)} if copy.number else {}
    return {"CI": "true", "SLIPWAY_ATTEMPT": str(work.attempt)} | known | shard
