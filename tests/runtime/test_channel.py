"""A channel carries messages, and ends on what it can't read."""

from __future__ import annotations

import asyncio
import socket

import msgspec
import pytest

from gateway.errors import LinkError
from gateway.runtime.channel import CLOGGED_BYTES, Channel
from gateway.runtime.link import Applied, Hello, Up, pack


class Ends:
    """A channel, the raw socket at its other end, and what happened to it."""

    def __init__(self) -> None:
        self.received: list[Up] = []
        self.ended = asyncio.Event()
        self.cleared = asyncio.Event()
        self.raw, self._ours = socket.socketpair(socket.AF_UNIX)
        self.raw.setblocking(False)

    async def open(self) -> Channel[Up]:
        """The channel at our end."""
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_unix_connection(self._make, sock=self._ours)
        return channel

    def _make(self) -> Channel[Up]:
        return Channel(
            msgspec.msgpack.Decoder(Up),
            received=self._receive,
            lost=lambda _channel: self.ended.set(),
            cleared=lambda _channel: self.cleared.set(),
        )

    def _receive(self, _channel: Channel[Up], message: Up) -> None:
        if message == Applied(666):
            raise LinkError("not that one")
        self.received.append(message)

    async def end(self) -> None:
        """Close the other end, and wait until ours has noticed."""
        self.raw.close()
        await self.ended.wait()


async def test_messages_go_both_ways() -> None:
    """What one end tells, the other hears."""
    ends = Ends()
    channel = await ends.open()
    channel.tell(Applied(3))
    loop = asyncio.get_running_loop()

    assert await loop.sock_recv(ends.raw, 1000) == pack(Applied(3))
    await loop.sock_sendall(ends.raw, pack(Hello(1, 2, "r", 3)) + pack(Applied(4)))
    await ends.end()
    assert ends.received == [Hello(1, 2, "r", 3), Applied(4)]


@pytest.mark.parametrize(
    "nonsense",
    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x01\xc1", b"\0\0\0\x02hi", pack(Applied(666))],
    ids=["too large", "empty", "not msgpack", "no message", "refused by its reader"],
)
async def test_nonsense_ends_the_connection(nonsense: bytes) -> None:
    """Both ends start over, instead of guessing."""
    ends = Ends()
    await ends.open()
    await asyncio.get_running_loop().sock_sendall(ends.raw, nonsense)
    await ends.ended.wait()

    assert ends.received == []
    ends.raw.close()


async def test_a_reader_that_sleeps_clogs_the_channel_and_a_waking_one_clears_it() -> None:
    """The writer can hold back, and is told when to go on."""
    ends = Ends()
    channel = await ends.open()
    while not channel.is_clogged:
        channel.send(bytes(CLOGGED_BYTES))
    loop = asyncio.get_running_loop()
    while channel.is_clogged:
        await loop.sock_recv(ends.raw, CLOGGED_BYTES)

    assert ends.cleared.is_set()
    await ends.end()


async def test_telling_a_channel_that_is_gone_does_nothing() -> None:
    """Nobody needs to look before telling."""
    ends = Ends()
    channel = await ends.open()
    await ends.end()
    channel.tell(Applied(1))
    channel.drop()

    assert channel.transport is None
