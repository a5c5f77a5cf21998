"""Hostile byte streams: valid messages, mutated; and messages put together from parts that do not belong together.

All of it follows from a seed, so that a finding can be had again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
    b"GET /items?q=1 HTTP/1.1\r\nHost: example.com\r\nUser-Agent: curl/8\r\nAccept: */*\r\nX-User-ID: 7\r\n\r\n",
    b"HEAD /items HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\n\r\n",
    b"POST /items HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello",
    (
        b"PUT /items/1 HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    ),
    (
        b"POST /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"3;a=b\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
    ),
    b"POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /old HTTP/1.0\r\n\r\n",
    b"GET /old HTTP/1.0\r\nHost: example.com\r\nConnection: keep-alive\r\n\r\n",
    b"GET http://example.com/absolute?x HTTP/1.1\r\nHost: example.com\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    (
        b"GET /h2 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMA\r\n\r\n"
    ),
    b"GET /c HTTP/1.1\r\nHost: a\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nTE: trailers\r\n\r\n",
    (
        b"DELETE /f HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Request-ID: r-1\r\n"
        b"X-Crossfade-Arm: candidate\r\n\r\n"
    ),
)

RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nhi\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
    ),
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 9\r\n\r\n",
    (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    ),
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi",
    b"HTTP/1.1 500 Internal Server Error\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 4\r\n\r\noops",
    b"HTTP/1.1 200 OK\r\nX-Request-ID: theirs\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 1\r\n\r\n.",
)

_LINES = (b"GET / HTTP/1.1", b"POST / HTTP/1.1", b"HEAD /x HTTP/1.1", b"POST / HTTP/1.0", b"GET / HTTP/2.0", b"GET /")
_STATUS_LINES = (b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.0 404 No", b"HTTP/1.1 204 N", b"HTTP/1.1 999 X", b"OK")
_FIELDS = (
    b"Host: a",
    b"Host: a",
    b"Host: b",
    b"Host:",
    b"Content-Length: 5",
    b"Content-Length: 5",
    b"Content-Length: 6",
    b"Content-Length: +5",
    b"Content-Length: 0x5",
    b"Content-Length: 5, 5",
    b"Content-Length:",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length : 5",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: Chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding:",
    b"Transfer_Encoding: chunked",
    b" Transfer-Encoding: chunked",
    b"Connection: close",
    b"Connection: Host, Content-Length, Transfer-Encoding",
    b"Connection: keep-alive, X-A",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"X-A: 1",
    b"X-A: \x80\xff",
    b"X-A: 1\r\n folded",
    b": no name",
    b"no colon",
)
_BODIES = (
    b"",
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"0\r\n\r\n",
    b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
)
_SIZES = (
    b"0x5",
    b"+5",
    b"-5",
    b"5 ",
    b" 5",
    b"5\t;a",
    b"5;\n",
    b"05",
    b"00005",
    b"ffffffffffffffff",
    b"5\r",
    b"g",
    b"",
)
_CONTROLS = (
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b":",
    b",",
    b"\r\n\r\n",
    b"\r\n ",
    b"\n\n",
)

Mutation = Callable[[Random, bytes], bytes]


def flip(dice: Random, message: bytes) -> bytes:
    """One byte is another."""
    at = dice.randrange(len(message))
    return message[:at] + bytes([message[at] ^ (1 << dice.randrange(8))]) + message[at + 1 :]


def insert(dice: Random, message: bytes) -> bytes:
    """Something that separates stands where nothing should."""
    at = dice.randrange(len(message) + 1)
    return message[:at] + dice.choice(_CONTROLS) + message[at:]


def replace(dice: Random, message: bytes) -> bytes:
    """Something that separates stands in place of a byte or two."""
    at = dice.randrange(len(message))
    return message[:at] + dice.choice(_CONTROLS) + message[at + dice.randint(1, 2) :]


def delete(dice: Random, message: bytes) -> bytes:
    """A few bytes are gone."""
    at = dice.randrange(len(message))
    return message[:at] + message[at + dice.randint(1, 4) :]


def truncate(dice: Random, message: bytes) -> bytes:
    """The end is missing."""
    return message[: dice.randrange(len(message))]


def splice(dice: Random, message: bytes) -> bytes:
    """A piece of it stands somewhere else as well."""
    start = dice.randrange(len(message))
    piece = message[start : start + dice.randint(1, 40)]
    at = dice.randrange(len(message) + 1)
    return message[:at] + piece + message[at:]


def shuffle_lines(dice: Random, message: bytes) -> bytes:
    """Lines are doubled, gone, or in another order."""
    lines = message.split(b"\r\n")
    at, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    change = dice.randrange(3)
    if change == 0:
        lines.insert(other, lines[at])
    elif change == 1:
        del lines[at]
    else:
        lines[at], lines[other] = lines[other], lines[at]
    return b"\r\n".join(lines)


def add_field(dice: Random, message: bytes) -> bytes:
    """A field too many."""
    lines = message.split(b"\r\n")
    lines.insert(dice.randint(1, 3), dice.choice(_FIELDS))
    return b"\r\n".join(lines)


def change_size(dice: Random, message: bytes) -> bytes:
    """A length, or a chunk's size, written as it must not be."""
    old = dice.choice((b"5", b"3", b"2", b"0", b"6"))
    at = message.rfind(old) if dice.random() < 0.5 else message.find(old)
    return message[:at] + dice.choice(_SIZES) + message[at + 1 :] if at >= 0 else message


