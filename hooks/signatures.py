"""Signatures: bytes against bytes in constant time; whatever is sent in their place is only ever a mismatch."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from standardwebhooks import Webhook

SLACK_WINDOW_SECONDS = 300


def github_signature_holds(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Tell whether X-Hub-Signature-256 is the body's; the older SHA-1 header is not looked at."""
    expected = b"sha256=" + _hex(secret, body)
    return bool(secret) and hmac.compare_digest(expected, _bytes(headers.get("x-hub-signature-256", "")))


def standard_signature_holds(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Tell whether the delivery is signed as https://www.standardwebhooks.com says, less than five minutes ago."""
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except Exception:
        # The library raises its own error for a mismatch and half a dozen others for junk: all are refusals.
        return False
    return True


def slack_signature_holds(headers: Mapping[str, str], body: bytes, secret: str, *, at: datetime) -> bool:
    """Tell whether Slack signed this body within five minutes of `at`, either way."""
    timestamp = headers.get("x-slack-request-timestamp", "")
    # Eleven digits last until the year 5138; longer numbers are not times.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        return False
    expected = b"v0=" + _hex(secret, b"v0:" + timestamp.encode() + b":" + body)
    fresh = abs(at.timestamp() - int(timestamp)) <= SLACK_WINDOW_SECONDS
    return hmac.compare_digest(expected, _bytes(headers.get("x-slack-signature", ""))) and fresh and bool(secret)


def _hex(secret: str, data: bytes) -> bytes:
    return hmac.new(secret.encode(), data, hashlib.sha256).hexdigest().encode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
