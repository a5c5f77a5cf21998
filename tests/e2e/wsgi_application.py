"""The application that `tests.e2e.servers.gunicorn` runs."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from tests.e2e.servers import content

NAME = os.environ.get("SERVER_NAME_SHOWN", "gunicorn")
CHUNK_BYTES = 10_000

Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, Iterable[bytes]]


def respond(environ: dict[str, Any], start_response: Callable[[str, Headers], object]) -> Iterable[bytes]:
    """The WSGI application."""
    name, _, argument = environ["PATH_INFO"].removeprefix("/").partition("/")
    status, headers, body = ANSWERS.get(name, echo)(environ, argument)
    start_response(f"{status} {HTTPStatus(status).phrase}", [("X-Server", NAME), *headers])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else body  # gunicorn would send it


def echo(environ: dict[str, Any], _argument: str) -> Answer:
    """What arrived: the target as it came, the headers as WSGI names them, the body by its hash."""
    digest, length = hashlib.sha256(), 0
    while chunk := environ["wsgi.input"].read(65_536):
        digest.update(chunk)
        length += len(chunk)
    document = {
        "method": environ["REQUEST_METHOD"],
        "target": environ["RAW_URI"],
        "headers": [
            [name.removeprefix("HTTP_").replace("_", "-").title(), value]
            for name, value in environ.items()
            if name.startswith("HTTP_")
        ],
        "body_sha256": digest.hexdigest(),
        "body_length": length,
    }
    return _whole(200, json.dumps(document).encode(), "application/json")


def answer_status(_environ: dict[str, Any], code: str) -> Answer:
    """Any status, with itself as the body."""
    return _whole(int(code), code.encode(), "text/plain")


def answer_bytes(_environ: dict[str, Any], size: str) -> Answer:
    """A body with Content-Length."""
    return _whole(200, content(int(size)), "application/octet-stream")


def answer_gzip(_environ: dict[str, Any], size: str) -> Answer:
    """The same, compressed, whether the client likes it or not."""
    status, headers, body = _whole(200, gzip.compress(content(int(size)), mtime=0), "application/octet-stream")
    return status, [*headers, ("Content-Encoding", "gzip")], body


def answer_chunked(_environ: dict[str, Any], size: str) -> Answer:
    """A body in chunks: gunicorn makes them when no length is given."""
    return 200, [("Content-Type", "application/octet-stream")], _pieces(content(int(size)))


def answer_slowly(_environ: dict[str, Any], seconds: str) -> Answer:
    """An answer that takes its time."""
    time.sleep(float(seconds))
    return _whole(200, b"at last", "text/plain")


def answer_nothing(_environ: dict[str, Any], _argument: str) -> Answer:
    """204."""
    return 204, [], []


def _whole(status: int, body: bytes, kind: str) -> Answer:
    return status, [("Content-Type", kind), ("Content-Length", str(len(body)))], [body]


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), CHUNK_BYTES):
        yield body[start : start + CHUNK_BYTES]


ANSWERS: dict[str, Callable[[dict[str, Any], str], Answer]] = {
    "status": answer_status,
    "bytes": answer_bytes,
    "gzip": answer_gzip,
    "chunked": answer_chunked,
    "slow": answer_slowly,
    "empty": answer_nothing,
}
