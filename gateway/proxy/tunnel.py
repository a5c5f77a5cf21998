"""Bytes both ways, after a backend has answered 101 Switching Protocols (RFC 9110, section 7.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.proxy.wheel import Timed, TimerWheel

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from gateway.proxy.backend import BackendConnection
    from gateway.proxy.client import ClientConnection


_ENDS = 2

# How long both sides may take to take what was written before the end.
_CLOSING_SECONDS = 60.0


class Tunnel(Timed):
    """Two transports joined. Each end's half-close is passed on; the tunnel is over when both ends have closed.

    ``on_over`` is called once, when it is over.
    """

    __slots__ = ("_backend", "_client", "_ended", "_on_over", "_silence_seconds", "bytes_down", "bytes_up")

    def __init__(
        self,
        wheel: TimerWheel,
        client: asyncio.Transport,
        backend: asyncio.Transport,
        silence_seconds: float,
        on_over: Callable[[], None],
    ) -> None:
        super().__init__(wheel)
        self._client = client
        self._backend = backend
        self._silence_seconds = silence_seconds
        self._on_over: Callable[[], None] | None = on_over
        self._ended = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self.arm(silence_seconds)

    def from_client(self, received: bytes) -> None:
        """Pass on what the client sent."""
        self.bytes_up += len(received)
        self._pass_on(self._backend, received)

    def from_backend(self, received: bytes) -> None:
        """Pass on what the backend sent."""
        self.bytes_down += len(received)
        self._pass_on(self._client, received)

    def _pass_on(self, transport: asyncio.Transport, received: bytes) -> None:
        self.arm(self._silence_seconds)
        if not transport.is_closing():
            transport.write(received)

    def end_of_client(self) -> None:
        """The client will send no more."""
        self._half_close(self._backend)

    def end_of_backend(self) -> None:
        """The backend will send no more."""
        self._half_close(self._client)

    def _half_close(self, transport: asyncio.Transport) -> None:
        self._ended += 1
        if self._ended == _ENDS or transport.is_closing() or not transport.can_write_eof():
            self.close()
        else:
            transport.write_eof()

    def pause_client(self) -> None:
        """The backend is slow to take what the client sends."""
        _pause(self._client)

    def resume_client(self) -> None:
        """The backend takes more."""
        _resume(self._client)

    def pause_backend(self) -> None:
        """The client is slow to take what the backend sends."""
        _pause(self._backend)

    def resume_backend(self) -> None:
        """The client takes more."""
        _resume(self._backend)

    def on_deadline(self) -> None:
        """Nobody has said anything for too long, or someone does not take what was said last."""
        if self._on_over is not None:
            self.close()
        else:
            self._client.abort()
            self._backend.abort()

    def close(self) -> None:
        """End both sides; what was written still goes out, if it is taken."""
        if self._on_over is not None:
            self.arm(_CLOSING_SECONDS)
            self._client.close()
            self._backend.close()
            on_over, self._on_over = self._on_over, None
            on_over()


def connect(
    client: ClientConnection,
    connection: BackendConnection,
    silence_seconds: float,
    on_over: Callable[[], None],
    rest: bytes,
) -> None:
    """Join both connections by a tunnel; ``rest`` is what the backend has sent behind its 101."""
    tunnel = Tunnel(client.wheel, client.transport, connection.transport, silence_seconds, on_over)
    connection.exchange = None
    connection.tunnel = tunnel
    connection.disarm()
    client.open_tunnel(tunnel)
    if rest:
        tunnel.from_backend(rest)


def _pause(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.pause_reading()


def _resume(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.resume_reading()
