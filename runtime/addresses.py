"""From a repository's address to the network addresses git may speak to: looked up once, all checked, then pinned."""

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.request import getproxies_environment, proxy_bypass

from pipeline.addresses import forbidden, private
from pipeline.clone_url import PORTS, Peer, local_path, peer
from pipeline.errors import Rejected, Unavailable
from runtime.files import replace
from runtime.git_shield import Reach

Resolve = Callable[[str], Sequence[str]]
TRUST = b"[safe]\n\tdirectory = *\n"
FIX = (
    "Give the host's public name; or, where repositories of this network are meant, "
    "set SLIPWAY_SOURCE__PRIVATE_ADDRESSES=true."
)


def resolve(host: str) -> tuple[str, ...]:
    """Return every address of a host, best first; none if it is not known."""
    return _looked_up(host, 0)


def reach(url: str, home: Path, *, private_addresses: bool, resolve: Resolve = resolve) -> Reach:
    """Return how git gets at a checked address. `home` is a directory of our own for what git must be told in a file.

    Raises Rejected with code private_address if any of the host's addresses is one nobody here may be led to, or
    Unavailable if it has none.
    """
    there = peer(url)
    if there is None:
        return Reach(protocol="file", trusted=_trust(home)) if local_path(url) else Reach()
    written = _looked_up(there.host, socket.AI_NUMERICHOST)
    if not written and _by_proxy(there):
        return Reach(protocol=there.scheme)  # the proxy looks the name up, and is who decides where it leads
    addresses = written or tuple(resolve(there.host))
    for address in addresses:
        _check(there.host, address, private_addresses)
    if not addresses and not (private_addresses and there.scheme == "ssh"):
        raise Unavailable(f"{there.host} has no address: its name is not known", code="source_unavailable")
    return Reach(protocol=there.scheme) if written or not addresses else _pinned(there, addresses)


def _check(host: str, address: str, private_addresses: bool) -> None:
    shown = host if host == address else f"{host} is at {address}, which"
    if forbidden(address):
        raise Rejected(
            f"{shown} is an address of the link alone or of a cloud's own; nothing is ever fetched from there",
            **_words(""),
        )
    if private(address) and not private_addresses:
        raise Rejected(f"{shown} is an address of this machine or of a private network", **_words(FIX))


def _words(fix: str) -> dict[str, str]:
    return {"code": "private_address", "fix": fix or "Give the host's public name."}


def _pinned(there: Peer, addresses: Sequence[str]) -> Reach:
    """Return a reach in which the name leads to these addresses, whatever it leads to by then."""
    if there.scheme == "https":
        shown = ",".join(f"[{one}]" if ":" in one else one for one in addresses)
        return Reach(protocol="https", settings=(f"http.curloptResolve={there.host}:{there.port}:{shown}",))
    key = there.host if there.port == PORTS["ssh"] else f"[{there.host}]:{there.port}"
    return Reach(protocol="ssh", ssh=(f"-oHostName={addresses[0]}", f"-oHostKeyAlias={key}"))


def _by_proxy(there: Peer) -> bool:
    proxies = getproxies_environment()
    spoken = there.scheme == "https" and ("https" in proxies or "all" in proxies)
    return spoken and not proxy_bypass(there.host, proxies)


def _looked_up(host: str, flags: int) -> tuple[str, ...]:
    with suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
        return tuple(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))
    return ()


def _trust(directory: Path) -> Path:
    """Return a git configuration by which a directory's owner, whoever that is, may be another than this process."""
    path = directory / "trust.gitconfig"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        replace(path, TRUST)
    return path
