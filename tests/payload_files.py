"""The deliveries under tests/payloads: a body (NAME.json) and the headers it comes with (NAME.headers), unsigned.

`others.json` holds, by the name of the event, one small body of every kind that starts no run.
"""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from commands.hook_post import sign
from hooks.forges import DOORS

PAYLOADS = Path(__file__).parent / "payloads"
OTHERS = "others"
FORGES = tuple(DOORS)
# What names the event; the doors of Standard Webhooks have one kind only.
EVENT_HEADERS = {name: door.event_header for name, door in DOORS.items() if door.event_header}

Headers = dict[str, str]


def names(forge: str) -> list[str]:
    """Return the names of a forge's deliveries."""
    return sorted(path.stem for path in (PAYLOADS / forge).glob("*.json") if path.stem != OTHERS)


def everything() -> list[tuple[str, str]]:
    """Return every delivery as its forge and name."""
    return [(forge, name) for forge in FORGES for name in names(forge)]


def body_of(forge: str, name: str, **fields: Any) -> bytes:
    """Return a body, with some fields replaced."""
    text = (PAYLOADS / forge / f"{name}.json").read_bytes()
    return json.dumps({**json.loads(text), **fields}).encode() if fields else text


def headers_of(forge: str, name: str) -> Headers:
    """Return the headers of a delivery by their lower-case names."""
    lines = (PAYLOADS / forge / f"{name}.headers").read_text().splitlines()
    pairs = (line.split(": ", 1) for line in lines)
    return {header.lower(): value for header, value in pairs}


def others(forge: str) -> list[tuple[Headers, bytes]]:
    """Return one delivery of every kind of event that starts no run."""
    path = PAYLOADS / forge / f"{OTHERS}.json"
    bodies = json.loads(path.read_text()) if path.exists() else {}
    # GitLab's administrators' hooks have one name for all their kinds; what follows it tells ours apart.
    named = ((name if not name.startswith("System Hook") else "System Hook", body) for name, body in bodies.items())
    return [({EVENT_HEADERS[forge]: name}, json.dumps(body).encode()) for name, body in named]


def signed(forge: str, headers: Headers, body: bytes, secret: str, *, at: int = 1_763_719_200) -> Headers:
    """Return the headers of a delivery with the signature that its forge adds; `body` is JSON."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    match forge:
        case "github":
            return headers | {"x-hub-signature-256": f"sha256={digest}"}
        case "gitlab":
            return headers | {"x-gitlab-token": secret}
        case "bitbucket" | "bitbucket-server":
            return headers | {"x-hub-signature": f"sha256={digest}"}
        case "git" | "generic":
            return headers | sign(secret, headers.get("webhook-id", "push_1"), at, body)
        case _:
            return headers | {f"x-{forge}-signature": digest, "x-hub-signature-256": f"sha256={digest}"}
