"""Slack: posting, redrawing and answering through its web API (https://docs.slack.dev/reference/methods)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from notify.answers import Answers
from notify.blocks import paragraphs
from notify.faults import RateLimited, Refused, sentence
from pipeline.errors import Unavailable
from pipeline.ports import ChatMessage

TIMEOUT = 10.0
PAUSE = 2.0
WAIT = 30.0
LOST = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
UNREADABLE = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})
PASSING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})


class Slack:
    """Slack's Chat. A message is known as `CHANNEL:TS`, because redrawing takes the channel's id and not its name."""

    def __init__(self, token: str, api_url: str, *, timeout: float = TIMEOUT, pause: float = PAUSE) -> None:
        base = f"{api_url.rstrip('/')}/"
        self._client = WebClient(token=token, base_url=base, timeout=int(timeout) or 1, retry_handlers=[])
        self._answers = Answers(api_url, timeout=timeout)
        self._pause = pause

    @property
    def pause(self) -> float:
        """Slack takes about one redrawing of a message every two seconds."""
        return self._pause

    def post(self, message: ChatMessage) -> str:
        """Post a message; one that Slack cannot read goes again in plain paragraphs."""
        try:
            return self._send("chat.postMessage", message)
        except _Answered as answer:
            if answer.error not in UNREADABLE:
                raise Refused(sentence(answer.error, message.channel), code=answer.error) from answer
        return self._plain("chat.postMessage", message)

    def update(self, ts: str, message: ChatMessage) -> str:
        """Redraw a message, or post it anew if it is no longer there."""
        try:
            return self._send("chat.update", message, ts)
        except _Answered as answer:
            if answer.error in LOST:
                return self.post(message)
            if answer.error not in UNREADABLE:
                raise Refused(sentence(answer.error, message.channel), code=answer.error) from answer
        return self._plain("chat.update", message, ts)

    def reply(self, url: str, message: ChatMessage) -> None:
        """Answer a command at the address that came with it."""
        self._answers.send(url, message)

    def _plain(self, method: str, message: ChatMessage, ts: str = "") -> str:
        try:
            return self._send(method, replace(message, blocks=paragraphs(message.text)), ts)
        except _Answered as answer:
            raise Refused(sentence(answer.error, message.channel), code=answer.error) from answer

    def _send(self, method: str, message: ChatMessage, ts: str = "") -> str:
        channel, _, stamp = ts.rpartition(":")
        body: dict[str, Any] = {"channel": channel or message.channel, "text": message.text}
        body |= {"blocks": list(message.blocks), "unfurl_links": False, "unfurl_media": False}
        if stamp:
            body["ts"] = stamp
        if message.thread_ts:
            body["thread_ts"] = message.thread_ts.rpartition(":")[2]
        with _our_words():
            answer = self._client.api_call(method, json=body)
        return f"{answer['channel']}:{answer['ts']}"


class _Answered(Exception):
    """Slack answered with an error of its own."""

    def __init__(self, error: str) -> None:
        self.error = error
        super().__init__(error)


@contextmanager
def _our_words() -> Iterator[None]:
    """Turn what slack_sdk and the network raise into our errors."""
    try:
        yield
    except SlackApiError as fault:
        raise _meaning(fault) from fault
    except (SlackClientError, HTTPException, OSError) as fault:
        raise Unavailable("Slack does not answer", code="slack_unavailable") from fault


def _meaning(fault: SlackApiError) -> Exception:
    answer: Any = fault.response
    error = str((answer.data or {}).get("error", "")) if isinstance(answer.data, dict) else ""
    if answer.status_code == 429 or error in {"ratelimited", "rate_limited"}:
        return RateLimited(_seconds(answer.headers))
    if answer.status_code >= 500 or error in PASSING:
        return Unavailable(f"Slack answers {answer.status_code}", code="slack_unavailable")
    if answer.status_code != 200:
        return Unavailable(f"Slack's address answers {answer.status_code}", code="slack_unavailable")
    return _Answered(error or "unknown")


def _seconds(headers: Any) -> float:
    """Return what Retry-After says, 30 s if it says nothing sensible, an hour at most."""
    said = next((str(value) for name, value in dict(headers).items() if name.lower() == "retry-after"), "")
    return min(max(float(said), 1.0), 3600.0) if said.isascii() and said.isdigit() else WAIT
