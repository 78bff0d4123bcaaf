"""The live message of a deployment that a person asked for. Pure."""

from collections.abc import Iterator, Sequence

from notify.blocks import TEXT, Block, bounded, context, fitting, listing, section
from notify.wording import cut, escape, link, quote, revision, sentence, who
from pipeline.deployment import Cause, DeploymentState
from pipeline.names import deployment_name
from pipeline.ports import ChatMessage
from pipeline.stories import DeploymentStory, Part
from pipeline.telling import span


def deployment_message(story: DeploymentStory, *, web_url: str, channel: str) -> ChatMessage:
    """Draw a deployment as it stands."""
    page = f"{web_url}/deployments/{deployment_name(story.id)}"
    return ChatMessage(channel=channel, text=_text(story, page), blocks=bounded(_blocks(story, page)))


def _blocks(story: DeploymentStory, page: str) -> Iterator[Block]:
    yield section(_headline(story))
    if _steps(story):
        yield listing(_steps(story))
    if story.state is DeploymentState.DEPLOYED and story.addresses:
        yield listing([f"{escape(one.service)}: {link(one.url, one.url)}" for one in story.addresses])
    yield context([f"{link(page, f'Open {deployment_name(story.id)}')}{_back(story)}"])


def _text(story: DeploymentStory, page: str) -> str:
    live = story.addresses if story.state is DeploymentState.DEPLOYED else ()
    lines = [_headline(story), *_steps(story), *(f"{one.service}: {one.url}" for one in live), page]
    return fitting([cut(line, 1000) for line in lines if line], TEXT)


def _headline(story: DeploymentStory) -> str:
    tell = _rollback if story.cause is Cause.ROLLBACK else _deploy
    return " ".join(part for part in (tell(story), _pinned(story)) if part)


def _deploy(story: DeploymentStory) -> str:
    what, place = _named(story.moved), f"*{escape(story.environment)}*"
    by = f"{who(story.actor)}{_why(story)}"
    match story.state:
        case DeploymentState.QUEUED:
            return f"◌ {what} to {place} — queued. Asked for by {by}"
        case DeploymentState.RUNNING:
            return f"🚢 {what} to {place} — deploying. Asked for by {by}"
        case DeploymentState.DEPLOYED:
            verb = "is" if len(story.moved) == 1 else "are"
            return f"🚢 {what} {verb} live on {place}. {_took(story)}Deployed by {by}"
    return _stopped(story, f"{what} did not reach {place}")


def _rollback(story: DeploymentStory) -> str:
    what, place, by = _named(story.moved), f"*{escape(story.environment)}*", who(story.actor)
    match story.state:
        case DeploymentState.QUEUED:
            return f"⏪ {by} rolls {place} back to {what} — queued{_why(story)}"
        case DeploymentState.RUNNING:
            return f"⏪ {by} rolls {place} back to {what} — under way{_why(story)}"
        case DeploymentState.DEPLOYED:
            took = f" in {span(story.seconds)}" if story.seconds is not None else ""
            return f"⏪ {by} rolled {place} back to {what}{took}{_why(story)}"
    return _stopped(story, f"{place} was not rolled back to {what}")


def _stopped(story: DeploymentStory, what: str) -> str:
    name, why = deployment_name(story.id), cut(sentence(story.reason), 600)
    colon = f": {why}" if why else "."
    serves = f" Still serving: {_named(story.was)}." if story.was else " Nothing served there before."
    if story.state is DeploymentState.SUPERSEDED:
        return f"◌ {name} was not started{colon}"
    if story.state is DeploymentState.ERROR:
        return f"⚠️ {what} ({name}){colon} This is not your code.{serves}"
    return f"❌ {what} ({name}){colon}{serves}"


def _why(story: DeploymentStory) -> str:
    """Return the reason that was given, as the end of a sentence; a failure's reason is told elsewhere."""
    words = quote(story.reason)
    return f": {words}." if words else "."


def _took(story: DeploymentStory) -> str:
    return f"Took {span(story.seconds)}. " if story.seconds is not None else ""


def _pinned(story: DeploymentStory) -> str:
    if not story.pinned or story.state is DeploymentState.SUPERSEDED:
        return ""
    return f"Automatic deploys are off until `resume {escape(story.environment)}`."


def _steps(story: DeploymentStory) -> list[str]:
    if story.state is not DeploymentState.RUNNING:
        return []
    return [f"· {escape(cut(' — '.join(part for part in step if part), 200))}" for step in story.steps]


def _back(story: DeploymentStory) -> str:
    if story.state is DeploymentState.DEPLOYED and story.cause is not Cause.ROLLBACK and story.was:
        return f" · `rollback {escape(story.environment)}` goes back to {_named(story.was)}"
    return ""


def _named(parts: Sequence[Part]) -> str:
    named = [f"*{escape(part.service)}* {revision(part.revision)}" for part in parts[:6]]
    return ", ".join(named) + (f" … and {len(parts) - 6} more" if len(parts) > 6 else "") if named else "nothing"
