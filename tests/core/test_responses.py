"""A backend's head is judged as strictly as a client's."""

from __future__ import annotations

import pytest

from gateway.core.responses import judge_beginning, parse_response
from gateway.errors import MalformedMessage

OK = b"HTTP/1.1 200 OK\r\n"


def test_a_head_passes_without_what_is_hop_by_hop() -> None:
    """Order, case and repeats stay; what the gateway writes itself is left out."""
    response = parse_response(
        OK
        + b"X-A: 1\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nx-a: 2\r\nX-Request-ID: 9\r\nKeep-Alive: 5\r\n"
        + b"Proxy-Authenticate: Basic\r\nProxy-Connection: close\r\n\r\n"
    )

    assert response.passed_on == OK + b"X-A: 1\r\nx-a: 2\r\n"
    assert response.keep_alive


@pytest.mark.parametrize(
    "received", [b"SSH-2.0-a\r\n", b"HTTP/2", b"hTTP", b"HTTP/1.1 200 OK\nA: b\n\n", OK + b"A: b\rC", b"\0"]
)
def test_what_no_end_could_mend_is_refused_at_once(received: bytes) -> None:
    """Nobody waits for the end of a head that is none."""
    with pytest.raises(MalformedMessage):
        judge_beginning(received)


@pytest.mark.parametrize("end", range(len(OK) + 6))
def test_the_beginning_of_a_good_head_is_waited_for(end: int) -> None:
    """Wherever it was cut, between CR and LF, too."""
    judge_beginning((OK + b"A: b\r\n")[:end])


def test_http_1_0_is_passed_on_as_1_1_and_not_kept() -> None:
    """The gateway speaks for itself; an old server closes unless it says otherwise."""
    response = parse_response(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n")

    assert response.passed_on == OK + b"A: b\r\n"
    assert not response.keep_alive
    assert parse_response(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n").keep_alive


@pytest.mark.parametrize(
    "head",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/1.1 999 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        OK + b"A: b\nC: d\r\n\r\n",
        OK + b"A : b\r\n\r\n",
        OK + b"A: b\r\n c\r\n\r\n",
        OK + b"A: \0\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_a_head_that_is_not_to_the_letter_is_refused(head: bytes) -> None:
    """It becomes a 502, whatever a lenient reader would make of it."""
    with pytest.raises(MalformedMessage):
        parse_response(head)


@pytest.mark.parametrize(
    ("status", "method", "has_body"),
    [(200, b"GET", True), (200, b"HEAD", False), (204, b"GET", False), (304, b"GET", False), (103, b"GET", False)],
)
def test_status_and_method_say_whether_a_body_follows(status: int, method: bytes, has_body: bool) -> None:
    """RFC 9112, section 6.3."""
    response = parse_response(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status)

    assert response.has_body(method) is has_body
    assert response.whole_length == (5 if status == 200 else None)


def test_a_204_loses_the_length_that_it_must_not_have() -> None:
    """RFC 9110, section 8.6: strict clients would wait for a body."""
    assert (
        parse_response(b"HTTP/1.1 204 X\r\nContent-Length: 5\r\nA: b\r\n\r\n").passed_on
        == b"HTTP/1.1 204 X\r\nA: b\r\n"
    )


def test_a_switch_of_protocols_keeps_its_name() -> None:
    """101 names what is spoken from here on."""
    response = parse_response(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")

    assert (response.status, response.upgrade) == (101, b"WebSocket")
