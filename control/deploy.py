"""deploy: put services at a revision into an environment."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from control.asking import Ask, Reply
from control.places import chosen, names
from control.releases import merged, release
from control.targets import Wanted, expand, resolve
from pipeline.deployment import Cause, Release
from pipeline.errors import Rejected
from pipeline.intents import Intent
from pipeline.names import deployment_name
from pipeline.project import Project
from pipeline.telling import because, person, services
from store import catalog, deployments, environments, history, jobs, messages, projects
from store.deployments import Asked
from store.environments import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What one project's part of an environment is to become."""

    project: Project
    wanted: tuple[Wanted, ...]
    new: dict[str, Release]
    untested: tuple[str, ...]


def deploy(ask: Ask, intent: Intent) -> Reply:
    """Make one deployment for each project that is named; the workers carry it out."""
    _check(intent)
    wanted = expand(ask.session, intent.targets)
    if not wanted:
        raise Rejected("What should be deployed?", code="no_service")
    owners = [projects.get(ask.session, one) for one in dict.fromkeys(one.known.project_id for one in wanted)]
    choice = chosen(ask.session, intent.environment, owners)
    owners = _having(ask.session, owners, choice.name, everything=any(one.name == "all" for one in intent.targets))
    changes = [_change(ask.session, owner, wanted, untested=intent.forced) for owner in owners]
    answers = [_ask_for(ask, intent, change, choice.name) for change in changes]
    notes = [f"({choice.echo})"] if choice.echo else []
    return Reply(
        text="\n".join([*(text for text, _ in answers), *notes]),
        everyone=any(made for _, made in answers),
        code="ok" if any(made for _, made in answers) else "already_started",
        deployments=tuple(made for _, made in answers if made),
    )


def start(ask: Ask, asked: Asked) -> int:
    """Create a deployment with its job and its live message, and return its number."""
    made = deployments.create(ask.session, asked, at=ask.at)
    jobs.add(ask.session, jobs.JobKind.DEPLOYMENT, made, at=ask.at)
    messages.touch(ask.session, "deployment", made, channel=ask.channel, at=ask.at)
    return made


def _check(intent: Intent) -> None:
    if intent.strategy not in {"", "rolling"}:
        raise Rejected(f"`using {intent.strategy}` is not there yet; deployments are rolling.", code="not_yet")
    if intent.forced and not intent.reason:
        raise Rejected("`!` needs a reason: `deploy! web because …`.", code="no_reason")


def _having(session: Session, owners: list[Project], environment: str, *, everything: bool) -> list[Project]:
    """Return the projects that have this environment; each must, unless simply all were asked for."""
    having = [owner for owner in owners if environment in names(session, [owner])]
    if len(having) < len(owners) and not everything:
        lacking = ", ".join(owner.name for owner in owners if owner not in having)
        raise Rejected(f"{lacking} has no environment `{environment}`.", code="unknown_environment")
    return having


def _change(session: Session, project: Project, wanted: tuple[Wanted, ...], *, untested: bool) -> Change:
    mine = tuple(one for one in wanted if one.known.project_id == project.id)
    revisions = {one.known: resolve(session, project, one, untested=untested) for one in mine}
    return Change(
        project=project,
        wanted=mine,
        new={known.service: release(session, known, revision) for known, revision in revisions.items()},
        untested=tuple(
            known.service for known, revision in revisions.items() if not catalog.tested(session, known, revision)
        ),
    )


def _ask_for(ask: Ask, intent: Intent, change: Change, name: str) -> tuple[str, int]:
    environment = environments.ensure(ask.session, change.project.id, name, at=ask.at)
    live = deployments.live(ask.session, environment.id)
    releases = merged(live.releases if live else (), change.new)
    for other in history.under_way(ask.session, environment.id):
        if other.releases == releases:
            what = services(change.new.values())
            return f"{what} is on its way to *{name}* already ({deployment_name(other.id)}).", 0
    made = start(
        ask,
        Asked(
            project_id=change.project.id,
            environment_id=environment.id,
            releases=releases,
            cause=Cause.CHAT,
            actor=ask.actor,
            reason=intent.reason,
            named=frozenset(change.new),
        ),
    )
    return _sentence(ask, intent, change, environment, made), made


def _sentence(ask: Ask, intent: Intent, change: Change, environment: Environment, made: int) -> str:
    what, verb = services(change.new.values()), "goes" if len(change.new) == 1 else "go"
    told = f"🚢 {what} {verb} to *{environment.name}* as {deployment_name(made)}, asked for by {person(ask.actor)}"
    told += f"{because(intent.reason)}."
    if change.untested:
        told += f" Not tested: {', '.join(change.untested)}."
    if environment.pinned:
        told += f" {environment.name} stays pinned by {person(environment.pinned_by)}"
        told += f"; `resume {environment.name}` turns automatic deploys on again."
    return told
