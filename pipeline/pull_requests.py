"""Pull requests: where a host keeps the commits of strangers, and which of them start a run. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from pipeline.globs import matches_any
from pipeline.project import Forge

PULLS, MERGES = "refs/pull/{number}/head", "refs/merge-requests/{number}/head"
# Under these names a host shows the commits of a pull request in the repository itself, wherever they come from.
REFS: Mapping[Forge, str] = {
    Forge.GITHUB: PULLS,
    Forge.GITEA: PULLS,
    Forge.FORGEJO: PULLS,
    Forge.GOGS: PULLS,
    Forge.GITLAB: MERGES,
}
REF = re.compile(r"refs/(?:pull|merge-requests)/([1-9][0-9]{0,8})/head")


def ref_of(forge: Forge, number: int) -> str | None:
    """Return the ref of a pull request, or None where the host has none."""
    shape = REFS.get(forge)
    return shape.format(number=number) if shape else None


def number_of(ref: str) -> int | None:
    """Return the number of the pull request that a ref is of; None for a branch or a tag."""
    found = REF.fullmatch(ref)
    return int(found[1]) if found else None


def wanted(rules: Mapping[str, Any] | None, base: str) -> bool:
    """Tell whether the default branch's rules want runs of pull requests to `base`."""
    rule = (rules or {}).get("pull_request")
    if rule is None:
        return False
    branches = rule.get("branches")
    return branches is None or matches_any(branches, base)
