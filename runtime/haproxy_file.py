"""HAProxy's files: what Slipway wants of it as one picture, and the configuration and map rendered from that."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.errors import Rejected
from pipeline.routes import Route, Routes, Server, Traffic
from runtime.checks import check_address, check_host, check_port, check_socket
from runtime.templates import render as render_template

MAP = "hosts.map"
# The socket for what containers of stages ask: it leads to applications, and never to the dashboard.
DOOR = "haproxy-door.sock"
# 2.6 cannot add a backend while it runs, so there are always some to spare.
STEP = 32

SERVER = re.compile(r"[a-z]+[0-9]+")
SERVER_LINE = re.compile(rb"^    server [a-z]+[0-9]+ [0-9a-f.:\[\]]+\n", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """The part that only a restart changes: where the proxy listens, where the web process is, under which names."""

    address: str
    port: int
    web_port: int
    web_host: str = "127.0.0.1"
    dashboards: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """All that the proxy should be. Everything HAProxy reads is rendered from this."""

    front: Front | None = None
    backends: int = STEP
    routes: tuple[Route, ...] = ()

    def showing(self, routes: Routes) -> "Picture":
        """Return the picture with other routes; spare backends are never given up while the proxy runs."""
        return replace(self, routes=routes.routes, backends=max(self.backends, _enough(routes.routes)))

    def behind(self, front: Front) -> "Picture":
        """Return the picture as a proxy that starts now should read it."""
        return replace(self, front=front, backends=_enough(self.routes))

    @property
    def hosts(self) -> dict[str, str]:
        """Which backend each name leads to."""
        dashboards = self.front.dashboards if self.front else ()
        led = {host: backend(route.id) for route in self.routes for host in route.hosts}
        return led | dict.fromkeys(dashboards, "web")


PICTURE = TypeAdapter(Picture)


def backend(route: int) -> str:
    """Return the name of a route's backend."""
    return f"b{route}"


def target(address: str, port: int) -> str:
    """Return an address and port as HAProxy writes them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def check(picture: Picture) -> None:
    """Raise Rejected unless everything in the picture is of the few forms that may get into a file."""
    if picture.front:
        _check_front(picture.front)
    seen = set(picture.front.dashboards if picture.front else ())
    for route in picture.routes:
        if route.id < 1:
            raise Rejected(f"{route.id} is not the id of a route", code="bad_route")
        for host in route.hosts:
            check_host(host)
            if host in seen:
                raise Rejected(f"two routes ask for the name {host}", code="host_taken")
            seen.add(host)
        for server in route.servers:
            _check_server(server)


def render(picture: Picture, admin_socket: Path, door: Path) -> bytes:
    """Return the configuration. Draining servers are left out: who reads this has no requests of theirs."""
    front = picture.front
    if front is None:
        raise ValueError("a configuration needs to know where to listen")
    return render_template(
        "haproxy.cfg.j2",
        admin_socket=check_socket(admin_socket),
        door=check_socket(door),
        listen=target(front.address, front.port),
        web=target(front.web_host, front.web_port),
        dashboard=_dashboard(front),
        map=MAP,
        backends=_backends(picture),
    )


def render_map(picture: Picture) -> bytes:
    """Return the map from host names to backends."""
    return "".join(f"{host} {name}\n" for host, name in sorted(picture.hosts.items())).encode()


def shape(configuration: bytes) -> bytes:
    """Return a configuration without the servers of its routes: what is left is what could be invalid."""
    return SERVER_LINE.sub(b"", configuration)


def _enough(routes: tuple[Route, ...]) -> int:
    return (max((route.id for route in routes), default=0) // STEP + 1) * STEP


def _check_front(front: Front) -> None:
    for host in front.dashboards:
        check_host(host)
    for address, port in ((front.address, front.port), (front.web_host, front.web_port)):
        check_address(address)
        check_port(port)


def _check_server(server: Server) -> None:
    if not SERVER.fullmatch(server.name):
        raise Rejected(f"{server.name[:80]!r} cannot be the name of a server", code="bad_server")
    check_address(server.address)
    check_port(server.port)


def _dashboard(front: Front) -> str:
    if not front.dashboards:
        return ""
    port = "" if front.port == 80 else f":{front.port}"
    return f"\\nThe dashboard is at http://{front.dashboards[0]}{port}/"


def _backends(picture: Picture) -> list[dict[str, Any]]:
    routes = {route.id: route for route in picture.routes}
    return [
        {"name": backend(number), "servers": _servers(routes[number]) if number in routes else ()}
        for number in range(1, picture.backends + 1)
    ]


def _servers(route: Route) -> list[dict[str, str]]:
    return [
        {"name": server.name, "target": target(server.address, server.port)}
        for server in route.servers
        if server.traffic is Traffic.OPEN
    ]
