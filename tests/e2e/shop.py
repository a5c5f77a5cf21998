"""A backend that answers as a test says, in Python, and keeps every byte that it was asked, in order.

It runs on a loop and a thread of its own, in the test's process: so it outlives every gateway that is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cached_property
from typing import Any

PATIENCE_SECONDS = 30
_BACKLOG = 512


class Asked:
    """One request, as it came."""

    def __init__(self, head: bytes, framed: bytes) -> None:
        self.head = head
        self.framed = framed
        """The body as it is framed, trailers included."""
        line, *self.lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        self.method, self.target, self.version = line.split(b" ")
        self.fields = [(name, value.strip(b" \t")) for name, _, value in (each.partition(b":") for each in self.lines)]

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, by its lower-case name."""
        return [value for each, value in self.fields if each.lower() == name]

    def text(self, name: str) -> str:
        """The value of a field that must be there once."""
        (value,) = self.all(name.lower().encode())
        return value.decode("latin-1")

    @cached_property
    def path(self) -> str:
        return self.target.partition(b"?")[0].decode("latin-1")

    @cached_property
    def content(self) -> bytes:
        """The body without its framing."""
        return self._unframed[0]

    @cached_property
    def trailers(self) -> bytes:
        """The lines behind the last chunk."""
        return self._unframed[1]

    @cached_property
    def _unframed(self) -> tuple[bytes, bytes]:
        if not self.all(b"transfer-encoding"):
            return self.framed, b""
        content, rest = b"", self.framed
        while size := int(rest.partition(b"\r\n")[0].partition(b";")[0], 16):
            _, _, rest = rest.partition(b"\r\n")
            content, rest = content + rest[:size], rest[size + 2 :]
        return content, rest.partition(b"\r\n")[2].removesuffix(b"\r\n")


Said = bytes | AsyncIterator[bytes]
"""An answer, whole or part by part; a part that is empty ends the connection."""


class Shop:
    """See the module. ``answer`` may be exchanged at any time; ``asked`` holds all requests, in order."""

    def __init__(self, answer: Callable[[Asked], Said]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """As a configuration names it."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Begin to answer."""
        listening = asyncio.start_server(self._converse, "127.0.0.1", 0, backlog=_BACKLOG)
        self._server = self._loop.run_until_complete(listening)
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, with all conversations."""
        self._server.close()
        asyncio.run_coroutine_threadsafe(self._end_all(), self._loop).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    async def _end_all(self) -> None:
        for each in self._conversations:
            each.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._serve(reader, writer):
                    pass
        finally:
            self._conversations.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether there may be another."""
        head = await reader.readuntil(b"\r\n\r\n")
        asked = Asked(head, await _read_body(reader, head))
        self.asked.append(asked)
        said = self.answer(asked)
        if isinstance(said, bytes):
            writer.write(said)
            return True
        async for part in said:
            if not part:
                return False
            writer.write(part)
            await writer.drain()
        return True


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    fields = Asked(head, b"")
    length = fields.all(b"content-length")
    if length:
        return await reader.readexactly(int(length[0]))
    body = b""
    is_chunked = bool(fields.all(b"transfer-encoding"))
    while is_chunked:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        body += line
        if size:
            body += await reader.readexactly(size + 2)
            continue
        while not body.endswith(b"\r\n\r\n"):
            body += await reader.readuntil(b"\r\n")
        break
    return body


def say(body: bytes, *lines: str, status: int = 200, is_head: bool = False) -> bytes:
    """An answer with a length."""
    fields = "".join(f"{line}\r\n" for line in lines)
    head = f"HTTP/1.1 {status} As Told\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode()
    return head if is_head else head + body


def say_json(value: Any, *lines: str, status: int = 200) -> bytes:
    """An answer with JSON in it."""
    return say(json.dumps(value).encode(), "Content-Type: application/json", *lines, status=status)


@contextlib.contextmanager
def shop(answer: Callable[[Asked], Said]) -> Iterator[Shop]:
    """One that answers."""
    server = Shop(answer)
    server.open()
    try:
        yield server
    finally:
        server.close()
