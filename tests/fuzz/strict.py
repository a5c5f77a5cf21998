"""HTTP/1.1 read to the letter, by other means than the gateway's: what it refuses, nobody may take for a message.

It works on whole byte strings, in one pass, with no state: slow and easy to believe (RFC 9112, sections 2 to 7).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
LARGEST = 2**64 - 1
BODILESS = {204, 304}


class Malformed(Exception):
    """Not HTTP/1.1, or open to more than one reading. ``head`` is the message's, if that at least was good."""

    head: Message | None = None


class Incomplete(Exception):
    """So far so good; the rest has not come. ``head`` is the message's, once that is there."""

    def __init__(self, head: Message | None = None) -> None:
        self.head = head


@dataclass
class Message:
    """A request or a response. ``first`` and ``second``: method and target, or status and reason."""

    first: bytes
    second: bytes
    is_http11: bool
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    end: int = 0
    """Where the next one begins."""
    is_close_delimited: bool = False

    def all(self, name: bytes) -> list[bytes]:
        """The values of the field ``name`` (lower-case)."""
        return [value for other, value in self.fields if other.lower() == name]

    @property
    def keep_alive(self) -> bool:
        """Whether another may follow."""
        options = {option.strip().lower() for value in self.all(b"connection") for option in value.split(b",")}
        return b"close" not in options and (self.is_http11 or b"keep-alive" in options)


def read_request(stream: bytes, at: int = 0) -> Message:
    """The request at ``at``. Raises `Malformed` or `Incomplete`."""
    while stream.startswith(b"\r\n", at):
        at += 2  # section 2.2: a server may skip empty lines here
    message, at = _read_head(stream, at, _request_line)
    hosts = len(message.all(b"host"))
    if hosts > 1 or (message.is_http11 and hosts == 0):
        raise Malformed("Host must be there, once")
    if message.all(b"host") == [b""]:
        raise Malformed("Host must not be empty")
    length = _framing(message)
    return _read_body(message, stream, at, length)


def read_response(stream: bytes, at: int, method: bytes, *, is_over: bool) -> Message:
    """The response to ``method`` at ``at``; ``is_over``: nothing will follow ``stream``."""
    message, at = _read_head(stream, at, _status_line)
    length = _framing(message)
    status = int(message.first)
    if method == b"HEAD" or status < 200 or status in BODILESS:
        return _read_length(message, stream, at, 0)
    if length is None or message.all(b"content-length"):
        return _read_body(message, stream, at, length)
    if not is_over:
        raise Incomplete(message)
    message.body, message.end, message.is_close_delimited = stream[at:], len(stream), True
    return message


def _request_line(line: bytes) -> Message:
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        raise Malformed("not a request line")
    return Message(match[1], match[2], match[3] == b"1", [])


def _status_line(line: bytes) -> Message:
    match = STATUS_LINE.fullmatch(line)
    if match is None:
        raise Malformed("not a status line")
    return Message(match[2], match[3] or b"", match[1] == b"1", [])


def _read_head(stream: bytes, at: int, read_line: Callable[[bytes], Message]) -> tuple[Message, int]:
    end = stream.find(b"\r\n\r\n", at)
    if end < 0:
        raise Incomplete
    first, *lines = stream[at:end].split(b"\r\n")
    message = read_line(first)
    for line in lines:
        field = FIELD.fullmatch(line)
        if field is None:
            raise Malformed("not a field line")
        message.fields.append((field[1], field[2]))
    return message, end + 4


def _framing(message: Message) -> int | None:
    """The length of the body, None for a chunked one."""
    codings, lengths = message.all(b"transfer-encoding"), message.all(b"content-length")
    if len(codings) + len(lengths) > 1:
        raise Malformed("framed twice")
    if codings:
        if codings[0].lower() != b"chunked" or not message.is_http11:
            raise Malformed("a Transfer-Encoding other than chunked")
        return None
    if lengths and (re.fullmatch(rb"[0-9]+", lengths[0]) is None or int(lengths[0]) > LARGEST):
        raise Malformed("not a length")
    return int(lengths[0]) if lengths else 0


def _read_body(message: Message, stream: bytes, at: int, length: int | None) -> Message:
    if length is not None:
        return _read_length(message, stream, at, length)
    try:
        return _read_chunked(message, stream, at)
    except Malformed as error:
        error.head = message
        raise


def _read_length(message: Message, stream: bytes, at: int, length: int) -> Message:
    message.body, message.end = stream[at : at + length], at + length
    if len(message.body) < length:
        raise Incomplete(message)
    return message


def _read_chunked(message: Message, stream: bytes, at: int) -> Message:
    while True:
        line, at = _read_line(message, stream, at)
        size = CHUNK_SIZE.fullmatch(line)
        if size is None or int(size[1], 16) > LARGEST:
            raise Malformed("not a chunk size")
        length = int(size[1], 16)
        if length == 0:
            break
        message.body += stream[at : at + length]
        at += length
        if not b"\r\n".startswith(stream[at : at + 2]):
            raise Malformed("a chunk longer than its size")
        if len(stream) < at + 2:
            raise Incomplete(message)
        at += 2
    while line:
        line, at = _read_line(message, stream, at)
        if line and FIELD.fullmatch(line) is None:
            raise Malformed("not a trailer")
    message.end = at
    return message


def _read_line(message: Message, stream: bytes, at: int) -> tuple[bytes, int]:
    end = stream.find(b"\r\n", at)
    if end < 0:
        raise Incomplete(message)
    return stream[at:end], end + 2
