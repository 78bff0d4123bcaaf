"""The source stage: bring the commit here, read its configuration, plan the stages."""

from sqlalchemy.orm import Session

from pipeline import spec as spec_file
from pipeline.names import short
from pipeline.outcome import passed
from pipeline.plan import plan_stages
from pipeline.push import HEADS
from pipeline.spec_model import Environment
from store import projects, runs
from workers.stage import Done, Scene


def fetch(scene: Scene) -> Done:
    """Fetch what was pushed and turn its configuration into stages."""
    ctx, work, project = scene.ctx, scene.work, scene.project
    ctx.source.fetch(project.name, project.url, work.ref, work.revision)
    commit = ctx.source.commit(project.name, work.revision)
    revision = commit.revision
    scene.transcript.write(f"{short(revision)} by {commit.author}: {commit.message.splitlines()[0]}")
    files = ctx.source.files(project.name, revision, spec_file.CANDIDATES)
    spec = spec_file.load(files, project=project.name, default_branch=project.default_branch)
    with ctx.database.read() as session:
        spec = _ruled(session, scene, spec)
    planned = plan_stages(spec, branch=work.branch, tag=work.tag)
    scene.transcript.write(f"stages: {', '.join(stage.name for stage in planned)}")

    def record(session: Session) -> None:
        words = {"message": commit.message, "author": f"{commit.author} <{commit.email}>"}
        runs.describe(session, work.run_id, revision=revision, config=spec_file.to_json(spec), **words)
        runs.plan(session, work.run_id, planned)
        if work.branch == project.default_branch:
            projects.set_default_branch(session, project.id, spec.branch)

    return Done(outcome=passed(f"{len(planned)} stages"), record=record)


def _ruled(session: Session, scene: Scene, spec: spec_file.Spec) -> spec_file.Spec:
    """Return the spec with the default branch's word on what may be deployed where: no branch makes its own rules."""
    work, project = scene.work, scene.project
    if work.branch == project.default_branch:
        return spec
    known = runs.config_of(session, project.id, f"{HEADS}{project.default_branch}")
    rules = spec_file.from_json(known).environments if known else {}
    environments = {name: rules.get(name, Environment()) for name in spec.environments}
    return spec.model_copy(update={"branch": project.default_branch, "environments": environments})
