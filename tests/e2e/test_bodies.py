"""Bodies far larger than the gateway may hold: whoever is slow slows the other side down, and memory stays flat."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway

MEBIBYTE = 1 << 20
BODY_BYTES = 100 * MEBIBYTE
GROWTH_BYTES = 32 * MEBIBYTE
PATIENCE_SECONDS = 30
STILL_SECONDS = 0.3
"""A sender that got nowhere for so long is held up."""

PIECE = bytes(range(256)) * 256

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, timeouts: {{drain: 1s}}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{store: "http://127.0.0.1:{port}"}}
routes: [{{name: all, match: /**, backend: store}}]
"""


class Sender(threading.Thread):
    """Sends ``head`` and then a body, as fast as the other side lets it."""

    def __init__(self, connection: socket.socket, head: bytes, frame: Callable[[bytes], bytes], end: bytes) -> None:
        super().__init__()
        self.sent_bytes = 0
        self._connection = connection
        self._head = head
        self._frame = frame
        self._end = end

    def run(self) -> None:
        """Until all is sent, or nobody is there any more."""
        with contextlib.suppress(ConnectionError):
            self._connection.sendall(self._head)
            while self.sent_bytes < BODY_BYTES:
                self._connection.sendall(self._frame(PIECE))
                self.sent_bytes += len(PIECE)
            self._connection.sendall(self._end)


def wait_until_held_up(*senders: Sender) -> int:
    """Return when they get nowhere, since nobody reads: how many bytes they could send until then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen, since = 0, time.monotonic()
    while time.monotonic() - since < STILL_SECONDS:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        if (sent := sum(sender.sent_bytes for sender in senders)) != seen:
            seen, since = sent, time.monotonic()
    return seen


def send(connection: socket.socket, start_line: str, *, is_chunked: bool) -> Sender:
    """Begin to send a message with a body, by length or in chunks."""
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {BODY_BYTES}"
    head = f"{start_line}\r\nHost: store\r\n{framing}\r\n\r\n".encode()
    sender = Sender(connection, head, chunk if is_chunked else bytes, b"0\r\n\r\n" if is_chunked else b"")
    sender.start()
    return sender


def chunk(payload: bytes) -> bytes:
    """RFC 9112, section 7.1."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def read_head(connection: socket.socket) -> bytes:
    """Byte by byte, so that nothing behind it is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, head
        head += byte
    return head


def read_body(connection: socket.socket, head: bytes) -> str:
    """The hash of the body that follows."""
    digest = hashlib.sha256()
    with connection.makefile("rb") as file:
        if b"content-length" in head.lower():
            for _ in range(BODY_BYTES // MEBIBYTE):
                digest.update(file.read(MEBIBYTE))
            return digest.hexdigest()
        while size := int(file.readline(), 16):
            digest.update(file.read(size))
            file.readline()
    return digest.hexdigest()


def expected_hash() -> str:
    """Of what every sender sends."""
    digest = hashlib.sha256()
    for _ in range(BODY_BYTES // len(PIECE)):
        digest.update(PIECE)
    return digest.hexdigest()


def read_status(gateway: Gateway, name: str) -> int:
    """A figure of the worker's memory in bytes: ``VmRSS`` what it holds now, ``VmHWM`` the most that it ever held."""
    (worker,) = gateway.pids("w0")
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.fixture
def backend() -> Iterator[socket.socket]:
    """Listens, and leaves the rest to the test."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_SECONDS)
        yield listening


@pytest.fixture
def gateway(start_gateway: Start, backend: socket.socket) -> Gateway:
    """Before it, warmed up: what the first request makes it load does not count."""
    started = start_gateway(CONFIGURATION.format(port=backend.getsockname()[1]))
    with meet(started, backend) as (client, server):
        client.sendall(b"GET / HTTP/1.1\r\nHost: store\r\n\r\n")
        read_head(server())
    return started


@contextlib.contextmanager
def meet(gateway: Gateway, backend: socket.socket) -> Iterator[tuple[socket.socket, Callable[[], socket.socket]]]:
    """A client's end, and how to get the backend's end when the gateway has dialled it."""
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS))

        def accept() -> socket.socket:
            connection = stack.enter_context(backend.accept()[0])
            connection.settimeout(PATIENCE_SECONDS)
            return connection

        yield client, accept


@pytest.mark.parametrize("is_chunked", [False, True], ids=["by length", "in chunks"])
def test_a_large_download_waits_for_a_slow_client(gateway: Gateway, backend: socket.socket, is_chunked: bool) -> None:
    """The backend is held up while the client does not read; then all arrives, and memory has not grown with it."""
    before_bytes = read_status(gateway, "VmRSS")
    with meet(gateway, backend) as (client, accept):
        client.sendall(b"GET /film HTTP/1.1\r\nHost: store\r\n\r\n")
        server = accept()
        read_head(server)
        sender = send(server, "HTTP/1.1 200 OK", is_chunked=is_chunked)
        held_up_at = wait_until_held_up(sender)
        received = read_body(client, read_head(client))
        sender.join(PATIENCE_SECONDS)

    assert held_up_at < GROWTH_BYTES
    assert received == expected_hash()
    assert read_status(gateway, "VmHWM") - before_bytes < GROWTH_BYTES


@pytest.mark.parametrize("is_chunked", [False, True], ids=["by length", "in chunks"])
def test_a_large_upload_waits_for_a_slow_backend(gateway: Gateway, backend: socket.socket, is_chunked: bool) -> None:
    """The client is held up while the backend does not read; then all arrives, and memory has not grown with it."""
    before_bytes = read_status(gateway, "VmRSS")
    with meet(gateway, backend) as (client, accept):
        sender = send(client, "PUT /film HTTP/1.1", is_chunked=is_chunked)
        server = accept()
        head = read_head(server)
        held_up_at = wait_until_held_up(sender)
        received = read_body(server, head)
        sender.join(PATIENCE_SECONDS)
        server.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        answer = read_head(client)

    assert held_up_at < GROWTH_BYTES
    assert received == expected_hash()
    assert answer.startswith(b"HTTP/1.1 201 Created\r\n")
    assert read_status(gateway, "VmHWM") - before_bytes < GROWTH_BYTES


def test_many_slow_clients_hold_little_each(gateway: Gateway, backend: socket.socket) -> None:
    """Twenty downloads that nobody reads: what is held is bounded for each, whatever the size of its body."""
    before_bytes = read_status(gateway, "VmRSS")
    with contextlib.ExitStack() as stack:
        clients, senders = [], []
        for _ in range(20):
            client, accept = stack.enter_context(meet(gateway, backend))
            client.sendall(b"GET /film HTTP/1.1\r\nHost: store\r\n\r\n")
            server = accept()
            read_head(server)
            clients.append(client)
            senders.append(send(server, "HTTP/1.1 200 OK", is_chunked=False))
        wait_until_held_up(*senders)
        most_bytes = read_status(gateway, "VmHWM")
        for client in clients:
            client.close()
        for sender in senders:
            sender.join(PATIENCE_SECONDS)

    assert most_bytes - before_bytes < GROWTH_BYTES
