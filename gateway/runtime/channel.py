"""One end of a link as an asyncio protocol: frames in and out, typed on both sides.

`Channel` turns bytes into messages and messages into bytes, and ends the connection on anything that it can't read. It
never waits: what does not fit into the outgoing buffer is for the caller to hold back (`is_clogged`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import msgspec
import structlog

from gateway.errors import LinkError
from gateway.runtime.link import Frames, Message, pack

if TYPE_CHECKING:
    from collections.abc import Callable

CLOGGED_BYTES = 256 * 1024
"""With so much unsent the other end is not reading: thousands of status messages, or a table under way."""

log = structlog.get_logger()

Incoming = TypeVar("Incoming", bound=Message)


class Channel(asyncio.Protocol, Generic[Incoming]):
    """A connection that carries messages.

    ``incoming`` decodes what arrives; ``received`` gets each message, ``opened`` and ``lost`` the two ends of its life,
    and ``cleared`` word that a clogged channel flows again.
    """

    def __init__(
        self,
        incoming: msgspec.msgpack.Decoder[Incoming],
        received: Callable[[Channel[Incoming], Incoming], None],
        lost: Callable[[Channel[Incoming]], None],
        opened: Callable[[Channel[Incoming]], None] | None = None,
        cleared: Callable[[Channel[Incoming]], None] | None = None,
    ) -> None:
        self.is_clogged = False
        self.transport: asyncio.Transport | None = None
        self._incoming = incoming
        self._received = received
        self._lost = lost
        self._opened = opened
        self._cleared = cleared
        self._frames = Frames()

    def send(self, frame: bytes) -> None:
        """Write a packed message; nothing happens when the connection is gone."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(frame)

    def tell(self, message: Message) -> None:
        """Pack ``message`` and write it."""
        self.send(pack(message))

    def drop(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        self.transport.set_write_buffer_limits(high=CLOGGED_BYTES)
        if self._opened is not None:
            self._opened(self)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        try:
            for payload in self._frames.feed(data):
                self._received(self, self._incoming.decode(payload))
        except (LinkError, msgspec.DecodeError) as error:
            log.warning("link_broken", reason=str(error))
            self.drop()

    def pause_writing(self) -> None:
        """Called by the loop."""
        self.is_clogged = True

    def resume_writing(self) -> None:
        """Called by the loop."""
        self.is_clogged = False
        if self._cleared is not None:
            self._cleared(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        if self._frames.is_torn:
            log.warning("link_torn", reason=str(exc or "the other end stopped inside a message"))
        self.transport = None
        self._lost(self)