def overflow(dice: Random, message: bytes) -> bytes:
    """More, or longer, fields than anybody needs."""
    many = b"X-Many: 1\r\n" * dice.randint(40, 60) if dice.random() < 0.5 else b"X-Long: " + b"a" * 9000 + b"\r\n"
    at = message.find(b"\r\n") + 2
    return message[:at] + many + message[at:]


def break_line_end(dice: Random, message: bytes) -> bytes:
    """One CR LF is something else."""
    lines = message.split(b"\r\n")
    at = dice.randrange(1, len(lines)) if len(lines) > 1 else 0
    end = dice.choice((b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\n", b"\0\0", b"  ", b"XY"))
    return b"\r\n".join(lines[:at]) + end + b"\r\n".join(lines[at:])


MUTATIONS: tuple[Mutation, ...] = (
    flip,
    insert,
    replace,
    delete,
    truncate,
    splice,
    shuffle_lines,
    add_field,
    change_size,
    break_line_end,
)


def mutate(dice: Random, message: bytes) -> bytes:
    """One to three mutations of it; now and then none, and rarely one that makes it too large."""
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        message = dice.choice(MUTATIONS)(dice, message) or message
    return overflow(dice, message) if dice.random() < 0.01 else message


def compose(dice: Random, lines: Sequence[bytes]) -> bytes:
    """A message of parts that may contradict each other."""
    fields = [b"Host: a"] * (dice.random() < 0.7) + dice.sample(_FIELDS, dice.randint(0, 4))
    return b"\r\n".join((dice.choice(lines), *fields, b"", dice.choice(_BODIES)))


def request_stream(dice: Random) -> list[bytes]:
    """What one hostile client sends, as it arrives."""
    messages = [_request(dice) for _ in range(dice.choice((1, 1, 2, 3)))]
    if dice.random() < 0.4:  # the same again, or nearly
        again = dice.choice(REQUESTS)
        messages = [again, again, mutate(dice, again), *messages[1:]]
    return cut(dice, messages)


def _request(dice: Random) -> bytes:
    return compose(dice, _LINES) if dice.random() < 0.3 else mutate(dice, dice.choice(REQUESTS))


def response_stream(dice: Random) -> list[bytes]:
    """What one hostile backend answers, as it arrives."""
    one = compose(dice, _STATUS_LINES) if dice.random() < 0.3 else mutate(dice, dice.choice(RESPONSES))
    more = [dice.choice(RESPONSES)] if dice.random() < 0.2 else []
    return cut(dice, [one, *more])


def cut(dice: Random, messages: list[bytes]) -> list[bytes]:
    """The bytes of ``messages`` in pieces: one for each, one for all, or any."""
    how = dice.randrange(4)
    if how == 0:
        return [message for message in messages if message]
    stream = b"".join(messages)
    if how == 1 or len(stream) < 2:
        return [stream] if stream else []
    if how == 2 and len(stream) < 300:
        return [stream[at : at + 1] for at in range(len(stream))]
    places = sorted({0, len(stream), *(dice.randrange(len(stream)) for _ in range(dice.randint(1, 6)))})
    return [stream[start:end] for start, end in pairwise(places)]
