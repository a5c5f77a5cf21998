"""A backend that does well until it is told to be in another mood, and remembers when it was asked what."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

BODY: Final = b"x" * 100
PATIENCE_SECONDS: Final = 30


class Mood(Enum):
    """What a backend answers."""

    WELL = auto()
    FAILING = auto()
    """500 to everything."""
    SILENT = auto()
    """It takes requests, and never answers."""
    GARBLED = auto()
    """What it answers is no HTTP."""
    CUTTING = auto()
    """It closes in the middle of the body."""
    SLOW = auto()
    """Ten times slower."""
    REFUSING = auto()
    """Nobody listens there."""


ANSWERS: Final = {
    Mood.FAILING: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\n" + BODY,
    Mood.GARBLED: b"garbage\r\n\r\n",
    Mood.CUTTING: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + BODY[:50],
}
WELL_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + BODY
SLOWER: Final = 10


class Fickle:
    """See the module; ``asked_at`` are the times of all requests on the monotonic clock.

    It takes ``seconds`` for each answer when it is well.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.mood = Mood.WELL
        self.asked_at: list[float] = []
        self.port = 0
        self.conversations: set[_Conversation] = set()
        self.loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """As a configuration names it."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Begin to listen."""
        listening = self.loop.create_server(lambda: _Conversation(self), "127.0.0.1", 0)
        self._server = self.loop.run_until_complete(listening)
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread.start()

    def turn(self, mood: Mood) -> None:
        """Be in another mood from the next request on."""
        self.mood = mood
        if mood is Mood.REFUSING:
            self._refuse_now()

    def close(self) -> None:
        """End, with all its connections."""
        self._refuse_now()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self.loop.close()

    def _serve(self) -> None:
        self.loop.run_forever()

    def _refuse_now(self) -> None:
        """Nobody is answered any more when this returns."""
        done = threading.Event()

        def carry_out() -> None:
            self._refuse()
            done.set()

        self.loop.call_soon_threadsafe(carry_out)
        done.wait(PATIENCE_SECONDS)

    def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
        for conversation in list(self.conversations):
            conversation.abort()


class _Conversation(asyncio.Protocol):
    """One connection from the gateway; its requests have no bodies."""

    def __init__(self, server: Fickle) -> None:
        self._server = server
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.conversations.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.conversations.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            _, _, self._received = self._received.partition(b"\r\n\r\n")
            self._answer()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _answer(self) -> None:
        server, mood = self._server, self._server.mood
        server.asked_at.append(time.monotonic())
        if mood is not Mood.SILENT:
            seconds = server.seconds * (SLOWER if mood is Mood.SLOW else 1)
            server.loop.call_later(seconds, self._send, mood)

    def _send(self, mood: Mood) -> None:
        assert self._transport is not None
        self._transport.write(ANSWERS.get(mood, WELL_ANSWER))
        if mood in {Mood.GARBLED, Mood.CUTTING}:
            self._transport.close()


@contextlib.contextmanager
def fickle(seconds: float = 0.004) -> Iterator[Fickle]:
    """One that runs."""
    server = Fickle(seconds)
    server.open()
    try:
        yield server
    finally:
        server.close()
