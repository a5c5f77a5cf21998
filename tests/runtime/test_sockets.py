"""The listening sockets: a group per address, and errors that explain themselves."""

from __future__ import annotations

import socket

import pytest

from gateway.errors import CommandError
from gateway.runtime.inheritance import close_all
from gateway.runtime.sockets import open_group, open_link, open_single, show_address


def test_a_group_shares_one_free_port() -> None:
    """Port 0: the first socket picks the port, the others take the same."""
    group = open_group("127.0.0.1", 0, 4)
    addresses = {member.getsockname() for member in group}
    close_all(group)

    assert len(group) == 4
    assert len(addresses) == 1


def test_connections_reach_a_socket_that_is_left_when_another_is_closed() -> None:
    """The port goes on listening for as long as one of its sockets does."""
    first, second = open_group("127.0.0.1", 0, 2)
    first.close()
    with socket.create_connection(second.getsockname(), timeout=5):
        second.setblocking(True)
        accepted, _ = second.accept()
        accepted.close()
    second.close()


@pytest.mark.parametrize("option", [None, socket.SO_REUSEPORT])
def test_a_port_in_use_is_explained(option: int | None) -> None:
    """Also when the other one would share it: two gateways on one port is a mistake that nobody would see."""
    with socket.socket() as taken:
        if option:
            taken.setsockopt(socket.SOL_SOCKET, option, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            open_group("127.0.0.1", port, 2)
        with pytest.raises(CommandError, match="Address already in use"):
            open_single("127.0.0.1", port)


def test_an_address_of_another_machine_is_explained() -> None:
    """A wrong address fails before anything runs."""
    with pytest.raises(CommandError, match=r"cannot listen on 192\.0\.2\.1:8080"):
        open_group("192.0.2.1", 8080, 1)


def test_ipv6_stands_beside_ipv4_on_one_port() -> None:
    """``0.0.0.0:8080`` and ``[::]:8080`` may both be listed."""
    (four,) = open_group("0.0.0.0", 0, 1)
    port = four.getsockname()[1]
    (six,) = open_group("::", port, 1)
    shown = show_address(six)
    close_all([four, six])

    assert shown == f"[::]:{port}"


def test_the_link_has_no_name_in_the_file_system() -> None:
    """Nothing is left behind, and two gateways never meet."""
    one, other = open_link(), open_link()
    names = [one.getsockname(), other.getsockname()]
    close_all([one, other])

    assert all(name.startswith(b"\0crossfade-") for name in names)
    assert names[0] != names[1]
