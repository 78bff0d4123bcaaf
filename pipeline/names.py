"""Every name that leaves the house: DNS, images, containers, slugs."""

import hashlib
import re
from collections.abc import Iterable

LABEL_LIMIT = 63
SLUG_LIMIT = 40


def host_names(
    *, service: str, environment: str, project: str, domains: Iterable[str], main: bool = False
) -> tuple[str, ...]:
    """Return every DNS name of a service in an environment; the project's main service also answers without its own."""
    stems = [f"{label(service)}.{label(environment)}.{label(project)}"]
    if main:
        stems.append(f"{label(environment)}.{label(project)}")
    return tuple(f"{stem}.{domain}" for domain in domains for stem in stems)


def label(text: str) -> str:
    """Return `text` as one DNS label: at most 63 of a-z, 0-9 and -, with a hash where something had to go."""
    clean = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    if clean == text and len(clean) <= LABEL_LIMIT:
        return clean
    return f"{clean[: LABEL_LIMIT - 9].strip('-') or 'x'}-{_digest(text)}"


def slug(text: str) -> str:
    """Return a branch or tag name as an image tag; two different names never give the same slug."""
    clean = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    if clean == text and len(clean) <= SLUG_LIMIT:
        return clean
    return f"{clean[:SLUG_LIMIT].strip('-._') or 'x'}-{_digest(text)}"


def variable(text: str) -> str:
    """Return a service's name as part of an environment variable's."""
    return text.upper().replace("-", "_")


def run_name(run_id: int) -> str:
    """Return the name people use for a run."""
    return f"r{run_id}"


def deployment_name(deployment_id: int) -> str:
    """Return the name people use for a deployment."""
    return f"d{deployment_id}"


def short(revision: str) -> str:
    """Return a revision as people say it: its first seven digits."""
    return revision[:7]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
