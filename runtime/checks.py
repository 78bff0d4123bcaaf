"""The few forms in which a value may get into another program's configuration; anything else is refused."""

import re
from ipaddress import ip_address
from pathlib import Path

from pipeline.errors import Rejected

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(?:\.{LABEL})*")
PLAIN_PATH = re.compile(r"/[^\x00-\x20\x7f\"'\\#,$]*")
# The kernel takes 107 bytes; HAProxy binds under a name that is ten longer and renames.
SOCKET_LIMIT = 97


def check_host(host: str) -> str:
    """Return `host` if it is a DNS name in lower case, else raise Rejected."""
    if not HOST.fullmatch(host):
        raise Rejected(f"{host[:300]!r} cannot be a host name", code="bad_host", fix="Use a-z, 0-9, - and dots.")
    return host


def check_address(address: str) -> str:
    """Return `address` if it is an IP address as it is usually written, else raise Rejected."""
    try:
        plain = str(ip_address(address))
    except ValueError as fault:
        raise Rejected(f"{address[:80]!r} is not an IP address", code="bad_address") from fault
    # ip_address also takes zones such as fe80::1%x, which are free text.
    if plain != address or "%" in address:
        raise Rejected(f"{address[:80]!r} is not the usual way to write an IP address", code="bad_address")
    return address


def check_port(port: int) -> int:
    """Return `port` if something can listen there, else raise Rejected."""
    if not 0 < port < 65536:
        raise Rejected(f"{port} is not a port", code="bad_port")
    return port


def check_path(path: Path) -> Path:
    """Return an absolute path without blanks, quotes and the like, else raise Rejected."""
    if not PLAIN_PATH.fullmatch(str(path)):
        raise Rejected(
            f"{str(path)!r} cannot stand in a configuration",
            code="bad_path",
            fix="Choose a home without blanks, quotes, commas, # and $ in its path.",
        )
    return path


def check_socket(path: Path) -> Path:
    """Return the path of a unix socket if it can be bound, else raise Rejected."""
    if len(str(path).encode()) > SOCKET_LIMIT:
        raise Rejected(f"{path} is too long for a socket", code="bad_path", fix="Choose a home with a shorter path.")
    return check_path(path)
