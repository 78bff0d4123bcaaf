"""What a webhook's body says, for people to read. Pure."""

import json
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import parse_qs

from dashboard.ansi import CONTROLS

FORM = "application/x-www-form-urlencoded"
LONGEST = 24_000
CUT = "\n… cut here; the API gives more of it"


def readable(body: str, headers: Mapping[str, str]) -> str:
    """Return JSON with a line for each field, anything else as it came; at most what a page can carry.

    Characters that steer a terminal, or make text read otherwise than it is, are spelt out.
    """
    text = _payload(body) if headers.get("content-type", "").startswith(FORM) else body
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    text = CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text if len(text) <= LONGEST else text[:LONGEST] + CUT


def _payload(form: str) -> str:
    """Return the JSON that a form carries in its one field, or the form."""
    try:
        return parse_qs(form, max_num_fields=10)["payload"][0]
    except (ValueError, KeyError):
        return form
