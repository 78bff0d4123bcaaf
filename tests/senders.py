"""Git hosts as they post: one push each, signed as each of them signs."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

NOTHING = "0" * 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A branch of `repository` (its last part is what counts) that moved."""

    repository: str
    after: str
    before: str = NOTHING
    branch: str = "main"
    message: str = "Change something"

    @property
    def ref(self) -> str:
        """The branch's full name."""
        return f"refs/heads/{self.branch}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What is posted: a body and its headers."""

    body: bytes
    headers: dict[str, str]


def github(told: Told, secret: str) -> Delivery:
    """Return a push as GitHub posts it."""
    return _posted(_like_github(told), {"X-GitHub-Event": "push", "X-GitHub-Delivery": _id()}, secret, _prefixed)


def gitlab(told: Told, secret: str) -> Delivery:
    """Return a push as GitLab posts it, with its token in clear."""
    name, _, path = told.repository.rpartition("/")
    body = {
        "object_kind": "push",
        "event_name": "push",
        "ref": told.ref,
        "before": told.before,
        "after": told.after,
        "checkout_sha": told.after,
        "user_username": "ana",
        "project": {"path_with_namespace": f"{name}/{path}"},
        "commits": [{"id": told.after, "message": told.message}],
        "total_commits_count": 1,
    }
    headers = {"X-Gitlab-Event": "Push Hook", "Idempotency-Key": _id(), "X-Gitlab-Token": secret}
    return Delivery(body=_json(body), headers={"Content-Type": "application/json"} | headers)


def gitlab_signed(told: Told, secret: str) -> Delivery:
    """Return a push as GitLab posts it with a signing token."""
    plain = gitlab(told, secret)
    headers = {name: value for name, value in plain.headers.items() if name != "X-Gitlab-Token"}
    return Delivery(body=plain.body, headers=headers | _standard(plain.body, secret, headers["Idempotency-Key"]))


def gitea(told: Told, secret: str) -> Delivery:
    """Return a push as Gitea posts it, with the headers it sends for compatibility."""
    return _giteaish(told, secret, ("Gitea", "Gogs", "GitHub"))


def forgejo(told: Told, secret: str) -> Delivery:
    """Return a push as Forgejo posts it, with Gitea's headers beside its own."""
    return _giteaish(told, secret, ("Forgejo", "Gitea", "Gogs", "GitHub"))


def gogs(told: Told, secret: str) -> Delivery:
    """Return a push as Gogs posts it."""
    body = _json(_like_github(told))
    headers = {"X-Gogs-Event": "push", "X-Github-Event": "push", "X-Gogs-Delivery": _id()}
    return _with(body, headers | {"X-Gogs-Signature": _hex(secret, body)})


def bitbucket(told: Told, secret: str) -> Delivery:
    """Return a push as Bitbucket Cloud posts it."""
    old = None if told.before == NOTHING else {"type": "branch", "name": told.branch, "target": {"hash": told.before}}
    new = {"type": "branch", "name": told.branch, "target": {"hash": told.after, "message": told.message}}
    facts = {"created": old is None, "closed": False, "forced": False, "truncated": False}
    change: dict[str, Any] = {"old": old, "new": new, "commits": [], **facts}
    body = {
        "push": {"changes": [change]},
        "repository": {"full_name": told.repository, "uuid": "{r}"},
        "actor": {"nickname": "ana"},
    }
    headers = {"X-Event-Key": "repo:push", "X-Request-UUID": _id(), "X-Hook-UUID": _id()}
    return _hub(_json(body), headers, secret)


def bitbucket_server(told: Told, secret: str) -> Delivery:
    """Return a push as Bitbucket Data Center posts it."""
    owner, _, slug = told.repository.rpartition("/")
    ref = {"id": told.ref, "displayId": told.branch, "type": "BRANCH"}
    kind = "ADD" if told.before == NOTHING else "UPDATE"
    body = {
        "eventKey": "repo:refs_changed",
        "actor": {"name": "ana"},
        "repository": {"slug": slug, "project": {"key": owner.upper()}},
        "changes": [{"ref": ref, "refId": told.ref, "fromHash": told.before, "toHash": told.after, "type": kind}],
    }
    return _hub(_json(body), {"X-Event-Key": "repo:refs_changed", "X-Request-Id": _id()}, secret)


def generic(told: Told, secret: str) -> Delivery:
    """Return a push as anybody may post it who can sign as Standard Webhooks say."""
    change = {"ref": told.ref, "before": told.before, "after": told.after, "message": told.message}
    body = _json({"repository": told.repository.rpartition("/")[2], "changes": [change]})
    return _with(body, _standard(body, secret, _id()))


SENDERS: dict[str, Callable[[Told, str], Delivery]] = {
    "github": github,
    "gitlab": gitlab,
    "gitlab-signed": gitlab_signed,
    "gitea": gitea,
    "forgejo": forgejo,
    "gogs": gogs,
    "bitbucket": bitbucket,
    "bitbucket-server": bitbucket_server,
    "generic": generic,
    "git": generic,
}


def _giteaish(told: Told, secret: str, names: tuple[str, ...]) -> Delivery:
    body, ours = _json(_like_github(told)), _id()
    headers = {f"X-{name}-{what}": value for name in names for what, value in (("Event", "push"), ("Delivery", ours))}
    headers |= {f"X-{name}-Signature": _hex(secret, body) for name in names if name != "GitHub"}
    return _hub(body, headers, secret, name="X-Hub-Signature-256")


def _like_github(told: Told) -> dict[str, Any]:
    commit = {"id": told.after, "message": told.message, "author": {"name": "Ana"}}
    return {
        "ref": told.ref,
        "before": told.before,
        "after": told.after,
        "commits": [commit],
        "head_commit": commit,
        "repository": {"full_name": told.repository, "name": told.repository.rpartition("/")[2]},
        "pusher": {"name": "ana", "login": "ana"},
        "sender": {"login": "ana"},
    }


def _posted(body: dict[str, Any], headers: dict[str, str], secret: str, sign: Callable[[str, bytes], str]) -> Delivery:
    text = _json(body)
    return _with(text, headers | {"X-Hub-Signature-256": sign(secret, text)})


def _hub(body: bytes, headers: dict[str, str], secret: str, name: str = "X-Hub-Signature") -> Delivery:
    return _with(body, headers | {name: _prefixed(secret, body)})


def _with(body: bytes, headers: dict[str, str]) -> Delivery:
    return Delivery(body=body, headers={"Content-Type": "application/json"} | headers)


def _standard(body: bytes, secret: str, name: str) -> dict[str, str]:
    at = datetime.now(UTC)
    signature = Webhook(secret).sign(name, at, body.decode())
    return {"webhook-id": name, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def _prefixed(secret: str, body: bytes) -> str:
    return f"sha256={_hex(secret, body)}"


def _hex(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _id() -> str:
    return str(uuid.uuid4())
