"""The one signed event that a push becomes (https://www.standardwebhooks.com), with the standard library only."""

import getpass
import hashlib
import hmac
import http.client
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import uuid4

from commands.hook_file import HookFile
from commands.hook_git import Change

TIMEOUT = 15
# A server that is being restarted is back after one of these.
PAUSES = (0.0, 0.5, 1.0)


class Unheard(Exception):
    """Slipway did not take the event in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What Slipway answered."""

    heard: bool
    code: str
    runs: tuple[str, ...]
    detail: str


def post(file: HookFile, changes: Sequence[Change]) -> Told:
    """Tell Slipway of some changes. Raises Unheard."""
    body = json.dumps(
        {
            "repository": file.project,
            "pusher": _pusher(),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "changes": [asdict(change) for change in changes],
        }
    ).encode()
    headers = {"Content-Type": "application/json", **sign(file.secret, f"push_{uuid4().hex}", int(time.time()), body)}
    status, answer = _send(file, body, headers)
    if status == 401:
        raise Unheard(f"its signature was refused: run slipway hook install again for {file.project}")
    if status >= 500:
        raise Unheard(f"it answered {status}: {_sentence(answer)}")
    return Told(heard=status < 300, code=str(answer.get("code", "")), runs=_runs(answer), detail=_sentence(answer))


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a body with a secret of the form `whsec_BASE64`."""
    key = b64decode(secret.removeprefix("whsec_"))
    signature = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(signature).decode()}",
    }


def _send(file: HookFile, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    """Post, and again if nobody answers: the event's id makes a second arrival harmless."""
    fault: Exception | None = None
    for pause in PAUSES:
        time.sleep(pause)
        try:
            return _send_once(file, body, headers)
        except (OSError, http.client.HTTPException) as error:
            fault = error
    raise Unheard(f"http://{file.host}:{file.port} does not answer ({fault}). Is it up? slipway status")


def _send_once(file: HookFile, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection(file.host, file.port, timeout=TIMEOUT)
    try:
        connection.request("POST", f"/hooks/git/{file.project}", body=body, headers=headers)
        response = connection.getresponse()
        return response.status, _object(response.read())
    finally:
        connection.close()


def _object(text: bytes) -> dict[str, object]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _sentence(answer: dict[str, object]) -> str:
    return " ".join(str(answer[name]) for name in ("detail", "fix") if answer.get(name)) or "it did not say why"


def _pusher() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _runs(answer: dict[str, object]) -> tuple[str, ...]:
    runs = answer.get("runs")
    return tuple(str(run) for run in runs) if isinstance(runs, list) else ()
