"""The recorder: what would have been said in Slack is kept in SQL and as a line in chat.jsonl."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from notify.answers import Answers
from pipeline.ports import ChatMessage

PAUSE = 0.5


class Shelf(Protocol):
    """Where recorded messages are kept."""

    def keep(self, ts: str, message: ChatMessage, at: datetime) -> None:
        """Keep a message; keeping the same timestamp again is redrawing it."""

    def change(self, ts: str, message: ChatMessage, at: datetime) -> bool:
        """Redraw a message and return whether it is there."""


class Recorder:
    """A Chat without Slack. The same live message gets the same timestamp, so posting it twice is posting it once."""

    def __init__(
        self,
        shelf: Shelf,
        path: Path,
        *,
        answers: Answers | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._shelf = shelf
        self._path = path
        self._answers = answers or Answers()
        self._now = now

    @property
    def pause(self) -> float:
        """Nobody is bothered by redrawings here; a burst still becomes one."""
        return PAUSE

    def post(self, message: ChatMessage) -> str:
        """Keep a message."""
        at = self._now()
        ts = _stamp(message.key, at)
        self._shelf.keep(ts, message, at)
        self._write("post", message, at, ts=ts)
        return ts

    def update(self, ts: str, message: ChatMessage) -> str:
        """Redraw a message, or keep it anew if it is no longer there."""
        at = self._now()
        if not self._shelf.change(ts, message, at):
            return self.post(message)
        self._write("update", message, at, ts=ts)
        return ts

    def reply(self, url: str, message: ChatMessage) -> None:
        """Note an answer; one that has an address is sent there too, for commands can come without a bot token."""
        self._write("reply", message, self._now())
        self._answers.send(url, message)

    def _write(self, kind: str, message: ChatMessage, at: datetime, **more: str) -> None:
        entry: dict[str, Any] = {"at": at.isoformat(), "kind": kind, **more, "channel": message.channel}
        entry |= {"thread_ts": message.thread_ts, "text": message.text, "blocks": list(message.blocks)}
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)


def _stamp(key: str, at: datetime) -> str:
    """Return a timestamp as Slack's look: of a live message its key, of anything else the time."""
    return f"{int(key)}.000000" if key else f"{at.timestamp():.6f}"
