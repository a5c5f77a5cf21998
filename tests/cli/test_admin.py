"""A call of the admin API either succeeds or says in one line what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gateway.cli.admin import ADMIN_HEADER, OPERATOR_HEADER, Admin, read, show
from gateway.errors import CommandError

Seen = list[tuple[str, str, dict[str, str], bytes]]


@contextmanager
def answering(status: int, kind: str, body: bytes, *, is_ours: bool = True) -> Iterator[tuple[str, Seen]]:
    """A server with one answer for all; what it was asked. ``is_ours``: it says that it is an admin API."""
    seen: Seen = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            seen.append((self.command, self.path, dict(self.headers), asked))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if is_ours:
                self.send_header(ADMIN_HEADER, "v1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


def test_a_call_says_who_asks_and_with_which_token() -> None:
    """So the audit log knows whose act it was."""
    with answering(200, "application/json", b'{"a": 1}') as (url, seen):
        answer = Admin(f"{url}/", "secret").send("PUT", "/api/v1/x", {"percent": 5})

    ((method, path, headers, body),) = seen
    assert answer == b'{"a": 1}'
    assert (method, path, body) == ("PUT", "/api/v1/x", b'{"percent":5}')
    assert headers["Authorization"] == "Bearer secret"
    assert headers[OPERATOR_HEADER]
    assert headers["Content-Type"] == "application/json"


def test_a_query_is_encoded() -> None:
    """A route's name may hold anything."""
    with answering(200, "application/json", b"{}") as (url, seen):
        Admin(url).get("/api/v1/paths", {"route": "a b&c"})

    assert seen[0][1] in {"/api/v1/paths?route=a+b%26c", "/api/v1/paths?route=a%20b%26c"}


@pytest.mark.parametrize(
    ("token", "status", "kind", "body", "words"),
    [
        (
            "",
            401,
            "application/problem+json",
            b"{}",
            "the token is missing; give it with --token or CROSSFADE_ADMIN_TOKEN",
        ),
        ("x", 401, "application/problem+json", b"{}", "the token is wrong; give it with"),
        ("", 404, "application/problem+json", b'{"detail": "there is no rollout `a`"}', "there is no rollout `a`"),
        ("", 422, "application/problem+json", b'{"detail": "too much", "field": "percent"}', "percent: too much"),
        ("", 404, "application/problem+json", b'{"detail": "no route `a`", "field": "route"}', "no route `a`"),
        ("", 500, "application/problem+json", b"not json", "the gateway answers 500"),
        ("", 409, "application/problem+json", b'{"detail": "\\u001b[31m"}', r"\x1b[31m"),
        ("", 200, "text/html", b"<html>", "is not Crossfade's admin API; choose another with --admin URL"),
        ("", 404, "text/html", b"<html>", "is not Crossfade's admin API"),
        ("", 302, "text/html", b"", "is not Crossfade's admin API"),
    ],
)
def test_what_is_refused_is_one_line(token: str, status: int, kind: str, body: bytes, words: str) -> None:
    """That says what to do, and that a terminal does not obey."""
    with answering(status, kind, body) as (url, _), pytest.raises(CommandError) as caught:
        Admin(url, token).get("/api/v1/status")

    assert words in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (404, "application/problem+json", b'{"title": "Not Found", "detail": "no route matches this request"}'),
        (401, "application/problem+json", b'{"title": "Unauthorized"}'),
        (200, "application/json", b"{}"),
    ],
)
def test_whoever_is_not_the_admin_api_is_not_believed(status: int, kind: str, body: bytes) -> None:
    """The port that users' requests come in by answers with problems, too; they say nothing of rollouts or tokens."""
    with answering(status, kind, body, is_ours=False) as (url, _), pytest.raises(CommandError) as caught:
        Admin(url).get("/api/v1/status")

    assert str(caught.value) == f"what answers at {url} is not Crossfade's admin API; choose another with --admin URL"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "no gateway answers at http://127.0.0.1:1 (Connection refused); choose another"),
        ("nonsense", "--admin nonsense is not a URL of http or https; write http://127.0.0.1:9900"),
        ("localhost:9900", "--admin localhost:9900 is not a URL of http or https; write http://localhost:9900"),
        ("127.0.0.1:38190", "write http://127.0.0.1:38190"),
        ("[::1]:9900", "write http://[::1]:9900"),
    ],
)
def test_nobody_there_is_one_line(url: str, words: str) -> None:
    """With the address that was tried."""
    with pytest.raises(CommandError) as caught:
        Admin(url).get("/api/v1/status")

    assert words in str(caught.value)


@pytest.mark.parametrize(("token", "reason"), [("a\nb", ""), ("", "\udcff")])
def test_what_cannot_be_sent_is_one_line(token: str, reason: str) -> None:
    """It is refused here, and nothing is asked."""
    with pytest.raises(CommandError) as caught:
        Admin("http://127.0.0.1:1", token).send("PUT", "/api/v1/x", {"reason": reason})

    assert "no gateway answers" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_an_answer_of_another_version_is_a_failure_in_one_line() -> None:
    """Not a traceback."""
    with pytest.raises(CommandError, match="does not understand"):
        read(b'{"a": "b"}', dict[str, int])


@pytest.mark.parametrize(("text", "shown"), [("plain ü", "plain ü"), ("a\x1b[2Jb\n", r"a\x1b[2Jb\n"), (5, "5")])
def test_text_from_elsewhere_is_shown_and_not_obeyed(text: object, shown: str) -> None:
    """Whoever names a route must not clear an operator's screen."""
    assert show(text) == shown


def test_lines_are_taken_as_they_come() -> None:
    """Of something that tells how it goes; each is whole."""
    lines: list[bytes] = []
    with answering(200, "application/x-ndjson", b'{"a":1}\n{"b":2}\n') as (url, seen):
        Admin(url, "secret").pour("/api/v1/x", {"rate": 5}, lines.append)

    ((method, path, headers, body),) = seen
    assert lines == [b'{"a":1}', b'{"b":2}']
    assert (method, path, body) == ("POST", "/api/v1/x", b'{"rate":5}')
    assert headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("status", "kind", "is_ours", "said"),
    [
        (409, "application/problem+json", True, "it is under way"),
        (200, "text/html", True, "is not Crossfade's admin API"),
        (200, "application/x-ndjson", False, "is not Crossfade's admin API"),
    ],
)
def test_what_is_no_stream_of_lines_is_explained(status: int, kind: str, is_ours: bool, said: str) -> None:
    """As with any other call."""
    body = b'{"detail": "it is under way"}'
    with answering(status, kind, body, is_ours=is_ours) as (url, _), pytest.raises(CommandError, match=said):
        Admin(url).pour("/api/v1/x", {}, lambda _line: None)
