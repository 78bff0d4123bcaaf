"""What each git host's API takes and answers, by its documentation: pure rules for the stand-in server."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import jwt

TOKEN = "t0ken-of-the-host"
SHA = "a" * 40
APP, INSTALLATION = 11, 77
MOST_STATUSES = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request: path as it was written, header names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """An answer."""

    status: int
    body: Any = None


@dataclass(kw_only=True)
class Host:
    """What a host knows: the newest status of each context at each commit, and all it ever took, in order."""

    board: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    taken: list[tuple[str, str]] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    commits: set[str] = field(default_factory=lambda: {SHA})
    token: str = TOKEN
    public_key: str = ""
    old: bool = False
    sessions: int = 0

    def shown(self, commit: str = SHA) -> dict[str, str]:
        """Return the state of each context as the host shows it."""
        return {context: one["state"] for (sha, context), one in self.board.items() if sha == commit}

    def keep(self, commit: str, context: str, body: dict[str, Any]) -> None:
        """Take a status."""
        self.board[commit, context] = body
        self.taken.append((context, body["state"]))


Rules = Callable[[Host, Call], Said]


def github(host: Host, call: Call) -> Said:  # noqa: PLR0911 - one answer a rule
    """https://docs.github.com/en/rest/commits/statuses, /deployments, /apps."""
    if call.headers.get("accept") != "application/vnd.github+json" or "user-agent" not in call.headers:
        return Said(status=415, body={"message": "Unsupported 'Accept' header"})
    if call.path == f"/app/installations/{INSTALLATION}/access_tokens":
        return _session(host, call)
    if call.headers.get("authorization") != f"Bearer {host.token}":
        return Said(status=401, body={"message": "Bad credentials", "status": "401"})
    parts = call.path.split("/")[1:]
    if parts[:3] != ["repos", "acme", "shop"]:
        return Said(status=404, body={"message": "Not Found", "status": "404"})
    if parts[3] == "statuses":
        return _github_status(host, parts[4], call.body)
    if call.method == "GET":
        same = [one for one in host.deployments if one["sha"] == call.query["sha"]]
        return Said(status=200, body=[one for one in same if one["environment"] == call.query["environment"]])
    return _github_deployment(host, call.body) if len(parts) == 4 else _github_progress(host, int(parts[4]), call.body)


def gitlab(host: Host, call: Call) -> Said:  # noqa: PLR0911 - one answer a rule
    """https://docs.gitlab.com/api/commits/#set-commit-pipeline-status."""
    if call.headers.get("authorization") != f"Bearer {host.token}":
        return Said(status=401, body={"message": "401 Unauthorized"})
    prefix = "/projects/acme%2Fteam%2Fshop/statuses/"
    if not call.path.startswith(prefix):
        return Said(status=404, body={"message": "404 Project Not Found"})
    commit, body = call.path.removeprefix(prefix), call.body
    states = {"pending", "running", "success", "failed", "canceled"} | (set() if host.old else {"skipped"})
    if body.get("state") not in states:
        return Said(status=400, body={"error": "state does not have a valid value"})
    if commit not in host.commits:
        return Said(status=404, body={"message": "404 Commit Not Found"})
    if any(len(body.get(name, "")) > 255 for name in ("name", "description", "target_url", "ref")):
        return Said(status=400, body={"message": {"description": ["is too long (maximum is 255 characters)"]}})
    now = host.shown(commit).get(body["name"])
    event = {"pending": "enqueue", "running": "run", "skipped": "skip"}.get(body["state"])
    shut = {"enqueue": {"pending", "running"}, "run": {"running"}, "skip": {"running"}}
    if event and now in shut[event]:
        why = f'Cannot transition status via :{event} from :{now} (Reason(s): Status cannot transition via "{event}")'
        return Said(status=400, body={"message": why})
    host.keep(commit, body["name"], body)
    return Said(status=201, body={"id": len(host.taken), "status": body["state"]})


def gitea(host: Host, call: Call) -> Said:
    """https://docs.gitea.com/api, operation repoCreateStatus; Forgejo is the same."""
    if call.headers.get("authorization") != f"token {host.token}":
        return Said(status=401, body={"message": "invalid username, password or token"})
    prefix = "/repos/acme/shop/statuses/"
    commit = call.path.removeprefix(prefix)
    if not call.path.startswith(prefix) or commit not in host.commits:
        return Said(status=404, body={"message": "GetCommit: object does not exist", "url": "https://x/api/swagger"})
    if call.body.get("state") not in {"pending", "success", "error", "failure", "warning"}:
        return Said(status=422, body={"message": "[State]: unknown"})
    host.keep(commit, call.body["context"], call.body)
    return Said(status=201, body={"id": len(host.taken), "status": call.body["state"]})


def bitbucket(host: Host, call: Call) -> Said:
    """https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses."""
    basic = base64.b64encode(f"ana@example.com:{host.token}".encode()).decode()
    if call.headers.get("authorization") not in {f"Bearer {host.token}", f"Basic {basic}"}:
        return Said(status=401, body={"type": "error", "error": {"message": "Token is invalid or expired"}})
    parts = call.path.split("/")[1:]
    if [*parts[:4], *parts[5:]] != ["repositories", "acme", "shop", "commit", "statuses", "build"]:
        return Said(status=404, body={"type": "error", "error": {"message": "Repository not found"}})
    wrong = {}
    if not 0 < len(call.body.get("key", "")) <= 40:
        wrong["key"] = ["Ensure this value has at most 40 characters."]
    if call.body.get("state") not in {"INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"}:
        wrong["state"] = ["Select a valid choice."]
    if "localhost" in call.body.get("url", "localhost"):
        wrong["url"] = ["Enter a valid URL."]
    if wrong:
        return Said(status=400, body={"type": "error", "error": {"fields": wrong, "message": _first(wrong)}})
    if parts[4] not in host.commits:
        return Said(status=404, body={"type": "error", "error": {"message": "Commit not found"}})
    host.keep(parts[4], call.body["key"], call.body)
    return Said(status=201, body={"type": "build"})


