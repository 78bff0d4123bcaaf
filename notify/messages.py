"""Messages: what people are told in chat of runs, deployments and their own commands. Pure."""

from notify.blocks import TEXT, paragraphs
from notify.messages_deployment import deployment_message
from notify.messages_run import run_message
from notify.wording import cut, escape
from pipeline.ports import ChatMessage
from pipeline.stories import RunStory, Story


def draw(story: Story, *, web_url: str, channel: str) -> ChatMessage:
    """Draw a run or a deployment as it stands."""
    if isinstance(story, RunStory):
        return run_message(story, web_url=web_url, channel=channel)
    return deployment_message(story, web_url=web_url, channel=channel)


def reply_message(text: str, *, channel: str, everyone: bool = False) -> ChatMessage:
    """Return the answer to a command. Verbs know nothing of Slack, so all of it is escaped here."""
    safe = escape(text)
    return ChatMessage(channel=channel, text=cut(safe, TEXT), blocks=paragraphs(safe), everyone=everyone)
