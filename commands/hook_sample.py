"""A sample of what each kind of git host posts, signed as it signs: one that starts nothing."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from standardwebhooks import Webhook

from pipeline.project import Forge, Project

JSON = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What is posted."""

    headers: Mapping[str, str]
    body: bytes


def sample(project: Project) -> Sample:
    """Return a signed event of the project's forge that makes no run: a ping, or an event nobody builds for."""
    headers, said = EVENTS[project.forge](_repository(project))
    body = json.dumps(said).encode()
    signed = SIGNATURES.get(project.forge, _standard)(project.secret, body)
    return Sample(headers={"Content-Type": JSON, "User-Agent": "slipway-hook-test", **headers, **signed}, body=body)


def _repository(project: Project) -> str:
    """Return the repository as its forge would name it: the last two parts of its address, the last one if local."""
    parts = project.url.rstrip("/").removesuffix(".git").replace(":", "/").split("/")
    return "/".join(parts[-2:])


def _github(repository: str) -> tuple[dict[str, str], dict[str, Any]]:
    headers = {"X-GitHub-Event": "ping", "X-GitHub-Delivery": str(uuid4())}
    return headers, {
        "zen": "Keep it logically awesome.",
        "hook_id": 1,
        "hook": {"type": "Repository"},
        "repository": {"full_name": repository},
    }


def _gitlab(repository: str) -> tuple[dict[str, str], dict[str, Any]]:
    headers = {"X-Gitlab-Event": "Wiki Page Hook", "X-Gitlab-Event-UUID": str(uuid4())}
    return headers, {"object_kind": "wiki_page", "project": {"path_with_namespace": repository}}


def _giteaish(name: str) -> Callable[[str], tuple[dict[str, str], dict[str, Any]]]:
    def event(repository: str) -> tuple[dict[str, str], dict[str, Any]]:
        headers = {f"X-{name}-Event": "fork", f"X-{name}-Delivery": str(uuid4())}
        return headers, {"repository": {"full_name": repository}}

    return event


def _bitbucket(repository: str) -> tuple[dict[str, str], dict[str, Any]]:
    headers = {"X-Event-Key": "repo:fork", "X-Request-UUID": str(uuid4()), "X-Hook-UUID": str(uuid4())}
    return headers, {"repository": {"full_name": repository}}


def _bitbucket_server(_repository: str) -> tuple[dict[str, str], dict[str, Any]]:
    return {"X-Event-Key": "diagnostics:ping", "X-Request-Id": str(uuid4())}, {"test": True}


def _changes(repository: str) -> tuple[dict[str, str], dict[str, Any]]:
    return {}, {"repository": repository, "changes": []}


def _standard(secret: str, body: bytes) -> dict[str, str]:
    name, at = f"test_{uuid4().hex}", datetime.now(UTC)
    signature = Webhook(secret).sign(name, at, body.decode())
    return {"webhook-id": name, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def _hmac(header: str, prefix: str = "") -> Callable[[str, bytes], dict[str, str]]:
    return lambda secret, body: {header: prefix + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


EVENTS: Mapping[Forge, Callable[[str], tuple[dict[str, str], dict[str, Any]]]] = {
    Forge.GITHUB: _github,
    Forge.GITLAB: _gitlab,
    Forge.GITEA: _giteaish("Gitea"),
    Forge.FORGEJO: _giteaish("Forgejo"),
    Forge.GOGS: _giteaish("Gogs"),
    Forge.BITBUCKET: _bitbucket,
    Forge.BITBUCKET_SERVER: _bitbucket_server,
    Forge.GIT: _changes,
    Forge.GENERIC: _changes,
}
# Where it is none of these, Standard Webhooks.
SIGNATURES: Mapping[Forge, Callable[[str, bytes], dict[str, str]]] = {
    Forge.GITHUB: _hmac("X-Hub-Signature-256", "sha256="),
    Forge.GITLAB: lambda secret, _body: {"X-Gitlab-Token": secret},
    Forge.GITEA: _hmac("X-Gitea-Signature"),
    Forge.FORGEJO: _hmac("X-Forgejo-Signature"),
    Forge.GOGS: _hmac("X-Gogs-Signature"),
    Forge.BITBUCKET: _hmac("X-Hub-Signature", "sha256="),
    Forge.BITBUCKET_SERVER: _hmac("X-Hub-Signature", "sha256="),
}
