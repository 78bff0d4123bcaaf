from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import forbidden, private

LINK = ["169.254.169.254", "169.254.0.1", "fe80::1", "febf::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]
METADATA = [
    *("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    *("::ffff:100.100.100.200", "64:ff9b::168.63.129.16", "2002:6464:64c8::"),
]
INSIDE = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
    *("::1", "::", "fc00::1", "fd00:ec2::255", "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1"),
    *("2002:7f00:1::", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1"),
    *("192.0.0.1", "192.0.0.170", "192.0.0.255", "::ffff:192.0.0.8"),
    *("2001:0:4136:e378:8000:63bf:80ff:fffe", "192.0.2.1", "2001:db8::1", "198.18.0.1"),
]
OUTSIDE = [
    "140.82.121.4",
    "1.1.1.1",
    "2606:50c0:8000::154",
    "::ffff:140.82.121.4",
    "64:ff9b::140.82.121.4",
    "192.0.1.1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_G10_an_address_that_leads_inside_is_known_however_it_is_written(address: str) -> None:
    assert private(address)


@pytest.mark.parametrize("address", LINK + METADATA)
def test_G10_an_address_of_the_link_or_of_a_cloud_is_known_however_it_is_written(address: str) -> None:
    assert forbidden(address)
    assert private(address)


@pytest.mark.parametrize("address", INSIDE)
def test_an_inner_address_may_be_allowed(address: str) -> None:
    assert not forbidden(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_a_git_host_is_neither(address: str) -> None:
    assert not private(address)
    assert not forbidden(address)


@given(st.ip_addresses(v=4))
def test_G10_an_ipv4_address_counts_the_same_within_an_ipv6_address(address: IPv4Address) -> None:
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert private(wrapped) == private(str(address))
        assert forbidden(wrapped) == forbidden(str(address))
