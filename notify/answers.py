"""Answers to commands, at the address that came with each; only Slack's own addresses are ever called."""

from urllib.error import URLError
from urllib.parse import urlsplit

from slack_sdk.webhook import WebhookClient

from notify.faults import RateLimited, Refused
from pipeline.errors import Unavailable
from pipeline.ports import ChatMessage

SLACK = ("https", "hooks.slack.com")


class Answers:
    """Sends answers to `hooks.slack.com`, and to the host of `api_url` where that is a stand-in for Slack."""

    def __init__(self, api_url: str = "https://slack.com/api/", *, timeout: float = 10.0) -> None:
        parts = urlsplit(api_url)
        self._own = (parts.scheme, parts.netloc)
        self._timeout = int(timeout) or 1

    def send(self, url: str, message: ChatMessage) -> None:
        """Answer; without an address nothing is sent. Raises Refused for an address that is not Slack's."""
        if not url:
            return
        if not self.known(url):
            raise Refused("the answer's address is not Slack's", code="bad_response_url")
        client = WebhookClient(url, timeout=self._timeout, retry_handlers=[])
        try:
            answer = client.send(
                text=message.text,
                blocks=[dict(block) for block in message.blocks],
                response_type="in_channel" if message.everyone else "ephemeral",
            )
        except (URLError, OSError) as fault:
            raise Unavailable("Slack does not answer", code="slack_unavailable") from fault
        if answer.status_code == 429:
            raise RateLimited(1.0)
        if answer.status_code >= 500:
            raise Unavailable(f"Slack answers {answer.status_code}", code="slack_unavailable")
        if answer.status_code != 200:
            raise Refused("Slack takes no more answers there: five within half an hour", code="answer_refused")

    def known(self, url: str) -> bool:
        """Tell whether an address is Slack's: no other host, port, user or scheme."""
        parts = urlsplit(url)
        return (parts.scheme, parts.netloc) in {SLACK, self._own}
