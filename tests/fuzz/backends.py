"""A hostile backend before a good client, which must get a whole answer, or one that was visibly broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.fuzz import strict
from tests.fuzz.stage import Wire, settle
from tests.fuzz.theatre import Finding, Outcome, Theatre

ASKED: dict[str, bytes] = {
    "get": b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n",
    "head": b"HEAD /first HTTP/1.1\r\nHost: a\r\n\r\n",
    "post": b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
    "old": b"GET /first HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "upgrade": b"GET /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}
AGAIN = b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n"


async def try_backend(place: Theatre, pieces: list[bytes], asked: str, ending: str) -> Outcome:
    """Answer a good request with ``pieces``, then ``close``, ``reset`` or ``stay``."""
    client, wire = place.stage.client()
    connection, hostile = place.stage.backend()
    client.data_received(ASKED[asked])
    hostile.take()
    answered = b""
    for piece in pieces:
        if hostile.is_closing():
            break
        answered += piece
        connection.data_received(piece)
        await asyncio.sleep(0)
    is_over = ending == "close" and not hostile.is_closing()
    if ending == "close" and not hostile.is_closing() and not connection.eof_received():
        hostile.close()
    elif ending == "reset":
        hostile.lose(ConnectionResetError("reset by peer"))
    await settle(3)
    outcome = _judge_backend(answered, wire, asked, pieces, is_over=is_over)
    if outcome is Outcome.PASSED and connection.tunnel is None and not wire.is_closing() and not wire.has_eof:
        _judge_reuse(place, client.data_received, answered, hostile, asked, pieces)
    await place.end(wire, pieces)
    return outcome


def _judge_backend(answered: bytes, wire: Wire, asked: str, pieces: list[bytes], *, is_over: bool) -> Outcome:
    method = ASKED[asked].split(b" ")[0]
    theirs = _read_all(answered, method, is_over=is_over)
    got = _read_all(wire.written, method, is_over=wire.is_closing())
    if got is None:
        if wire.is_aborted:
            return Outcome.CLOSED
        if wire.is_closing() or wire.has_eof or not _is_begun(wire.written, method):
            raise Finding(f"the client got what is no answer: {wire.written!r}", pieces)
        return Outcome.WAITED
    final = got[-1]
    if final.first == b"101":
        if asked != "upgrade" or not answered.endswith(wire.written[final.end :]):
            raise Finding(f"a tunnel that nobody asked for: {wire.written!r}", pieces)
        return Outcome.PASSED
    if final.end != len(wire.written):
        raise Finding(f"bytes behind the answer: {wire.written!r}", pieces)
    if final.all(b"content-type") == [b"application/problem+json"] and final.first[:1] == b"5":
        return Outcome.REFUSED
    if theirs is None or theirs[-1].first != final.first or theirs[-1].body != final.body:
        if wire.is_aborted and final.is_close_delimited:
            return Outcome.CLOSED
        raise Finding(f"another answer than the backend's: {wire.written!r}", pieces)
    return Outcome.PASSED


def _read_all(stream: bytes, method: bytes, *, is_over: bool) -> list[strict.Message] | None:
    """The interim responses and the final one (or 101); None when that is not there as a whole."""
    messages: list[strict.Message] = []
    at = 0
    try:
        while not messages or int(messages[-1].first) < 200:
            messages.append(strict.read_response(stream, at, method, is_over=is_over))
            at = messages[-1].end
            if messages[-1].first == b"101":
                break
    except (strict.Malformed, strict.Incomplete):
        return None
    return messages


def _is_begun(stream: bytes, method: bytes) -> bool:
    """Whether ``stream`` could still become an answer."""
    at = 0
    try:
        while True:
            at = strict.read_response(stream, at, method, is_over=False).end
    except strict.Incomplete:
        return True
    except strict.Malformed:
        return False


def _judge_reuse(
    place: Theatre, send: Callable[[bytes], None], answered: bytes, hostile: Wire, asked: str, pieces: list[bytes]
) -> None:
    """A connection serves another request only when its answer was whole, with nothing behind it."""
    place.stage.backend()
    idle = place.pool.endpoints[0].idle
    idle.reverse()  # the hostile one first, if it is still there
    send(AGAIN)
    if not hostile.take():
        return
    theirs = _read_all(answered, ASKED[asked].split(b" ")[0], is_over=False)
    if theirs is None or theirs[-1].end != len(answered) or not theirs[-1].keep_alive:
        raise Finding("a connection that is out of step was used again", pieces)
