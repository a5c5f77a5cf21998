"""The judge is judged: what is known to be ambiguous, it refuses; what is plain, it reads."""

from __future__ import annotations

import pytest

from tests.fuzz.strict import Incomplete, Malformed, read_request, read_response

LINE = b"POST /a HTTP/1.1\r\nHost: a\r\n"
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        LINE + b"Host: a\r\n\r\n",
        LINE + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        LINE + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        LINE + b"Content-Length: +1\r\n\r\nx",
        LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        LINE + b"A : b\r\n\r\n",
        LINE + b"A: b\r\n c\r\n\r\n",
        LINE + b"A: b\nC: d\r\n\r\n",
        LINE + b"A: \0\r\n\r\n",
        CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
        CHUNKED + b"1\na\r\n0\r\n\r\n",
        CHUNKED + b"0\r\nno colon\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_malformed(stream: bytes) -> None:
    """None of the classics of request smuggling gets by."""
    with pytest.raises(Malformed):
        read_request(stream)


@pytest.mark.parametrize("stream", [b"GET / HT", LINE, LINE + b"Content-Length: 2\r\n\r\nx", CHUNKED + b"2\r\nx"])
def test_what_is_not_there_as_a_whole_is_incomplete(stream: bytes) -> None:
    """A beginning is not yet wrong."""
    with pytest.raises(Incomplete):
        read_request(stream)


def test_a_request_is_read_to_its_end() -> None:
    """And not a byte further."""
    message = read_request(CHUNKED + b"2;a=b\r\nxy\r\n1\r\nz\r\n0\r\nSum: 1\r\n\r\nGET")

    assert (message.first, message.second, message.body) == (b"POST", b"/a", b"xyz")
    assert message.end == len(CHUNKED) + len(b"2;a=b\r\nxy\r\n1\r\nz\r\n0\r\nSum: 1\r\n\r\n")


def test_a_response_ends_as_its_head_and_the_request_say() -> None:
    """With its length, with its head, or with its connection."""
    sized = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    endless = b"HTTP/1.1 200 OK\r\n\r\nhi"

    assert read_response(sized, 0, b"GET", is_over=False).body == b"hi"
    assert read_response(sized, 0, b"HEAD", is_over=False).body == b""
    assert read_response(endless, 0, b"GET", is_over=True).is_close_delimited
    with pytest.raises(Incomplete):
        read_response(endless, 0, b"GET", is_over=False)
