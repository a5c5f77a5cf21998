"""A baseline that is sent writes over a real socket: it keeps every byte, and answers what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.core.types import Backend, Endpoint
from tests.proxy.wiring import backend, endpoint

Answers = Callable[["Write"], bytes]


@dataclass(frozen=True)
class Write:
    """What came in."""

    head: bytes
    body: bytes

    @property
    def name(self) -> str:
        """Its request ID."""
        return self.field("X-Request-ID")

    def field(self, name: str) -> str:
        """The value of a field that is there once."""
        (line,) = (each for each in self.lines[1:] if each.lower().startswith(f"{name.lower()}:"))
        return line.partition(":")[2].strip()

    @property
    def lines(self) -> list[str]:
        return self.head.decode("latin-1").split("\r\n")[:-2]


def answer(status: int, body: bytes = b"") -> bytes:
    """A response with a length."""
    return b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@dataclass
class Baseline:
    """Answers 201 to every write, unless told otherwise; an empty answer closes the connection."""

    port: int = 0
    says: Answers = field(default=lambda _write: answer(201))
    writes: list[Write] = field(default_factory=list)
    gathers: int = 1
    """So many writes must be under way at once before the first is answered."""
    under_way: int = 0
    most_under_way: int = 0
    gathered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def names(self) -> list[str]:
        """The request IDs of what came in, in order."""
        return [write.name for write in self.writes]

    def backend(self, *before: Endpoint) -> Backend:
        """As the table has it; ``before`` are other endpoints."""
        return backend(endpoints=(*before, endpoint(self.port)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(length[0].partition(b":")[2])) if length else b""
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        if self.under_way >= self.gathers:
            self.gathered.set()
        await self.gathered.wait()
        self.writes.append(Write(head, body))
        writer.write(self.says(self.writes[-1]))
        self.under_way -= 1
        writer.close()


@asynccontextmanager
async def baseline() -> AsyncIterator[Baseline]:
    """One that listens."""
    made = Baseline()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
