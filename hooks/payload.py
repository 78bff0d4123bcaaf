"""What senders write, read strictly: one meaning a text, and wrong types are the sender's fault, never a crash."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from pipeline.errors import Rejected
from pipeline.push import is_sha

LONGEST_NUMBER = 40
LONGEST_NAME = 512
LONGEST_TEXT = 4_000
# What `git check-ref-format` refuses, and what cannot be written to a database: control characters, half characters.
BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\.lock(?:/|$)|[./]$")
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


def form_field(body: bytes, name: str) -> bytes:
    """Return the one field of that name in a form. Raises Rejected."""
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=100, errors="surrogateescape")
    except ValueError as fault:
        raise malformed("the body is not a form") from fault
    found = [value for field, value in fields if field == name]
    if len(found) != 1:
        raise malformed(f"the form does not have exactly one field {name}")
    return found[0].encode("utf-8", "surrogateescape")


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
    if not value.startswith("refs/") or BAD_REF.search(value):
        raise malformed(f"{name} is not a full git ref such as refs/heads/main")
    return value


def revision(payload: Payload, name: str) -> str:
    """Return a whole object name. Raises Rejected."""
    value = identifier(payload, name)
    if not is_sha(value):
        raise malformed(f"{name} is not a whole revision of 40 or 64 hex digits")
    return value


def clean(text: str) -> str:
    """Return a text without what databases refuse and terminals obey; line ends and tabs stay."""
    return UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))


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