def bitbucket_server(host: Host, call: Call) -> Said:
    """https://developer.atlassian.com/server/bitbucket/how-tos/updating-build-status-for-commits."""
    if call.headers.get("authorization") != f"Bearer {host.token}":
        return Said(status=401, body={"errors": [{"context": None, "message": "Authentication failed."}]})
    parts = call.path.split("/")[1:]
    if [*parts[:5], *parts[6:]] != ["projects", "PRJ", "repos", "shop", "commits", "builds"]:
        return Said(status=404, body={"errors": [{"message": "Repository PRJ/shop does not exist."}]})
    states = {"INPROGRESS", "SUCCESSFUL", "FAILED"} | (set() if host.old else {"CANCELLED", "UNKNOWN"})
    known = {"key", "name", "state", "url", "description", "ref"}
    if call.body.get("state") not in states or set(call.body) - known or not call.body.get("key"):
        return Said(status=400, body={"errors": [{"context": "state", "message": "The state is not valid."}]})
    if parts[5] not in host.commits:
        return Said(status=404, body={"errors": [{"message": f"Commit '{parts[5]}' does not exist"}]})
    host.keep(parts[5], call.body["key"], call.body)
    return Said(status=204)


RULES: dict[str, Rules] = {
    "github": github,
    "gitlab": gitlab,
    "gitea": gitea,
    "forgejo": gitea,
    "bitbucket": bitbucket,
    "bitbucket-server": bitbucket_server,
}
REPOSITORY = {"gitlab": "acme/team/shop", "bitbucket-server": "PRJ/shop"}


def read(method: str, target: str, headers: dict[str, str], body: bytes) -> Call:
    """Return a request as the rules see it."""
    path, _, query = target.partition("?")
    told = json.loads(body) if body else {}
    return Call(method=method, path=path, query=dict(parse_qsl(query)), headers=headers, body=told)


def _github_status(host: Host, commit: str, body: dict[str, Any]) -> Said:  # noqa: PLR0911 - one answer a rule
    if commit not in host.commits:
        return _unprocessable(f"No commit found for SHA: {commit}")
    if set(body) - {"state", "target_url", "description", "context"}:
        return _unprocessable("Invalid request. More properties than were expected")
    if body.get("state") not in {"error", "failure", "pending", "success"}:
        return _unprocessable("state is not included in the list")
    if len(body.get("description", "")) > 140:
        return _unprocessable("description is too long (maximum is 140 characters)")
    if not str(body.get("target_url", "")).startswith(("http://", "https://")):
        return _unprocessable("target_url must use http(s) scheme")
    if sum(context == body["context"] for context, _ in host.taken) >= MOST_STATUSES:
        return _unprocessable("This SHA and context has reached the maximum number of statuses.")
    host.keep(commit, body["context"], body)
    return Said(status=201, body={"id": len(host.taken), "state": body["state"]})


def _github_deployment(host: Host, body: dict[str, Any]) -> Said:
    if body.get("ref") not in host.commits:
        return _unprocessable(f"No ref found for: {body.get('ref')}")
    if body.get("auto_merge", True) or body.get("required_contexts") != []:
        return Said(status=409, body={"message": "Conflict: Commit status checks failed for main."})
    number = 3_000_000_000 + len(host.deployments)
    kept = {"id": number, "sha": body["ref"], "environment": body["environment"], "payload": body["payload"]}
    host.deployments.append({**kept, "task": body["task"], "states": [], "production": body["production_environment"]})
    return Said(status=201, body=host.deployments[-1])


def _github_progress(host: Host, number: int, body: dict[str, Any]) -> Said:
    one = next((one for one in host.deployments if one["id"] == number), None)
    if one is None:
        return Said(status=404, body={"message": "Not Found"})
    states = {"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
    if body.get("state") not in states or len(body.get("description", "")) > 140:
        return _unprocessable("state or description is not valid")
    one["states"].append(body["state"])
    one["last"] = body
    return Said(status=201, body={"id": 1, "state": body["state"]})


def _session(host: Host, call: Call) -> Said:
    """Sell an installation's token to who signs as the App: ten minutes at most, not from the future."""
    scheme, _, identity = call.headers.get("authorization", "").partition(" ")
    try:
        claims = jwt.decode(identity, host.public_key, algorithms=["RS256"], options={"require": ["iss", "iat", "exp"]})
    except jwt.PyJWTError as fault:
        return Said(status=401, body={"message": f"A JSON web token could not be decoded: {fault}"})
    if scheme != "Bearer" or claims["iss"] != str(APP) or claims["exp"] - claims["iat"] > 600:
        return Said(status=401, body={"message": "'Expiration time' claim ('exp') is too far in the future"})
    if call.body.get("repositories") != ["shop"]:
        return _unprocessable("There is at least one repository that does not exist or is not accessible")
    host.sessions += 1
    host.token = f"ghs_{host.sessions}"
    until = datetime.now(UTC) + timedelta(hours=1)
    return Said(status=201, body={"token": host.token, "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ")})


def _unprocessable(message: str) -> Said:
    return Said(status=422, body={"message": message, "documentation_url": "https://docs.github.com/rest"})


def _first(wrong: dict[str, list[str]]) -> str:
    name, words = next(iter(wrong.items()))
    return f"{name}: {words[0]}"
