"""status, where and history: what runs where, what is under way, and what ran before."""

from collections.abc import Iterable
from datetime import datetime

from control.asking import Ask, Reply
from control.places import Place, names
from pipeline.errors import Rejected
from pipeline.intents import Intent
from pipeline.names import deployment_name, run_name, short
from pipeline.nearest import choose, missing
from pipeline.push import HEADS, TAGS
from pipeline.telling import because, person, services, span, standing, subject
from store import catalog, deployments, environments, history, projects
from store.schema import DeploymentRow, RunRow, StageRow
from store.stories import asked_of

MOST = 10
NOWHERE = "Nothing runs anywhere yet."


def status(ask: Ask, intent: Intent) -> Reply:
    """Tell what runs where, what is under way and what is paused; or how one run or deployment stands."""
    if intent.id:
        return _one(ask, intent.id)
    places = _places(ask)
    if intent.subject:
        wanted, service = _subject(ask, intent.subject)
        places = [place for place in places if wanted in {place.environment.name, ""}]
        return Reply(text="\n".join(_status(ask, places, service)) or f"Nothing runs as {intent.subject}.")
    lines = [*_status(ask, places, ""), *_under_way(ask)]
    return Reply(text="\n".join(lines) or f"{NOWHERE} Push to a project, and it will.")


def where(ask: Ask, intent: Intent) -> Reply:
    """Tell in which environments each service runs, and at which revision."""
    if intent.id:
        raise Rejected("`where` takes a service.", code="bad_service")
    wanted = _service(ask, intent.subject) if intent.subject else ""
    found: dict[str, list[str]] = {}
    for place in _places(ask):
        live = deployments.live(ask.session, place.environment.id)
        for one in live.releases if live else ():
            name = _named(ask, place, one.service)
            if not wanted or wanted in {one.service, f"{place.project.name}/{one.service}"}:
                found.setdefault(name, []).append(f"{place.environment.name} `{short(one.revision)}`")
    lines = [f"*{name}*: {', '.join(there)}" for name, there in found.items()]
    return Reply(text="\n".join(lines) or (f"{wanted} runs nowhere yet." if wanted else NOWHERE))


def past(ask: Ask, intent: Intent) -> Reply:
    """Tell the last deployments, everywhere or of one environment or service."""
    if intent.id:
        return _one(ask, intent.id)
    environment, service = _subject(ask, intent.subject) if intent.subject else ("", "")
    ids = [place.environment.id for place in _places(ask) if environment in {place.environment.name, ""}]
    rows = catalog.deployments_of(ask.session, ids, 200 if service else MOST)
    mine = [row for row in rows if not service or service in {one["service"] for one in row[0].releases}]
    text = "\n".join(_line(ask, *row) for row in mine[:MOST])
    return Reply(text=text or "Nothing was deployed there yet.")


def _status(ask: Ask, places: Iterable[Place], service: str) -> list[str]:
    lines: list[str] = []
    for place in places:
        environment = place.environment
        live = deployments.live(ask.session, environment.id)
        releases = [one for one in (live.releases if live else ()) if service in {one.service, ""}]
        if service and not releases:
            continue
        head = f"*{environment.name}* · {place.project.name}: "
        lines.append(head + (f"{services(releases)}{_since(ask, live.id)}" if live else "nothing yet"))
        for other in history.under_way(ask.session, environment.id):
            by = person(other.actor)
            lines.append(f"  🚢 {deployment_name(other.id)} {other.state}: {services(other.releases)} by {by}")
        if environment.pinned:
            why = f"{person(environment.pinned_by)}{because(environment.pin_reason)}"
            lines.append(f"  ⏸ automatic deploys are off since {why}; `resume {environment.name}` turns them on")
    return lines


def _under_way(ask: Ask) -> list[str]:
    runs = catalog.runs_under_way(ask.session)
    return [f"🔨 {_run(row, project)}" for row, project in runs]


def _one(ask: Ask, name: str) -> Reply:
    number = int(name[1:])
    if name[0] == "r":
        run = ask.session.get(RunRow, number)
        if run is None:
            raise Rejected(f"There is no run {name}.", code="unknown_run")
        project = projects.get(ask.session, run.project_id).name
        query = ask.session.query(StageRow).filter_by(run_id=number).order_by(StageRow.position)
        stages = ", ".join(f"{stage.name} {_standing(stage)}" for stage in query)
        lines = (_run(run, project), stages, asked_of(run), run.reason)
        return Reply(text="\n".join(line for line in lines if line), runs=(number,))
    deployment = ask.session.get(DeploymentRow, number) if name[0] == "d" else None
    if deployment is None:
        what = "deployment" if name[0] == "d" else "approval"
        raise Rejected(f"There is no {what} {name}.", code=f"unknown_{what}")
    project, environment = deployments.place(ask.session, deployment.environment_id)
    return Reply(text=_line(ask, deployment, project, environment), deployments=(number,))


def _standing(row: StageRow) -> str:
    return standing(row.state, flaky=row.flaky, allowed=row.allow_failure)


def _run(row: RunRow, project: str) -> str:
    branch = row.ref.removeprefix(HEADS).removeprefix(TAGS)
    words = f" “{subject(row.message)}”" if subject(row.message) else ""
    return f"*{project} {run_name(row.id)}* `{short(row.revision)}` on `{branch}` — {row.state}{words}"


def _line(ask: Ask, row: DeploymentRow, project: str, environment: str) -> str:
    known = deployments.get(ask.session, row.id)
    by = f"{'⏪ ' if row.cause == 'rollback' else ''}by {person(row.actor)}{because(row.reason)}"
    age = f"{span((ask.at - row.created_at).total_seconds())} ago"
    what = services(known.releases)
    return f"{deployment_name(row.id)} *{environment}* · {project}: {what} — {row.state}, {age}, {by}"


def _since(ask: Ask, deployment_id: int) -> str:
    row = ask.session.get_one(DeploymentRow, deployment_id)
    began: datetime = row.finished_at or row.created_at
    return f" — for {span((ask.at - began).total_seconds())} as {deployment_name(row.id)}, by {person(row.actor)}"


def _places(ask: Ask) -> list[Place]:
    known = {one.id: one for one in projects.everyone(ask.session)}
    return [Place(project=known[one.project_id], environment=one) for one in environments.everyone(ask.session)]


def _subject(ask: Ask, word: str) -> tuple[str, str]:
    """Return the environment or the service that is meant, the other one empty. Raises NotFound."""
    services = {one.service for one in catalog.services(ask.session)}
    known = names(ask.session, projects.everyone(ask.session))
    if word in services and word not in known:
        return "", word
    if word in known or not services:
        return choose(word, known, "environment").name, ""
    choice = choose(word, [*known, *sorted(services)], "environment or service")
    return (choice.name, "") if choice.name in known else ("", choice.name)


def _service(ask: Ask, word: str) -> str:
    known = catalog.services(ask.session)
    if word in {one.full for one in known} | {one.service for one in known}:
        return word
    raise Rejected(missing(word, sorted({one.service for one in known}), "service"), code="unknown_service")


def _named(ask: Ask, place: Place, service: str) -> str:
    same = [one for one in catalog.services(ask.session) if one.service == service]
    return f"{place.project.name}/{service}" if len(same) > 1 else service
