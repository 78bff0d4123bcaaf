"""rollback: put an environment, or services in it, back to what ran there before, and keep it there."""

from control.asking import Ask, Reply
from control.before import Back, back
from control.deploy import start
from control.places import Place, used
from control.targets import expand
from pipeline.deployment import Cause, DeploymentState
from pipeline.errors import Rejected
from pipeline.intents import Intent
from pipeline.names import deployment_name
from pipeline.telling import because, person, services
from store import catalog, deployments, environments, history, messages
from store.deployments import Asked, Deployment


def rollback(ask: Ask, intent: Intent) -> Reply:
    """Make a deployment of what ran before, one for each project of the environment, and pin it."""
    _check(ask, intent)
    choice, places = used(ask.session, intent.environment)
    wanted = [one.known for one in expand(ask.session, intent.targets)]
    if wanted:
        places = tuple(place for place in places if place.project.id in {one.project_id for one in wanted})
    if not places:
        raise Rejected(f"Nothing was ever deployed to *{choice.name}*.", code="nothing_live")
    replies = [
        _one(ask, intent, place, [one.service for one in wanted if one.project_id == place.project.id])
        for place in places
    ]
    lines = [
        reply.text if len(places) == 1 else f"{place.project.name}: {reply.text}"
        for place, reply in zip(places, replies, strict=True)
    ]
    made = tuple(number for reply in replies for number in reply.deployments)
    return Reply(
        text="\n".join([*lines, *([f"({choice.echo})"] if choice.echo else [])]),
        code="ok" if made else replies[0].code,
        everyone=bool(made),
        deployments=made,
    )


def _check(ask: Ask, intent: Intent) -> None:
    if any(target.ref for target in intent.targets):
        raise Rejected("The ref goes to the end: `rollback SERVICE on ENVIRONMENT to REF`.", code="bad_ref")
    if intent.back_to and intent.back_to.set:
        raise Rejected("Version sets are not there yet; go back to a revision or a deployment.", code="not_yet")
    word = intent.environment
    service = any(one.service == word for one in catalog.services(ask.session))
    if service and not intent.targets and all(one.name != word for one in environments.everyone(ask.session)):
        sentence = f"`{word}` is a service: write `rollback {word} on ENVIRONMENT`."
        raise Rejected(sentence, code="unknown_environment")


def _one(ask: Ask, intent: Intent, place: Place, names: list[str]) -> Reply:
    """Roll one project's part of the environment back."""
    name = place.environment.name
    for other in history.under_way(ask.session, place.environment.id):
        if other.cause is Cause.ROLLBACK:
            text = f"A rollback of *{name}* is already under way ({deployment_name(other.id)})."
            return Reply(text=text, code="already_started")
    live = deployments.live(ask.session, place.environment.id)
    if live is None:
        return Reply(text=f"Nothing runs on *{name}*.", code="nothing_live")
    to = back(ask, place, live, services=names, ref=intent.back_to.ref if intent.back_to else "")
    if to is None:
        first = f"{deployment_name(live.id)} with {services(live.releases)} is the first that served there"
        return Reply(text=f"There is nothing to go back to on *{name}*: {first}.", code="nothing_before")
    _supersede(ask, place)
    made = start(ask, _asked(ask, intent, place, to, names))
    environments.pin(ask.session, place.environment.id, by=ask.actor, reason=intent.reason or "rolled back")
    return Reply(text=_sentence(ask, intent, name, live=live, to=to, made=made), deployments=(made,))


def _asked(ask: Ask, intent: Intent, place: Place, to: Back, names: list[str]) -> Asked:
    return Asked(
        project_id=place.project.id,
        environment_id=place.environment.id,
        releases=to.releases,
        cause=Cause.ROLLBACK,
        actor=ask.actor,
        reason=intent.reason,
        restores_id=to.source.restores_id or to.source.id,
        named=frozenset(names) or None,
    )


def _supersede(ask: Ask, place: Place) -> None:
    """Stop what was asked for before and nobody is at work on; what a worker is in the middle of ends first."""
    why = f"{person(ask.actor)} rolled {place.environment.name} back"
    busy = environments.held(ask.session, place.environment.id)
    for other in history.under_way(ask.session, place.environment.id):
        if other.state is DeploymentState.QUEUED or not busy:
            deployments.end(ask.session, other.id, DeploymentState.SUPERSEDED, reason=why, code="superseded", at=ask.at)
            messages.touch(ask.session, "deployment", other.id, channel=ask.channel, at=ask.at)


def _sentence(ask: Ask, intent: Intent, name: str, *, live: Deployment, to: Back, made: int) -> str:
    images = {one.image for one in live.releases}
    new = [one for one in to.releases if one.image not in images] or list(to.releases)
    old = [one for one in live.releases if one.service in {one.service for one in new}]
    was = f" from {services(old)}" if old else ""
    told = f"⏪ {person(ask.actor)} rolls *{name}* back{was} to {services(new)} as {deployment_name(made)}"
    return f"{told}{because(intent.reason)}. Automatic deploys are off until `resume {name}`."
