"""The deliveries of anything that can sign as Standard Webhooks say: pure functions of headers and body."""

from collections.abc import Mapping

from hooks import git, payload
from hooks.meaning import refuse_others
from pipeline.push import Event

verify = git.verify
repository = git.repository


def parse(headers: Mapping[str, str], body: bytes) -> tuple[Event, ...]:
    """Return what a verified delivery says: a list of changes, or one change by itself. Raises Rejected."""
    refuse_others(headers, "any sender", git.OTHER_FORGES)
    message = payload.read_json(body)
    return git.events(message if "changes" in message else {**message, "changes": [message]})
