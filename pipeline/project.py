"""A project: one repository that pushes to Slipway."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.errors import Rejected

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
RESERVED = frozenset({"to", "on", "in", "from", "for", "using", "because", "and", "all", "set", "help"})


class Forge(StrEnum):
    """The kinds of git host a project may live on."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    FORGEJO = "forgejo"
    GOGS = "gogs"
    BITBUCKET = "bitbucket"
    BITBUCKET_SERVER = "bitbucket-server"
    GIT = "git"
    GENERIC = "generic"


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """One repository: where it is fetched from, how its webhooks are checked, and what starts its runs.

    `rules` are the `trigger` of its default branch's slipway.yml, as JSON; None before that was ever read.
    """

    id: int
    name: str
    url: str
    forge: Forge
    secret: str
    default_branch: str = "main"
    rules: Mapping[str, Any] | None = field(default=None, hash=False)


def check_name(name: str, what: str = "project") -> str:
    """Return `name` if it can be a DNS label and a word in chat, else raise Rejected."""
    if not NAME.fullmatch(name):
        raise Rejected(
            f"{what} name {name!r} must be 1 to 40 of a-z, 0-9 and -, not starting or ending with -",
            code="bad_name",
            fix="It becomes part of a DNS name such as web.staging.shop.slipway.test; choose another.",
        )
    if name in RESERVED:
        raise Rejected(f"{what} name {name!r} is a word of the chat grammar; choose another", code="bad_name")
    return name
