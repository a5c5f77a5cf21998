"""A backend that answers as each request's query says: ``?code=503&delay=37.5`` is a 503 after 37.5 ms.

``python -m tests.e2e.obedient PORT...`` listens on all of these ports; each answer says in ``X-Port`` on which one.
It answers requests without a body, and costs as little as Python can, so that it does not stand in a load's way.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from typing import TYPE_CHECKING, cast

import uvloop

from tests.e2e import servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WISHES = re.compile(rb"[?&](code|delay)=([0-9.]+)")
ANSWER = b"HTTP/1.1 %b As Told\r\nX-Port: %d\r\nContent-Length: 2\r\n\r\nok"


class Conversation(asyncio.Protocol):
    """One kept-alive connection from the gateway."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, received: bytes) -> None:
        self._received += received
        if not self._received.endswith(b"\r\n\r\n"):
            return
        line, _, _ = self._received.partition(b"\r\n")
        self._received = b""
        wishes = dict(WISHES.findall(line))
        answer = ANSWER % (wishes.get(b"code", b"200"), self._port)
        delay_ms = float(wishes.get(b"delay", 0))
        if delay_ms:
            asyncio.get_running_loop().call_later(delay_ms / 1000, self._answer, answer)
        else:
            self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def serve(ports: list[int]) -> None:
    """Answer until the process is ended."""
    loop = asyncio.get_running_loop()
    for port in ports:
        await loop.create_server(lambda port=port: Conversation(port), "127.0.0.1", port, backlog=1024)
    await loop.create_future()


@contextlib.contextmanager
def obedient(folder: Path) -> Iterator[tuple[int, int]]:
    """One that runs; the ports that it has."""
    ports = servers.free_port(), servers.free_port()
    folder.mkdir(exist_ok=True)
    with servers.running([sys.executable, "-m", "tests.e2e.obedient", *map(str, ports)], folder) as process:
        for port in ports:
            servers.wait_until_it_listens(port, process)
        yield ports


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
