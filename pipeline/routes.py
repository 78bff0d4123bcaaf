"""Routes: which names lead to which containers. The proxy's and the name server's files are a picture of this."""

from dataclasses import dataclass
from enum import StrEnum


class Traffic(StrEnum):
    """What a server gets: new requests, or only the end of those it has."""

    OPEN = "open"
    DRAIN = "drain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """One container behind a route. Its name comes from an id and is never used again."""

    name: str
    address: str
    port: int
    traffic: Traffic = Traffic.OPEN


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A service in an environment: the names it answers to and the servers behind them."""

    id: int
    hosts: tuple[str, ...]
    servers: tuple[Server, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Routes:
    """Everything the proxy and the name server have to know."""

    routes: tuple[Route, ...] = ()

    @property
    def hosts(self) -> dict[str, int]:
        """Which route each name leads to."""
        return {host: route.id for route in self.routes for host in route.hosts}
