"""Whose X-Forwarded-For is believed, and how far."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.addresses import TrustedNetworks, parse_address

PROXIES = TrustedNetworks(["10.0.0.0/8", "127.0.0.1", "fd00::/8"])


@pytest.mark.parametrize(
    ("address", "is_trusted"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("fd00::1", True),
        ("fd00::1%eth0", True),
        ("::1", False),
        ("::ffff:10.1.2.3", True),
        ("", False),
        ("unix:", False),
    ],
)
def test_networks_hold_their_addresses(address: str, is_trusted: bool) -> None:
    """IPv4, IPv6, zones and IPv4 in IPv6 clothes; what is no address is in no network."""
    assert PROXIES.contains(address) is is_trusted


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (b"198.51.100.7", "198.51.100.7"),
        (b"6.6.6.6, 198.51.100.7, 10.0.0.9", "198.51.100.7"),
        (b"10.0.0.8,10.0.0.9", "10.0.0.8"),
        (b"198.51.100.7:4711", "198.51.100.7"),
        (b"[2001:DB8:0::1]:80", "2001:db8::1"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"6.6.6.6, unknown, 10.0.0.9", "10.0.0.9"),
        (b"6.6.6.6, garbage", "10.0.0.1"),
        (b"6.6.6.6,", "10.0.0.1"),
        (b"", "10.0.0.1"),
        (None, "10.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_that_is_not_a_proxy(forwarded: bytes | None, client: str) -> None:
    """Read from the right; what can't be read ends the search, and nothing left of it is believed."""
    assert PROXIES.find_client(forwarded, "10.0.0.1") == client


def test_a_stranger_is_not_believed() -> None:
    """X-Forwarded-For counts only when the peer itself is a trusted proxy."""
    assert PROXIES.find_client(b"10.0.0.9", "198.51.100.7") == "198.51.100.7"


def test_what_is_no_network_is_refused() -> None:
    """A typing error must not quietly trust nobody, or somebody else."""
    with pytest.raises(ValueError, match="does not appear to be"):
        TrustedNetworks(["10.0.0.0/8", "tomorrow"])


@given(st.binary(max_size=60))
def test_no_header_can_break_the_search(forwarded: bytes) -> None:
    """Whatever stands in the header, the answer is an address that can be read."""
    assert parse_address(PROXIES.find_client(forwarded, "10.0.0.1")) is not None
