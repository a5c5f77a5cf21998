"""Whose word is taken about where a request comes from.

X-Forwarded-For is a list that every proxy lengthens at its right end, and that a client may begin with whatever it
likes. So it is read from the right, for as long as the addresses are those of trusted proxies: the first that is not is
the client. It is read only when the peer itself is trusted.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
REMEMBERED = 4096
"""Peers come back, and reading an address takes longer than all the rest of a decision. About 1 MiB when full."""


class TrustedNetworks:
    """A set of networks: ``10.0.0.0/8``, ``::1``. Raises ValueError for what is none."""

    def __init__(self, networks: Iterable[str]) -> None:
        parsed = tuple(ip_network(network, strict=False) for network in networks)
        self.contains = lru_cache(maxsize=REMEMBERED)(partial(_is_inside, parsed))
        """Whether ``contains(text)`` is an address in one of the networks; what is no address is in none."""

    def find_client(self, forwarded: bytes | None, peer: str) -> str:
        """The address of the client.

        ``forwarded`` is the value of X-Forwarded-For, of repeated headers joined with commas; ``peer`` the address of
        the connection. The answer is the rightmost address that is not trusted, else the leftmost that can be read,
        else the peer. What can't be read ends the search: nothing to the left of it is believed.
        """
        if not forwarded or not self.contains(peer):
            return peer
        client = peer
        for entry in reversed(forwarded.split(b",")):
            address = parse_address(_strip_port(entry.strip(b" \t").decode("latin-1")))
            if address is None:
                break
            client = str(address)
            if not self.contains(client):
                break
        return client


def parse_address(text: str) -> Address | None:
    """Read an address, an IPv4 one in IPv6 clothes (RFC 4291, section 2.5.5.2) as IPv4; None for what is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _is_inside(networks: tuple[IPv4Network | IPv6Network, ...], text: str) -> bool:
    address = parse_address(text)
    return address is not None and any(
        network.version == address.version and address in network for network in networks
    )


def _strip_port(entry: str) -> str:
    """``1.2.3.4:567`` and ``[::1]:80`` without brackets and port (RFC 7239, section 6, writes them so too)."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
