"""What senders write, read strictly: one meaning a text, and wrong types are the sender's fault, never a crash."""

import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from pipeline.errors import Rejected
from pipeline.push import HEADS, is_sha

LONGEST_NUMBER = 40
LARGEST_NUMBER = 2**63
LONGEST_NAME = 512
LONGEST_TEXT = 4_000
# What `git check-ref-format` refuses, and what cannot be written to a database: control characters, half characters.
BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\.lock(?:/|$)|[./]$")
# What the value of a form's only field is written with.
IN_A_FORM = bytes(one for one in range(0x21, 0x7F) if one not in b"&=")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")

Payload = Mapping[str, Any]


def malformed(sentence: str) -> Rejected:
    """Return the error of a body that cannot be read."""
    return Rejected(sentence, code="malformed")


def read_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object that `body` is. Raises Rejected."""
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_int=_int, parse_float=_float
        )
    except RecursionError as fault:
        raise malformed("the body is nested too deeply") from fault
    except ValueError as fault:
        raise malformed(f"the body is not JSON: {fault}") from fault
    if not isinstance(value, dict):
        raise malformed("the body is not a JSON object")
    return value


def glance_json(body: bytes) -> Payload:
    """Return the same of a body that nobody has verified, in a hundredth of the time; what it says decides nothing."""
    try:
        value = json.loads(body.decode())
    except (RecursionError, ValueError) as fault:
        raise malformed("the body is not JSON") from fault
    return value if isinstance(value, dict) else {}


def form_field(body: bytes, name: str) -> bytes:
    """Return what a form's only field holds. Raises Rejected for any other form.

    Whoever signs the raw body signs no content type: a JSON text that holds a field somewhere must not be a form too.
    """
    start, value = f"{name}=".encode(), body[len(name) + 1 :]
    if not body.startswith(start) or value.translate(None, IN_A_FORM):
        raise malformed(f"the form is not the one field {name}")
    # As quoted-printable it is undone in C: in Python 25 MB take ten seconds, in which nobody else is answered.
    escaped = value.replace(b"+", b" ").replace(b"%", b"=")
    found = binascii.a2b_qp(escaped)
    if len(found) != len(escaped) - 2 * escaped.count(b"="):
        raise malformed("the form has a % without two digits")
    return found


def part(payload: Payload, name: str) -> Payload:
    """Return an object inside the payload; empty if it is null or not there. Raises Rejected."""
    value = payload.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise malformed(f"{name} is not an object")
    return value


def words(payload: Payload, name: str) -> str:
    """Return a text for people, cleaned and cut; empty if it is null or not there. Raises Rejected."""
    value = payload.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise malformed(f"{name} is not a text")
    return clean(value)[:LONGEST_TEXT]


def identifier(payload: Payload, name: str) -> str:
    """Return a name that must be there and is compared with ours. Raises Rejected."""
    value = payload.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or UNPRINTABLE.search(value):
        raise malformed(f"{name} is missing or not a name")
    return value


def ref(payload: Payload, name: str = "ref") -> str:
    """Return a full ref as git allows it. Raises Rejected."""
    value = identifier(payload, name)
    if not _is_ref(value):
        raise malformed(f"{name} is not a full git ref such as refs/heads/main")
    return value


def ref_below(prefix: str, payload: Payload, name: str) -> str:
    """Return the full ref of a branch or tag that is named without its `prefix`. Raises Rejected."""
    value = prefix + identifier(payload, name)
    if not _is_ref(value):
        raise malformed(f"{name} is not a name that git allows")
    return value


def branch(payload: Payload, name: str) -> str:
    """Return the name of a branch as git allows it, without refs/heads/. Raises Rejected."""
    return ref_below(HEADS, payload, name).removeprefix(HEADS)


def revision(payload: Payload, name: str) -> str:
    """Return a whole object name. Raises Rejected."""
    value = identifier(payload, name)
    if not is_sha(value):
        raise malformed(f"{name} is not a whole revision of 40 or 64 hex digits")
    return value


def number(payload: Payload, name: str) -> int:
    """Return a number that counts from one. Raises Rejected."""
    value = payload.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < LARGEST_NUMBER:
        raise malformed(f"{name} is missing or not a number that counts")
    return value


def items(payload: Payload, name: str) -> list[Payload]:
    """Return a list of objects; empty if it is null or not there. Raises Rejected."""
    value = payload.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise malformed(f"{name} is not a list of objects")
    return value


def glimpse(payload: Payload, *path: str) -> str:
    """Return the text at the end of a path, cleaned and cut; empty if the payload is anything else."""
    value: Any = payload
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return clean(value)[:LONGEST_NAME] if isinstance(value, str) else ""


def clean(text: str) -> str:
    """Return a text without what databases refuse and terminals obey; line ends and tabs stay."""
    return UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))


def _is_ref(value: str) -> bool:
    return value.startswith("refs/") and len(value) <= LONGEST_NAME and not BAD_REF.search(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _constant(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def _int(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError("a number is too long")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value
