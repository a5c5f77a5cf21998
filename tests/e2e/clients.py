"""The clients that people use, each asking a list of things and saying what it heard.

curl uses a connection per request, the others keep theirs.
"""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import requests

PATIENCE_SECONDS = 60
PIECE_BYTES = 10_000

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Asking:
    """One request."""

    method: str
    path: str
    headers: Headers = ()
    body: bytes | None = None
    is_chunked: bool = False

    def __str__(self) -> str:
        size = "" if self.body is None else f" with {len(self.body)} bytes{' in chunks' if self.is_chunked else ''}"
        return f"{self.method} {self.path}{size}"


@dataclass(frozen=True)
class Answer:
    """What a client heard: the body as the client gives it, decompressed by those who do that."""

    status: int
    headers: Headers
    body: bytes


def ask_with_curl(url: str, askings: Iterable[Asking]) -> list[Answer]:
    """The command."""
    return [run_curl(url, asking)[-1] for asking in askings]


def run_curl(url: str, asking: Asking, *options: str) -> list[Answer]:
    """All heads that curl saw, in order; interim answers have no body."""
    command = ["curl", "--silent", "--show-error", "--include", "--noproxy", "*", *_curl_options(asking), *options]
    done = subprocess.run(
        [*command, url + asking.path], input=asking.body, capture_output=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, f"{asking}: {done.stderr.decode()}"
    return _read_answers(done.stdout)


def _curl_options(asking: Asking) -> list[str]:
    options = ["--head"] if asking.method == "HEAD" else ["--request", asking.method]
    if asking.body is not None:
        options += ["--upload-file", "-"] if asking.is_chunked else ["--data-binary", "@-"]
    return [
        *options,
        *itertools.chain.from_iterable(("--header", f"{name}: {value}") for name, value in asking.headers),
    ]


def _read_answers(output: bytes) -> list[Answer]:
    head, _, rest = output.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    status = int(line.split(" ")[1])
    headers = tuple((name, value.strip()) for name, _, value in (field.partition(":") for field in fields))
    if status < httpx.codes.OK:
        return [Answer(status, headers, b""), *_read_answers(rest)]
    return [Answer(status, headers, rest)]


def ask_with_httpx(url: str, askings: Iterable[Asking]) -> list[Answer]:
    """Its synchronous client."""
    with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_SECONDS) as client:
        return [_ask_httpx(client, asking) for asking in askings]


def _ask_httpx(client: httpx.Client, asking: Asking) -> Answer:
    response = client.request(asking.method, asking.path, headers=asking.headers, content=_content(asking))
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
    return Answer(response.status_code, headers, response.content)


def ask_with_requests(url: str, askings: Iterable[Asking]) -> list[Answer]:
    """A session."""
    with requests.Session() as session:
        session.trust_env = False
        return [_ask_requests(session, url, asking) for asking in askings]


def _ask_requests(session: requests.Session, url: str, asking: Asking) -> Answer:
    response = session.request(
        asking.method, url + asking.path, headers=dict(asking.headers), data=_content(asking), timeout=PATIENCE_SECONDS
    )
    return Answer(response.status_code, tuple(response.raw.headers.items()), response.content)


def _content(asking: Asking) -> bytes | Iterator[bytes] | None:
    """In pieces where chunks are wanted: neither library knows the length of an iterator."""
    body = asking.body
    if body is None or not asking.is_chunked:
        return body
    return (body[start : start + PIECE_BYTES] for start in range(0, len(body), PIECE_BYTES))


def ask_with_node(url: str, askings: Iterable[Asking]) -> list[Answer]:
    """Its ``fetch``."""
    wanted = [
        [asking.method, url + asking.path, dict(asking.headers), _encode(asking.body), asking.is_chunked]
        for asking in askings
    ]
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("fetch.mjs"))],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [
        Answer(status, tuple((name, value) for name, value in headers), base64.b64decode(body))
        for status, headers, body in json.loads(done.stdout)
    ]


def _encode(body: bytes | None) -> str | None:
    return None if body is None else base64.b64encode(body).decode()
