"""What is ambiguous is refused, and a refusal leaves no trace on what comes after it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from gateway.core.heads import judge_beginning, parse_request
from gateway.errors import BadRequest, HeadTooLarge

HOST = b"Host: a\r\n"

REFUSED = {
    "both length and coding": b"POST / HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "differing lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length list": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1, 1\r\n\r\n",
    "a signed length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\n",
    "an endless length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "another coding": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "a coding like chunked": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a coding on 1.0": b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
    "bare CR": b"GET / HTTP/1.1\r\n" + HOST + b"A: b\rc\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\r\n" + HOST + b"A: b\nC: d\r\n\r\n",
    "bare LF behind the line": b"GET / HTTP/1.1\n" + HOST + b"\r\n",
    "a fold": b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\n" + HOST + b"A : b\r\n\r\n",
    "a space before the first field": b"GET / HTTP/1.1\r\n A: b\r\n" + HOST + b"\r\n",
    "no colon": b"GET / HTTP/1.1\r\n" + HOST + b"Abc\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\n" + HOST + b": b\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\n" + HOST + b"A: b\0c\r\n\r\n",
    "a control character": b"GET / HTTP/1.1\r\n" + HOST + b"A: \x01\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "a control character in the target": b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tab in the target": b"GET /a\tb HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n",
    "another authority": b"GET http://b/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT with a path": b"CONNECT / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a star": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
    "no slash": b"GET a HTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "an unknown method": b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\n" + HOST + b"\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\n",
    "a lower-case version": b"GET / http/1.1\r\n" + HOST + b"\r\n",
}

SPENDS_THE_PARSER = {
    "a body": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n",
    "chunks": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
    "close": b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(head: bytes) -> None:
    """RFC 9112, section 11.2: refused, never repaired."""
    with pytest.raises(BadRequest):
        parse_request(head)


@pytest.mark.parametrize("former", [*REFUSED.values(), *SPENDS_THE_PARSER.values()], ids=[*REFUSED, *SPENDS_THE_PARSER])
def test_no_head_leaves_a_trace_on_the_next(former: bytes) -> None:
    """One parser judges request after request: after any of them it judges the next as if it were the first."""
    for _ in range(2):
        with suppress(BadRequest):
            parse_request(former)

        assert parse_request(b"GET /a?b HTTP/1.1\r\n" + HOST + b"\r\n").path == b"/a"
        with pytest.raises(BadRequest):
            parse_request(REFUSED["two Hosts"])


def test_a_request_line_is_taken_apart() -> None:
    """Target, path and query are bytes as they came."""
    request = parse_request(b"GET /a%20b?c=d?e HTTP/1.1\r\n" + HOST + b"\r\n")

    assert (request.method, request.target) == (b"GET", b"/a%20b?c=d?e")
    assert (request.path, request.query) == (b"/a%20b", b"c=d?e")


def test_the_absolute_form_of_the_same_host_passes_as_a_path() -> None:
    """RFC 9112, section 3.2.2: a server accepts it; backends get the origin form."""
    assert parse_request(b"GET http://A/b?c HTTP/1.1\r\n" + HOST + b"\r\n").target == b"/b?c"
    assert parse_request(b"GET http://a HTTP/1.1\r\n" + HOST + b"\r\n").target == b"/"
    assert parse_request(b"GET http://a?c HTTP/1.1\r\n" + HOST + b"\r\n").target == b"/?c"


def test_options_of_the_whole_server_is_matched_as_its_root() -> None:
    """RFC 9112, section 3.2.4: ``*`` passes as it came."""
    request = parse_request(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n")

    assert (request.target, request.path) == (b"*", b"/")


def test_too_many_fields_are_too_large() -> None:
    """431, not 400: the client may try with less."""
    head = b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 5 + b"\r\n"

    assert parse_request(head, count_limit=6)
    with pytest.raises(HeadTooLarge):
        parse_request(head, count_limit=5)


@pytest.mark.parametrize("stray", [b"\n", b"\r\r", b"\0"])
@pytest.mark.parametrize("at", range(4))
def test_what_no_end_could_mend_is_found_wherever_the_head_was_cut(stray: bytes, at: int) -> None:
    """What was judged before is not looked at again, but for what the next byte may still decide."""
    received = b"GET / HTTP/1.1" + stray

    with pytest.raises(BadRequest):
        judge_beginning(received, 100, judged=len(received) - len(stray) - at)


@pytest.mark.parametrize("end", range(len(HOST) + 17))
def test_the_beginning_of_a_good_head_is_waited_for(end: int) -> None:
    """Wherever it was cut, between CR and LF, too; but not beyond the bound."""
    beginning = (b"GET / HTTP/1.1\r\n" + HOST)[:end]

    judge_beginning(beginning, len(beginning))
    with pytest.raises(HeadTooLarge):
        judge_beginning(beginning + b"a", len(beginning))
