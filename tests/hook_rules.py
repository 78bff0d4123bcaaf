"""What holds of every delivery at every door, whatever its headers and body are."""

import dataclasses

from hooks.forges import DOORS
from hooks.payload import BAD_REF
from pipeline.errors import Rejected
from pipeline.push import HEADS, Event, PullRequest, Push, is_sha
from tests.payload_files import Headers

WRONG = {"malformed", "wrong_forge"}


def read(forge: str, headers: Headers, body: bytes) -> tuple[Event, ...]:
    """Return what a door makes of a delivery, having looked at every event; nothing if it is refused in our words."""
    door = DOORS[forge]
    try:
        door.repository(headers, body)
    except Rejected as fault:
        assert fault.code in WRONG
    try:
        events = door.parse(headers, body)
    except Rejected as fault:
        assert (fault.status, fault.code in WRONG) == (400, True)
        return ()
    assert events
    for event in events:
        look_at(event)
    return events


def look_at(event: Event) -> None:
    if isinstance(event, Push):
        assert event.ref.startswith("refs/")
        assert not BAD_REF.search(event.ref)
        assert is_sha(event.before)
        assert is_sha(event.after)
        assert event.repository
    if isinstance(event, PullRequest):
        assert event.number > 0
        assert not BAD_REF.search(HEADS + event.branch)
        assert not BAD_REF.search(HEADS + event.base)
        assert is_sha(event.after) or event.after == ""
        assert event.repository
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if isinstance(value, str):
            assert "\0" not in value
            # A half character could not be written anywhere.
            value.encode()
