"""A candidate that does what it should not: ``python -m bench.unruly PORT``. What that is, the path says.

It speaks as much HTTP as the gateway's own requests need: no bodies, one request at a time.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
from typing import Any, cast

import uvloop

from bench.cases import GIB, MIB
from bench.upstream import ANSWER

SLOW_SECONDS = 0.1
"""More than 100 times what the upstream takes."""

HEAD_END = b"\r\n\r\n"
BACKLOG = 1024
CHUNK = bytes(256 * 1024)


def say(body: bytes, *lines: str) -> bytes:
    """An answer with a length."""
    fields = "".join(f"{line}\r\n" for line in ("Content-Type: application/json", *lines))
    return f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


RIGHT = say(ANSWER.encode())
BOMB = say(gzip.compress(bytes(128 * MIB), 9), "Content-Encoding: gzip")
"""128 KiB, which may be copied, and which unfold to a thousand times as much."""
ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % GIB


class Unruly(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._head = b""
        self._left_bytes = 0
        self._is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A request."""
        self._head += data
        if HEAD_END not in self._head:
            return
        path, self._head = self._head.split(b" ", 2)[1], b""
        match path.decode("latin-1").split("/")[1]:
            case "hangs":
                pass
            case "slow":
                asyncio.get_running_loop().call_later(SLOW_SECONDS, self._write, RIGHT)
            case "endless":
                self._write(ENDLESS)
                self._left_bytes = GIB
                self._go_on()
            case "garbage":
                self._write(os.urandom(1024) + HEAD_END)
            case "bomb":
                self._write(BOMB)
            case _:
                self._write(RIGHT)

    def pause_writing(self) -> None:
        """Nobody reads."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Somebody does."""
        self._is_paused = False
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it is over, whatever the reason
        """Nobody is there any longer."""
        self._left_bytes = 0

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def _go_on(self) -> None:
        while self._left_bytes > 0 and not self._is_paused and not self._transport.is_closing():
            self._left_bytes -= len(CHUNK)
            self._transport.write(CHUNK)


async def serve(port: int) -> None:
    """Until it is ended."""
    server = await asyncio.get_running_loop().create_server(Unruly, "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


def main() -> None:
    """The command."""
    uvloop.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
