"""Sending one journaled write to the baseline, byte for byte as the candidate's client meant it.

HTTP is spoken here by hand, since libraries for clients rewrite targets and fields. Each write has a connection of its
own: one that is used again may turn out to be dead when the write is on its way, and nobody knows then whether it came.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import httptools

if TYPE_CHECKING:
    from gateway.core.types import Backend, Endpoint
    from gateway.journal.records import Entry

MOST_READ_BYTES: Final = 16 * 1024 * 1024
"""Of an answer's body, which nobody looks at; a service that is still writing has decided long before."""

_CHUNK_BYTES: Final = 64 * 1024
_LINE: Final = re.compile(rb"([^:\r\n]+):[^\n]*\n")
FRAMING: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-crossfade-arm",
        b"x-crossfade-route",
    }
)
"""Framing is made anew, and the arm is another than it was."""
_ALWAYS_FRAMED: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods that say that they have no body (RFC 9110, section 8.6)."""
_FIRST_FINAL_STATUS: Final = 200


class Answer(NamedTuple):
    """What became of a write. Without a status nobody knows, unless ``is_unsent``."""

    status: int | None
    reason: str = ""
    """What went wrong, where there is no status."""
    is_unsent: bool = False


def compose(entry: Entry, endpoint: Endpoint, overrides: Mapping[str, str]) -> bytes:
    """The request. ``overrides`` are an operator's fields: they replace those of the same names."""
    replaced = {name.lower().encode("latin-1") for name in overrides}
    lines = {match[1].strip().lower(): None for match in _LINE.finditer(entry.head)}
    kept = [match[0] for match in _LINE.finditer(entry.head) if match[1].strip().lower() not in FRAMING | replaced]
    ours = {
        b"Host": endpoint.authority.encode("latin-1"),
        b"X-Request-ID": entry.request_id.encode("latin-1"),
        b"Idempotency-Key": entry.request_id.encode("latin-1"),
    }
    added = [(name, value) for name, value in ours.items() if name.lower() not in lines.keys() | replaced]
    added += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in overrides.items()]
    added += [(b"X-Crossfade-Route", entry.route.encode("latin-1")), (b"X-Crossfade-Arm", b"baseline")]
    if entry.body or entry.method in _ALWAYS_FRAMED:
        added.append((b"Content-Length", b"%d" % len(entry.body)))
    added.append((b"Connection", b"close"))
    start = b"%b %b HTTP/1.1\r\n" % (entry.method.encode("latin-1"), entry.target)
    return b"".join([start, *kept, *(b"%b: %b\r\n" % each for each in added), b"\r\n", entry.body])


class Delivery:
    """To ``backend``: its endpoints in turn; one that refuses the connection gives way to the next."""

    def __init__(self, backend: Backend) -> None:
        """Raises OSError or ssl.SSLError when the backend's certificates can't be used."""
        self._backend = backend
        self._turn = 0
        self._tls = _tls_context(backend)

    async def send(self, entry: Entry, overrides: Mapping[str, str]) -> Answer:
        """Send a write once, and wait for the answer as long as a user would."""
        endpoints = self._backend.endpoints
        self._turn += 1
        answer = Answer(None, "it has no endpoint", is_unsent=True)
        for number in range(len(endpoints)):
            endpoint = endpoints[(self._turn + number) % len(endpoints)]
            answer = await self._send_to(endpoint, compose(entry, endpoint, overrides))
            if not answer.is_unsent:
                break
        return answer

    async def _send_to(self, endpoint: Endpoint, request: bytes) -> Answer:
        timeouts = self._backend.timeouts
        try:
            async with asyncio.timeout(timeouts.connect):
                reader, writer = await asyncio.open_connection(
                    endpoint.host, endpoint.port, ssl=self._tls if endpoint.tls else None
                )
        except TimeoutError:
            return Answer(None, f"no connection within {timeouts.connect:g} s", is_unsent=True)
        except OSError as error:
            return Answer(None, error.strerror or str(error), is_unsent=True)
        try:
            writer.write(request)
            return await _await_answer(reader, timeouts.response)
        finally:
            writer.transport.abort()


async def _await_answer(reader: asyncio.StreamReader, seconds: float) -> Answer:
    """Read an answer to its end, so that the service is not cut off; its status counts however that goes."""
    heard = _Heard()
    reason = "the connection was closed without an answer"
    try:
        async with asyncio.timeout(seconds):
            await heard.read(reader)
    except TimeoutError:
        reason = f"no answer within {seconds:g} s"
    except (OSError, asyncio.IncompleteReadError) as error:
        reason = str(error) or reason
    except httptools.HttpParserError:
        reason = "the answer is not HTTP"
    return Answer(heard.status) if heard.status is not None else Answer(None, reason)


class _Heard:
    """What llhttp says of an answer."""

    def __init__(self) -> None:
        self.status: int | None = None
        """Once the final head is there as a whole."""
        self._is_over = False
        self._parser = httptools.HttpResponseParser(self)

    async def read(self, reader: asyncio.StreamReader) -> None:
        """To the end of the answer, or of what anybody wants to read of it."""
        left = MOST_READ_BYTES
        while not self._is_over and left > 0 and (chunk := await reader.read(_CHUNK_BYTES)):
            left -= len(chunk)
            self._parser.feed_data(chunk)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL_STATUS:
            self.status = status

    def on_message_complete(self) -> None:
        self._is_over = self.status is not None


def _tls_context(backend: Backend) -> ssl.SSLContext | None:
    """How ``https`` endpoints are reached; None when there are none."""
    if not any(endpoint.tls for endpoint in backend.endpoints):
        return None
    context = ssl.create_default_context(cafile=backend.tls.ca)
    if not backend.tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
