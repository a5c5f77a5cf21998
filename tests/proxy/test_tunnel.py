"""A tunnel passes bytes and half-closes both ways, and ends when both ends have or nobody says anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gateway.proxy.tunnel import Tunnel
from gateway.proxy.wheel import TimerWheel
from tests.proxy.wiring import MemoryTransport, Wires

if TYPE_CHECKING:
    from collections.abc import Iterator


class Joined:
    """A tunnel between two transports in memory."""

    def __init__(self) -> None:
        self.wheel = TimerWheel(asyncio.get_running_loop())
        self.wheel.stop()
        self.client, self.backend = MemoryTransport(), MemoryTransport()
        self.ends = 0
        self.tunnel = Tunnel(self.wheel, self.client, self.backend, 60, self.on_over)  # type: ignore[arg-type]

    def on_over(self) -> None:
        self.ends += 1


@pytest.fixture
async def joined() -> Iterator[Joined]:  # type: ignore[misc]
    """An open tunnel."""
    return Joined()


async def test_bytes_pass_both_ways_and_are_counted(joined: Joined) -> None:
    """As they come."""
    joined.tunnel.from_client(b"abc")
    joined.tunnel.from_backend(b"de")

    assert (joined.backend.written, joined.client.written) == (b"abc", b"de")
    assert (joined.tunnel.bytes_up, joined.tunnel.bytes_down) == (3, 2)


async def test_a_half_close_is_passed_on_and_the_other_way_stays_open(joined: Joined) -> None:
    """The tunnel ends with the second."""
    joined.tunnel.end_of_client()
    joined.tunnel.from_backend(b"late")

    assert joined.backend.has_ended
    assert (joined.client.written, joined.ends) == (b"late", 0)
    joined.tunnel.end_of_backend()
    assert (joined.client.is_closed, joined.backend.is_closed, joined.ends) == (True, True, 1)


async def test_silence_ends_it_and_a_word_keeps_it(joined: Joined) -> None:
    """``tunnel`` bounds the silence, not the connection."""
    start = joined.wheel.now
    joined.wheel.turn(start + 50)
    joined.tunnel.from_client(b"x")
    joined.wheel.turn(start + 100)

    assert joined.ends == 0
    joined.wheel.turn(start + 120)
    assert joined.ends == 1


async def test_after_the_end_it_does_not_wait_for_ever_for_who_takes_nothing(joined: Joined) -> None:
    """Closing lets out what was written, but a peer that does not read would keep both connections."""
    joined.tunnel.close()
    assert not joined.client.is_aborted

    joined.wheel.turn(joined.wheel.now + 61)

    assert joined.client.is_aborted
    assert joined.backend.is_aborted
    assert joined.ends == 1


async def test_it_is_over_once(joined: Joined) -> None:
    """However many connections are lost."""
    joined.tunnel.close()
    joined.tunnel.close()

    assert joined.ends == 1


async def test_a_slow_end_pauses_the_other(joined: Joined) -> None:
    """Back-pressure passes through."""
    joined.tunnel.pause_backend()
    joined.tunnel.pause_client()

    assert not joined.backend.is_reading
    assert not joined.client.is_reading
    joined.tunnel.resume_backend()
    joined.tunnel.resume_client()
    assert joined.backend.is_reading
    assert joined.client.is_reading


async def test_the_connections_hand_their_back_pressure_to_the_tunnel(wires: Wires) -> None:
    """Whoever is slow stops the other, and nobody else."""
    client, transport, backend, upstream = wires.tunnel()

    client.pause_writing()
    backend.pause_writing()
    assert (transport.is_reading, upstream.is_reading) == (False, False)
    client.resume_writing()
    assert (transport.is_reading, upstream.is_reading) == (False, True)
    backend.resume_writing()

    assert transport.is_reading


async def test_the_connections_hand_their_half_closes_to_the_tunnel(wires: Wires) -> None:
    """One direction may end long before the other."""
    client, transport, backend, upstream = wires.tunnel()

    assert client.eof_received()
    backend.data_received(b"and another thing")
    assert upstream.has_ended
    assert transport.written == b"and another thing"
    assert backend.eof_received()

    assert transport.is_closed
    assert upstream.is_closed
    assert wires.plane.generation.in_flight == wires.pool.endpoints[0].in_flight == 0


async def test_where_one_way_can_not_end_alone_both_end(wires: Wires) -> None:
    """TLS knows no half-close."""
    backend, upstream = MemoryTransport(can_half_close=False), MemoryTransport()
    tunnel = Tunnel(wires.plane.wheel, upstream, backend, 60, lambda: None)

    tunnel.end_of_client()

    assert upstream.is_closed
    assert backend.is_closed


@pytest.mark.parametrize("is_client", [True, False])
async def test_a_tunnel_ends_with_either_connection(wires: Wires, is_client: bool) -> None:
    """The other is closed, and nothing is counted as under way."""
    client, transport, backend, upstream = wires.tunnel()

    (client if is_client else backend).connection_lost(ConnectionResetError())

    assert (upstream if is_client else transport).is_closed
    assert wires.plane.generation.in_flight == wires.pool.endpoints[0].in_flight == 0
