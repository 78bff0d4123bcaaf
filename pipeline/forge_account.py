"""How Slipway speaks to a project's git host: where its API is, what the repository is called there, and as whom."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.clone_url import SCP, local_path
from pipeline.errors import Rejected
from pipeline.project import Forge

LONGEST = 500
ANSWERED = frozenset(Forge) - {Forge.GOGS, Forge.GIT, Forge.GENERIC}
API_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]{1,253}(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")
REPOSITORY = re.compile(r"(?!\.)[A-Za-z0-9_.~-]{1,200}(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9_.~-]{1,200}){1,20}")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
GITHUB, GHE_CLOUD = "github.com", ".ghe.com"
SCM = "scm"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What answers to a host are sent with; the secret itself is kept elsewhere, sealed."""

    forge: Forge
    api_url: str
    repository: str
    user: str = ""
    app_id: int | None = None
    installation_id: int | None = None


def account_of(forge: Forge, url: str, *, api_url: str = "", repository: str = "", user: str = "") -> Account:
    """Return the account of a project, what is not given derived from its clone address. Raises Rejected."""
    if forge not in ANSWERED:
        raise Rejected(
            f"a project of forge {forge} has nobody to answer: that host has no API for commit statuses",
            code="no_status_api",
            fix=f"Statuses go to {', '.join(sorted(ANSWERED))}.",
        )
    api = check_api_url(api_url or default_api_url(forge, url))
    return Account(forge=forge, api_url=api, repository=_repository(forge, url, api, repository), user=user)


def default_api_url(forge: Forge, url: str) -> str:
    """Return where a host's API usually is, judged by the repository's clone address. Raises Rejected."""
    host, segments = _parts(url)
    if not host:
        raise Rejected(
            f"where the API of {forge} is cannot be told from {url}",
            code="no_api_url",
            fix="Say it: --api-url https://git.example.com/api/v1 --repository OWNER/NAME",
        )
    if forge is Forge.GITHUB:
        cloud = host == GITHUB or host.endswith(GHE_CLOUD)
        return f"https://api.{host}" if cloud else f"https://{host}/api/v3"
    if forge is Forge.BITBUCKET:
        return "https://api.bitbucket.org/2.0"
    if forge is Forge.GITLAB:
        return f"https://{host}/api/v4"
    root = "".join(f"/{one}" for one in segments[:-2] if one != SCM)
    return f"https://{host}{root}" + ("/rest/api/latest" if forge is Forge.BITBUCKET_SERVER else "/api/v1")


def check_api_url(text: str) -> str:
    """Return an API's address without a trailing slash, if a token may be sent there, else raise Rejected."""
    clean = text.rstrip("/")
    fix = "Give an address such as https://git.example.com/api/v1, without user, query or fragment."
    try:
        parts = urlsplit(clean)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if len(clean) > LONGEST or not host or not API_URL.fullmatch(clean):
        raise Rejected(f"{text[:200]!r} is not an address of an API", code="bad_api_url", fix=fix)
    if parts.scheme == "http" and host not in LOOPBACK:
        raise Rejected("a token is sent over https only, except on this machine", code="bad_api_url", fix=fix)
    return clean


def _repository(forge: Forge, url: str, api_url: str, given: str) -> str:
    """Return the name the API knows the repository by: OWNER/NAME, or GitLab's whole path."""
    name = given.strip("/") or _derived(forge, url, api_url)
    if not REPOSITORY.fullmatch(name):
        raise Rejected(
            f"what the repository is called at {forge} cannot be told from {url}" if not given else f"{given!r}?",
            code="bad_repository",
            fix="Say it: --repository OWNER/NAME",
        )
    return name


def _derived(forge: Forge, url: str, api_url: str) -> str:
    host, segments = _parts(url)
    if not host:
        return ""
    if forge is Forge.GITLAB:
        # A GitLab that lives below a path has that path in both of its addresses.
        root = [one for one in urlsplit(api_url).path.split("/") if one][:-2]
        return "/".join(segments[len(root) :] if segments[: len(root)] == root else segments)
    return "/".join(segments[-2:])


def _parts(url: str) -> tuple[str, list[str]]:
    """Return the host, with its port if it is one of https, and the path's segments without `.git`."""
    if local_path(url) is not None:
        return "", []
    if scp := SCP.fullmatch(url):
        host, path = scp["host"], url.partition(":")[2]
    else:
        parts = urlsplit(url)
        host = parts.netloc if parts.scheme == "https" else (parts.hostname or "")
        path = parts.path
    return host.lower(), [one for one in path.rstrip("/").removesuffix(".git").split("/") if one]
