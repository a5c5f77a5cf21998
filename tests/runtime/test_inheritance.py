"""Each child keeps what is its own, and the master what all need."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.runtime.gateways import inherited


def test_a_worker_keeps_its_own_sockets_only(tmp_path: Path) -> None:
    """A dead worker's port closes when the master says so, not when the last other worker ends."""
    with inherited(tmp_path) as inheritance:
        inheritance.keep_slot(1)
        (door,) = inheritance.doors

        assert [member.fileno() >= 0 for member in door.sockets] == [False, True]
        assert inheritance.admin.fileno() < 0
        assert inheritance.link.fileno() >= 0


def test_the_comparer_keeps_where_its_pairs_come_in(tmp_path: Path) -> None:
    """It serves nobody, and holds neither figures nor configuration."""
    with inherited(tmp_path) as inheritance:
        inheritance.keep_comparing()

        assert all(member.fileno() < 0 for door in inheritance.doors for member in door.sockets)
        assert inheritance.admin.fileno() < 0
        assert inheritance.pairs.fileno() >= 0
        assert inheritance.pairs.getsockname() != inheritance.link.getsockname()


def test_the_controller_keeps_everything_but_the_workers_sockets(tmp_path: Path) -> None:
    """It answers no traffic."""
    with inherited(tmp_path) as inheritance:
        inheritance.keep_control()

        assert all(member.fileno() < 0 for door in inheritance.doors for member in door.sockets)
        assert inheritance.pairs.fileno() < 0
        assert inheritance.admin.fileno() >= 0
        assert inheritance.keepsake.newest() is not None


def test_closing_closes_all_of_it(tmp_path: Path) -> None:
    """Nobody can connect any more."""
    with inherited(tmp_path) as inheritance:
        address = inheritance.doors[0].sockets[0].getsockname()
        inheritance.close()

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
