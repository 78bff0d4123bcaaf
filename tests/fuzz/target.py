"""What a fuzzer tries out at a door: an event header, a line end and a body."""

from urllib.parse import quote_plus

from hooks.forges import DOORS
from tests.hook_rules import read
from tests.payload_files import body_of, headers_of, names, others

LONGEST = 64 * 1024
FORM = b"payload="


def inputs(forge: str) -> list[bytes]:
    """Return where to begin: every delivery that is known, as it is and inside a form."""
    header = _event_header(forge)
    known = [(headers_of(forge, name), body_of(forge, name)) for name in names(forge)] + others(forge)
    said = [(headers.get(header, "").encode(), body) for headers, body in known]
    return [b"\n".join((event, form)) for event, body in said for form in (body, FORM + quote_plus(body).encode())]


def try_out(forge: str, data: bytes) -> None:
    """Let a door read and check one input. Raises whatever is wrong with what comes out."""
    event, _, body = data[:LONGEST].partition(b"\n")
    said = event.decode("latin-1")
    kind = "application/x-www-form-urlencoded" if body.startswith(FORM) else "application/json"
    headers = {_event_header(forge): said, "content-type": kind, "webhook-id": said, "webhook-timestamp": said}
    read(forge, headers, body)
    door = DOORS[forge]
    for header in door.headers:
        sent = headers | {header: said}
        if door.verify(sent, body, "secret") or door.verify_again(sent, body, "secret"):
            raise AssertionError(f"{header}: {said!r} was taken for a signature")


def _event_header(forge: str) -> str:
    return DOORS[forge].event_header or "webhook-event"
