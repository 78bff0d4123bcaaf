"""Bring a running HAProxy to what a picture shows: the new in, names pointed, the old left to finish, the gone out."""

import time

import structlog

from pipeline.errors import Unavailable
from pipeline.health import pauses
from pipeline.routes import Server, Traffic
from runtime.haproxy_file import MAP, Picture, backend, target
from runtime.haproxy_socket import AdminSocket, Live

GONE_WITHIN = 2.0
WORDS = {Traffic.OPEN: "ready", Traffic.DRAIN: "drain"}

log = structlog.get_logger(__name__)


def bring(admin: AdminSocket, picture: Picture) -> None:
    """Make the running servers and names what the picture shows, whatever they were. Raises Unavailable if it cannot.

    The order is what loses no request: a name never points at nothing, an old server is only told to drain once the
    new one takes requests, and is cut off only when nobody wants it any more.
    """
    wanted = {(backend(route.id), server.name): server for route in picture.routes for server in route.servers}
    refusals: list[str] = []
    live = admin.servers()
    _open(admin, wanted, live, refusals)
    _point(admin, picture.hosts, refusals)
    _drain(admin, wanted, live, refusals)
    _delete(admin, [key for key in live if key not in wanted and key[0] != "web"])
    _verify(admin, wanted, picture.hosts, refusals)


def _open(admin: AdminSocket, wanted: dict[tuple[str, str], Server], live: Live, refusals: list[str]) -> None:
    for key, server in wanted.items():
        if server.traffic is not Traffic.OPEN:
            continue
        here = live.get(key)
        if here and (here.address, here.port) != (server.address, server.port):
            # Never pointed elsewhere in place: its idle connections would be cut under their next request.
            _delete(admin, [key])
            here = None
        if here is None:
            # No `check`: a server with one counts as up before its first check, and takes traffic (503s). Without,
            # it comes in maintenance and is enabled below; that it answers has been probed before it got here.
            _say(admin, f"add server {'/'.join(key)} {target(server.address, server.port)}", refusals)
        if here is None or here.traffic is not Traffic.OPEN:
            _say(admin, f"set server {'/'.join(key)} state {WORDS[Traffic.OPEN]}", refusals)


def _point(admin: AdminSocket, hosts: dict[str, str], refusals: list[str]) -> None:
    live = admin.hosts()
    for host, name in hosts.items():
        if host not in live:
            _say(admin, f"add map {MAP} {host} {name}", refusals)
        elif live[host] != name:
            _say(admin, f"set map {MAP} {host} {name}", refusals)
    for host in live.keys() - hosts.keys():
        _say(admin, f"del map {MAP} {host}", refusals)


def _drain(admin: AdminSocket, wanted: dict[tuple[str, str], Server], live: Live, refusals: list[str]) -> None:
    for key, server in wanted.items():
        if server.traffic is Traffic.DRAIN and key in live and live[key].traffic is Traffic.OPEN:
            _say(admin, f"set server {'/'.join(key)} state {WORDS[Traffic.DRAIN]}", refusals)


def _delete(admin: AdminSocket, keys: list[tuple[str, str]]) -> None:
    for key in keys:
        admin.command(f"set server {'/'.join(key)} state maint")
    deadline = time.monotonic() + GONE_WITHIN
    for pause in pauses():
        for key in keys:
            admin.command(f"shutdown sessions server {'/'.join(key)}")
            admin.command(f"del server {'/'.join(key)}")
        keys = [key for key in admin.servers() if key in keys]
        if not keys:
            return
        if time.monotonic() > deadline:
            # In maintenance it takes no requests, and its name is never used again: the next apply tries anew.
            log.warning("proxy_server_stays", servers=["/".join(key) for key in keys])
            return
        time.sleep(pause)


def _verify(
    admin: AdminSocket, wanted: dict[tuple[str, str], Server], hosts: dict[str, str], refusals: list[str]
) -> None:
    """Judge by what is there now, not by the words of the answers; those only help to say why."""
    live = admin.servers()
    wrong = ["/".join(key) for key, server in wanted.items() if not _as_wanted(server, live, key)]
    wrong += [f"{host} → {name}" for host, name in set(hosts.items()) ^ set(admin.hosts().items())]
    if wrong:
        why = "; ".join(refusals) or "it did not say why"
        raise Unavailable(f"HAProxy did not take {', '.join(sorted(wrong)[:5])}: {why}", code="proxy_refused")


def _as_wanted(server: Server, live: Live, key: tuple[str, str]) -> bool:
    here = live.get(key)
    if server.traffic is Traffic.DRAIN:
        return here is None or here.traffic is not Traffic.OPEN
    return (
        here is not None and here.traffic is Traffic.OPEN and (here.address, here.port) == (server.address, server.port)
    )


def _say(admin: AdminSocket, line: str, refusals: list[str]) -> None:
    answer = admin.command(line)
    if answer and answer != "New server registered.":
        refusals.append(f"{line}: {answer}")
