"""Whoever signs tokens, and publishes the keys to verify them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Issuer:
    """Answers every question with its keys, as long as it has any."""

    def __init__(self, keys: bytes) -> None:
        self.keys = keys
        """Empty: it is out of order."""
        self.url = ""


@contextmanager
def issuer(keys: bytes) -> Iterator[Issuer]:
    """One that listens."""
    made = Issuer(keys)

    class Asked(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if made.keys else 503)
            self.send_header("Content-Length", str(len(made.keys)))
            self.end_headers()
            self.wfile.write(made.keys)

        def log_message(self, *_: object) -> None:
            """Nobody wants to know."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    made.url = f"http://127.0.0.1:{server.server_port}/keys"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
