"""Networks on the engine: small subnets cut from one range, so that there is room for a thousand."""

import time
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Interface, IPv4Network, ip_network
from pathlib import Path
from typing import Any
from zlib import crc32

from docker.errors import APIError, NotFound

from pipeline.containers import HOME
from pipeline.errors import Unavailable
from runtime.wire import Wire, said

# The engine keeps three addresses of a subnet to itself: its own, the gateway's and the broadcast address.
KEPT = 3
# How many containers may be alone on one network at once.
ALONE = 1000
ALONE_OPTIONS = {"com.docker.network.bridge.enable_icc": "false"}
ROUTES = Path("/proc/net/route")
SECONDS = 60.0
PAUSE = 0.05
FORBIDDEN, CONFLICT = 403, 409


class Networks:
    """This home's networks, cut from `cidr`."""

    def __init__(self, wire: Wire, home: str, cidr: str) -> None:
        self._wire = wire
        self._home = home
        self._range = cidr

    def network(
        self, name: str, labels: Mapping[str, str], *, containers: int, options: Mapping[str, str] | None = None
    ) -> str:
        """Return the network of that name, making it for so many containers if need be.

        A name's subnet is where its hash falls, or the next free one: two processes that make the same network want
        the same subnet, the engine refuses one of them, and that one finds what the other made.
        """
        deadline = time.monotonic() + SECONDS
        refusal = ""
        while time.monotonic() < deadline:
            there = self._all()
            if self._has(there, name):
                return name
            refusal = self._create(name, labels, self._free(name, there, containers), options or {})
            if not refusal:
                self._settle(name)
                return name
            time.sleep(PAUSE)
        raise Unavailable(f"the container engine makes no network {name}: {refusal}", code="engine_error")

    def alone(self) -> str | None:
        """Return the home's network on which containers do not reach each other; it costs nothing per container.

        None where the kernel does not filter what crosses a bridge: there the option would keep nobody apart.
        """
        with self._wire.doing("look at the engine"):
            filters = bool(self._wire.api.info().get("BridgeNfIptables"))
        if not filters:
            return None
        return self.network(f"slipway-{self._home}-alone", {}, containers=ALONE, options=ALONE_OPTIONS)

    def gateway(self, name: str) -> IPv4Interface:
        """Return the address of the engine's machine on a network, with the network's subnet."""
        for network in [one for one in self._all() if one["Name"] == name]:
            for pool in network["IPAM"]["Config"] or ():
                # An engine that was not told the gateway leaves it out: it takes the subnet's first address.
                subnet = IPv4Network(pool["Subnet"])
                return IPv4Interface(f"{pool.get('Gateway') or subnet[1]}/{subnet.prefixlen}")
        raise Unavailable(f"there is no network {name}", code="engine_error")

    def remove_network(self, name: str) -> None:
        """Remove a network and cut off what is still on it; not being there is fine."""
        for network in [one for one in self._all() if one["Name"] == name]:
            self._check_ours(network)
            self._remove(network["Id"])

    def _all(self) -> list[dict[str, Any]]:
        with self._wire.doing("list networks"):
            found: list[dict[str, Any]] = self._wire.api.networks()
            return found

    def _has(self, there: list[dict[str, Any]], name: str) -> bool:
        named = [one for one in there if one["Name"] == name]
        for network in named:
            self._check_ours(network)
        return bool(named)

    def _create(self, name: str, labels: Mapping[str, str], subnet: IPv4Network, options: Mapping[str, str]) -> str:
        """Create a network; returns why the engine refused, if somebody else took the name or the subnet first."""
        pool: Any = {"Driver": "default", "Config": [{"Subnet": str(subnet)}]}
        with self._wire.doing(f"make the network {name}"):
            try:
                marks = {**labels, HOME: self._home}
                self._wire.api.create_network(
                    name, driver="bridge", options=dict(options), ipam=pool, check_duplicate=True, labels=marks
                )
            except APIError as fault:
                if fault.status_code not in {FORBIDDEN, CONFLICT}:
                    raise
                return said(fault)
        return ""

    def _free(self, name: str, there: list[dict[str, Any]], containers: int) -> IPv4Network:
        taken = [*_subnets(there), *(_routes() if self._wire.is_local else ())]
        for candidate in candidates(self._range, name, prefix_for(containers)):
            if not any(candidate.overlaps(other) for other in taken):
                return candidate
        raise Unavailable(
            f"no room for another network in {self._range}",
            code="no_network_left",
            fix="Set SLIPWAY_DOCKER__NETWORKS to a larger range.",
        )

    def _settle(self, name: str) -> None:
        """The engine lets two networks have one name if they are made in the same instant: the first by id stays."""
        same = sorted(one["Id"] for one in self._all() if one["Name"] == name)
        for surplus in same[1:]:
            self._remove(surplus)

    def _remove(self, network: str) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with self._wire.doing("remove a network"):
                try:
                    self._wire.api.remove_network(network)
                    return
                except NotFound:
                    return
                except APIError as fault:
                    if fault.status_code not in {FORBIDDEN, CONFLICT}:
                        raise
                    self._cut_off(network)
        raise Unavailable(f"the container engine does not remove the network {network}", code="engine_error")

    def _cut_off(self, network: str) -> None:
        """Disconnect what is on a network; whoever leaves in between is as good."""
        try:
            found: dict[str, Any] = self._wire.api.inspect_network(network)
        except NotFound:
            return
        for container in found["Containers"] or {}:
            try:
                self._wire.api.disconnect_container_from_network(container, network, force=True)
            except NotFound:
                continue

    def _check_ours(self, network: dict[str, Any]) -> None:
        if (network["Labels"] or {}).get(HOME) != self._home:
            raise Unavailable(f"a network that is not this home's has the name {network['Name']}", code="name_taken")


def prefix_for(containers: int) -> int:
    """Return the length of the prefix that leaves room for so many containers."""
    return 32 - (containers + KEPT - 1).bit_length()


def candidates(cidr: str, name: str, prefix: int) -> Iterator[IPv4Network]:
    """Yield the subnets of a range, beginning where the name's hash falls."""
    whole = IPv4Network(cidr)
    prefix = max(prefix, whole.prefixlen)
    count = 2 ** (prefix - whole.prefixlen)
    size = 2 ** (32 - prefix)
    first = crc32(name.encode())
    for step in range(count):
        yield IPv4Network((int(whole.network_address) + (first + step) % count * size, prefix))


def parse_routes(table: str) -> list[IPv4Network]:
    """Return the destinations of a table in the form of /proc/net/route, without the default route."""
    rows = [line.split() for line in table.splitlines()[1:]]
    routes = [(_little_endian(row[1]), _little_endian(row[7])) for row in rows if len(row) > 7]
    return [IPv4Network((address, mask.bit_count())) for address, mask in routes if mask]


def _routes() -> list[IPv4Network]:
    return parse_routes(ROUTES.read_text()) if ROUTES.exists() else []


def _little_endian(digits: str) -> int:
    return int.from_bytes(bytes.fromhex(digits), "little")


def _subnets(there: Iterable[dict[str, Any]]) -> Iterator[IPv4Network]:
    for network in there:
        for pool in (network["IPAM"] or {}).get("Config") or ():
            subnet = ip_network(pool["Subnet"], strict=False) if pool.get("Subnet") else None
            if isinstance(subnet, IPv4Network):
                yield subnet
