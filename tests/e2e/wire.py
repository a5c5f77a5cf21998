"""A client that writes bytes and reads answers to the letter, and the gateway's configuration for such clients."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.fuzz.strict import Incomplete, Message, read_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.gateway import Gateway
    from tests.e2e.scripted import Scripted

HOST = b"Host: shop.example\r\n"
PATIENCE_SECONDS = 45

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, {server}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{shop: {{endpoints: {url}, {backend}}}}}
routes: [{{name: shop, match: /**, backend: shop}}]
"""


def configure(shop: Scripted, server: str, backend: str = "") -> str:
    """Everything to one backend, through one worker; ``server`` and ``backend`` are fields of theirs."""
    return CONFIGURATION.format(url=shop.url, server=server, backend=backend)


class Client:
    """One connection. Answers are read by their framing, so that what is left over is seen."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._received = b""

    def send(self, *parts: bytes) -> None:
        """One write for each part."""
        for part in parts:
            self.socket.sendall(part)

    def end(self) -> None:
        """Say that nothing will follow, and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def read(self, method: bytes = b"GET") -> Message:
        """The next answer, to a request with ``method``; an interim one counts."""
        is_over = False
        while True:
            try:
                message = read_response(self._received, 0, method, is_over=is_over)
            except Incomplete:
                assert not is_over, self._received
                received = self.socket.recv(65536)
                is_over = not received
                self._received += received
            else:
                self._received = self._received[message.end :]
                return message

    def ask(self, request: bytes) -> Message:
        """Send a request and read its answer."""
        self.send(request)
        return self.read(request.partition(b" ")[0])

    def read_rest(self) -> bytes:
        """All that is left until the gateway ends the connection."""
        while received := self.socket.recv(65536):
            self._received += received
        rest, self._received = self._received, b""
        return rest


@contextmanager
def connected(gateway: Gateway) -> Iterator[Client]:
    """A connection to the first listener."""
    with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Client(connection)


def ask(gateway: Gateway, request: bytes) -> Message:
    """A request on a connection of its own."""
    with connected(gateway) as client:
        return client.ask(request)


def get(path: str, *lines: str) -> bytes:
    """A request without a body."""
    fields = "".join(f"{line}\r\n" for line in lines)
    return f"GET {path} HTTP/1.1\r\n{HOST.decode()}{fields}\r\n".encode()


def post(path: str, body: bytes, *lines: str) -> bytes:
    """A request with a body that says its length."""
    return get(path, f"Content-Length: {len(body)}", *lines).replace(b"GET", b"POST", 1) + body
