"""A backend that answers each path with bytes of its own, right or wrong, and remembers what it was asked.

Beside the paths of `SCRIPTS`: ``/say`` answers the bytes that are its request's body, and ``/say-last`` then closes;
``/held`` answers when `Scripted.let_go` is set; ``/tunnel`` changes the protocol to one that says everything back, and
``bye`` when the other side has ended; ``/early`` does not wait for a body. Any other path answers what was asked.
"""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CLOSE = "close"
PATIENCE_SECONDS = 30

# What is sent for a path, part by part; CLOSE ends the connection.
SCRIPTS: dict[str, list[bytes | str]] = {
    "/chunked": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
        b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 7\r\n\r\n",
    ],
    "/until-close": [b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil close", CLOSE],
    "/204": [b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"],
    "/304": [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\nETag: a\r\n\r\n"],
    "/103": [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    "/garbage": [b"garbage\r\n\r\n"],
    "/both": [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    "/early": [b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"],
    "/fails": [b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"],
    "/fails-cut": [b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noo", CLOSE],
    "/nothing": [CLOSE],
    "/silence": [],
    "/cut": [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", CLOSE],
    "/stall": [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"],
    "/cut-chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", CLOSE],
    "/hop-by-hop": [
        b"HTTP/1.1 200 OK\r\nX-a: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-A: 2\r\n",
        b"X-Request-ID: theirs\r\nContent-Length: 0\r\n\r\n",
    ],
}


class Scripted(socketserver.ThreadingTCPServer):
    """See the module. ``asked`` are the whole requests, as bytes, in order; ``connections`` counts those made."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128  # who is late to accept is not one who refuses

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.asked: list[bytes] = []
        self.connections = 0
        self.let_go = threading.Event()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Every connection is counted before it is served."""
        self.connections += 1
        return super().verify_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: that the gateway leaves in mid-request is what some tests are about."""

    @property
    def url(self) -> str:
        """Of the backend."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Conversation(socketserver.StreamRequestHandler):
    """One connection from the gateway."""

    server: Scripted

    def handle(self) -> None:
        """Read requests and follow the script, until one side ends."""
        served = 0
        while head := read_head(self.rfile):
            method, target, _ = head.split(b" ", 2)
            path = target.split(b"?")[0].decode()
            body = b"" if path == "/early" else read_body(self.rfile, head.lower(), self.wfile)
            self.server.asked.append(head + body)
            served += 1
            if path == "/closes-later" and served > 1:
                return
            for part in self.answer(path, method, head, body):
                if isinstance(part, str):
                    return
                self.wfile.write(part)

    def answer(self, path: str, method: bytes, head: bytes, body: bytes) -> Iterable[bytes | str]:
        """What is sent, part by part."""
        if path.startswith("/say"):
            return [body, CLOSE] if path == "/say-last" else [body]
        if path == "/tunnel":
            return self.talk()
        if path == "/held":
            self.server.let_go.wait(PATIENCE_SECONDS)
        return SCRIPTS.get(path, [echo(head + body, method)])

    def talk(self) -> Iterator[bytes | str]:
        """Change the protocol, and say everything back, until the other side ends."""
        yield b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: parrot\r\n\r\nhi"
        while received := self.connection.recv(65536):
            yield received
        yield b"bye"
        yield CLOSE


def read_head(stream: BinaryIO) -> bytes:
    """Up to the empty line; nothing at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return b""
        head += line
    return head


def read_body(stream: BinaryIO, lowered: bytes, answer: BinaryIO) -> bytes:
    """The body's bytes as they are framed; whoever asks first is told to go on."""
    if b"\r\nexpect: 100-continue" in lowered:
        answer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" in lowered:
        body = b""
        while True:
            line = stream.readline()
            size = int(line, 16)
            body += line + (stream.read(size + 2) if size else read_trailers(stream))
            if not size:
                return body
    if b"\r\ncontent-length: " in lowered:
        return stream.read(int(lowered.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0]))
    return b""


def read_trailers(stream: BinaryIO) -> bytes:
    """The lines behind the last chunk, the empty one included."""
    trailers = b""
    while not (trailers == b"\r\n" or trailers.endswith(b"\r\n\r\n")):
        trailers += stream.readline()
    return trailers


def echo(request: bytes, method: bytes) -> bytes:
    """An answer whose body is the request."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request) + (b"" if method == b"HEAD" else request)


@contextmanager
def scripted() -> Iterator[Scripted]:
    """A running one."""
    with Scripted() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()
