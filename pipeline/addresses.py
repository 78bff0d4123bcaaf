"""Which network addresses a repository may be fetched from: an address that a stranger names must not lead inside."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address
# Private by their standard, whatever this version of Python makes of them.
INNER = (ip_network("fec0::/10"), ip_network("64:ff9b:1::/48"), ip_network("192.0.0.0/24"))
# Where clouds tell a machine its secrets, beside the address of the link that most of them use.
METADATA = frozenset(
    ip_address(one) for one in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
# Networks whose addresses end in an IPv4 address, which is who is spoken to in the end.
EMBEDDING = (ip_network("64:ff9b::/96"), ip_network("::/96"))


def forbidden(text: str) -> bool:
    """Tell whether an address is of the link alone or a cloud's own, where machines keep what only they should read."""
    return any(one.is_link_local or one in METADATA for one in _all(ip_address(text)))


def private(text: str) -> bool:
    """Tell whether an address is of this machine, of a private network, or of no single machine at all."""
    return any(_inside(one) for one in _all(ip_address(text)))


def _inside(one: Address) -> bool:
    special = not one.is_global or one.is_multicast or one.is_reserved
    return special or one in METADATA or any(one in network for network in INNER)


def _all(one: Address) -> Iterator[Address]:
    """Yield an address, and those it stands for by way of a translation: of these the first alone may look harmless."""
    embedded = tuple(_embedded(one)) if isinstance(one, IPv6Address) else ()
    yield from embedded or (one,)


def _embedded(one: IPv6Address) -> Iterator[IPv4Address]:
    if one.ipv4_mapped:
        yield one.ipv4_mapped
    if one.sixtofour:
        yield one.sixtofour
    if one.teredo:
        yield one.teredo[1]
    if int(one) > 1 and any(one in network for network in EMBEDDING):
        yield IPv4Address(int(one) & 0xFFFFFFFF)
