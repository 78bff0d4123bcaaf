"""Addresses a repository may be fetched from: https, ssh, and a directory of this machine where that is allowed."""

import re
from dataclasses import dataclass

from pipeline.errors import Rejected

LONGEST = 2000
HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
PORT = r"(?::[0-9]{1,5})?"
USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
# A path may hold any printable character git hosts allow; it never begins with - and holds no space.
PATH = r"[!-,.-~][!-~]*"
HTTPS = re.compile(rf"https://{HOST}{PORT}/{PATH}")
SSH = re.compile(rf"ssh://(?:{USER}@)?{HOST}{PORT}/{PATH}")
SCP = re.compile(rf"{USER}@(?P<host>{HOST}):(?!/?-){PATH}")
LOCAL = re.compile(r"(?:file://)?/[^\x00-\x1f\x7f]*")
SECRET = re.compile(r"https://[^/?#]*@|ssh://[^/@?#]*:[^/?#]*@|https://[^#]*[?#]")
PORTS = {"https": 443, "ssh": 22}
FIX = "Give an address such as https://git.example.com/shop.git or git@git.example.com:shop.git."


def check_url(url: str, *, local_paths: bool) -> str:
    """Return `url` if it may be fetched from, else raise Rejected with code bad_url."""
    if len(url) > LONGEST:
        raise _bad(f"the address is longer than {LONGEST} characters")
    if SECRET.match(url):
        raise _bad(
            "the address holds a user, a password or a query; it would be seen in logs and process lists",
            fix="Leave it out: a private repository is fetched with `project token`, or by ssh with a key.",
        )
    if any(form.fullmatch(url) for form in (HTTPS, SSH, SCP)):
        return url
    if LOCAL.fullmatch(url):
        return _local(url, local_paths)
    raise _bad(f"{url!r} is not an address that Slipway fetches from")


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Whom an address leads to: a host, without the brackets of an IPv6 address, and the port that is spoken to."""

    scheme: str
    host: str
    port: int


def peer(url: str) -> Peer | None:
    """Return whom a checked address leads to, or None if it is a directory of this machine."""
    if scp := SCP.fullmatch(url):
        return Peer(scheme="ssh", host=scp["host"].strip("[]"), port=PORTS["ssh"])
    found = re.match(rf"(?P<scheme>https|ssh)://(?:{USER}@)?(?P<host>{HOST})(?::(?P<port>[0-9]{{1,5}}))?/", url)
    if found is None:
        return None
    port = int(found["port"] or PORTS[found["scheme"]])
    return Peer(scheme=found["scheme"], host=found["host"].strip("[]"), port=port)


def local_path(url: str) -> str | None:
    """Return the directory a checked address means, or None if it is on another machine."""
    path = url.removeprefix("file://")
    return path if path.startswith("/") else None


def site(url: str) -> str:
    """Return the part of an address that people know a git host by: the host, or the directory."""
    if path := local_path(url):
        return path
    if scp := SCP.fullmatch(url):
        return scp["host"]
    found = re.match(rf"[a-z]+://(?:{USER}@)?({HOST})", url)
    return found[1] if found else "the git host"


def _local(url: str, local_paths: bool) -> str:
    if not local_paths:
        raise _bad("a directory of this machine is allowed only where SLIPWAY_LOCAL_PATHS is true")
    if ".." in url.split("/"):
        raise _bad("the path must be written without `..`")
    return url


def _bad(sentence: str, fix: str = FIX) -> Rejected:
    return Rejected(sentence, code="bad_url", fix=fix)
