"""The source stage: bring the commit here, read its configuration, plan the stages."""

from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from pipeline import spec as spec_file
from pipeline.decide import OWN_TAGS
from pipeline.errors import Busy, StageFailed
from pipeline.names import short
from pipeline.outcome import SKIP_REQUESTED, passed
from pipeline.plan import plan_stages
from pipeline.push import HEADS
from pipeline.spec_beside import missing_restores
from pipeline.spec_model import Environment
from pipeline.stage import PlannedStage
from store import projects, runs, schedules, stage_work, stops
from store.built import overtaken_in_rules
from store.refs import BY_PUSH
from workers.commit_files import CommitFiles
from workers.pinning import pin
from workers.stage import Done, Scene
from workers.wanted import needless

SCHEDULE = "schedule"
NO_STAGES = "nothing here is built or deployed"


def fetch(scene: Scene) -> Done:
    """Fetch what was pushed and turn its configuration into stages."""
    ctx, work, project = scene.ctx, scene.work, scene.project
    aside = pin(scene)
    if aside is not None:
        return aside
    commit = ctx.source.commit(project.name, work.revision)
    revision = commit.revision
    scene.transcript.write(f"{short(revision)} by {commit.author}: {commit.message.splitlines()[0]}")
    files = CommitFiles(ctx.source, project.name, revision)
    read = spec_file.look(files, project=project.name, default_branch=project.default_branch)
    missing = missing_restores(read, partial(_has, files))
    if missing:
        raise spec_file.SpecProblems(missing)
    spec = read.spec
    with ctx.database.read() as session:
        spec = _ruled(session, scene, spec)
    nothing = needless(scene, spec, commit)
    planned = () if nothing else _planned(scene, spec)
    outcome = nothing or passed(f"{len(planned)} stages" if planned else NO_STAGES)
    scene.transcript.write(f"stages: {', '.join(stage.name for stage in planned)}" if planned else outcome.sentence)

    def record(session: Session) -> None:
        if nothing and nothing.code == SKIP_REQUESTED and stops.stands_in(session, work.run_id):
            raise Busy("an older run has given way to this one meanwhile; looking again")
        words = {"message": commit.message, "author": f"{commit.author} <{commit.email}>"}
        runs.describe(session, work.run_id, revision=revision, config=spec_file.to_json(spec), **words)
        runs.plan(session, work.run_id, planned)
        if _is_default(scene):
            projects.set_default_branch(session, project.id, spec.branch)
            # An older commit that a person has run again says nothing of pushes to come.
            if work.trigger in BY_PUSH and not overtaken_in_rules(session, work.run_id):
                projects.set_rules(session, project.id, _rules(spec))
                schedules.keep(session, project.id, spec.trigger.schedule)

    return Done(outcome=outcome, record=record)


def _planned(scene: Scene, spec: spec_file.Spec) -> tuple[PlannedStage, ...]:
    work = scene.work
    return plan_stages(spec, branch=work.branch, tag=work.tag, event=_event(work), wanted=work.wanted)


def _has(files: CommitFiles, path: str) -> bool:
    try:
        return files.get(path) is not None
    except StageFailed as fault:
        # It is larger than what is read here, and there.
        return fault.code == "too_large"


def _event(work: stage_work.StageWork) -> str:
    """Return the word that `when.events` has for what started the run."""
    if work.pull_request is not None:
        return "pull_request"
    if work.trigger in BY_PUSH:
        return "tag" if work.tag is not None else "push"
    return SCHEDULE if work.trigger == SCHEDULE else "manual"


def _is_default(scene: Scene) -> bool:
    """Tell whether this is the default branch itself, and not a pull request from a branch of the same name."""
    return scene.work.branch == scene.project.default_branch and scene.work.pull_request is None


def _rules(spec: spec_file.Spec) -> dict[str, Any]:
    """Return what the project keeps of its default branch's file, to decide by before anything is fetched."""
    return spec.trigger.rules | ({OWN_TAGS: True} if spec.publish.git_tags else {})


def _ruled(session: Session, scene: Scene, spec: spec_file.Spec) -> spec_file.Spec:
    """Return the spec with the default branch's word on what may be deployed where: no branch makes its own rules."""
    project = scene.project
    if _is_default(scene):
        return spec
    known = runs.config_of(session, project.id, f"{HEADS}{project.default_branch}")
    rules = spec_file.from_json(known).environments if known else {}
    environments = {name: rules.get(name, Environment()) for name in spec.environments}
    return spec.model_copy(update={"branch": project.default_branch, "environments": environments})
