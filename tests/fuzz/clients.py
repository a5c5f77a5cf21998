"""A hostile client before good backends.

The backends are h11 servers: they refuse what is not HTTP to h11, and answer the rest. What they got is then read by
`strict` as well, and compared with what the client sent: as many requests, the same fields, the same bodies.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import h11

from gateway.proxy.backend import BackendConnection
from tests.fuzz import strict
from tests.fuzz.stage import Wire
from tests.fuzz.theatre import Finding, Outcome, Theatre

# Fields that the gateway takes away, changes or adds: not compared.
OURS = {
    *b"connection keep-alive te transfer-encoding upgrade http2-settings proxy-connection x-request-id".split(),
    *b"x-forwarded-for x-forwarded-proto x-forwarded-host".split(),
}


@dataclass
class Server:
    """A backend that speaks h11. ``log`` is shared by all of a trial, so that it holds their requests in order."""

    connection: BackendConnection
    wire: Wire
    log: list[Server]
    got: bytes = b""
    method: bytes = b""
    h11: h11.Connection = field(default_factory=lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20))

    def serve(self) -> bool:
        """Answer what has come; whether anything had."""
        got = self.wire.take()
        if not got:
            return False
        self.got += got
        self.h11.receive_data(got)
        while not isinstance(event := self.h11.next_event(), type):  # NEED_DATA and PAUSED are classes
            if isinstance(event, h11.Request):
                self.log.append(self)
                self.method = event.method
            elif isinstance(event, h11.EndOfMessage):
                self._answer()
        return True

    def _answer(self) -> None:
        headers = [("X-Seen", str(len(self.log))), ("Content-Length", "2")]
        body = [h11.Data(data=b"hi")] if self.method != b"HEAD" else []
        events = [h11.Response(status_code=200, headers=headers), *body, h11.EndOfMessage()]
        answer = b"".join(self.h11.send(event) or b"" for event in events)
        if self.h11.our_state is h11.DONE and self.h11.their_state is h11.DONE:
            self.h11.start_next_cycle()
        if not self.wire.is_closing():
            self.connection.data_received(answer)


async def try_client(place: Theatre, pieces: list[bytes], *, half_closes: bool = False) -> Outcome:
    """Send ``pieces``; raises `Finding` when something came of them that must not."""
    client, wire = place.stage.client()
    log: list[Server] = []
    servers = _fill(place, log, [])
    sent = b""
    try:
        for piece in pieces:
            if wire.is_closing():
                break
            client.data_received(piece)
            sent += piece
            servers = await _serve(place, servers, log)
            if not wire.reads and not wire.is_closing():
                raise Finding("reading is paused though nobody is slow", pieces)
        if half_closes and not wire.is_closing() and not client.eof_received():
            wire.close()
        await _serve(place, servers, log)
    except (h11.RemoteProtocolError, h11.LocalProtocolError) as error:
        raise Finding(f"h11 refuses what reached the backend: {error}", pieces) from error
    is_open = not (wire.is_closing() or wire.has_eof)
    outcome = _judge_client(sent, log, wire, pieces, is_open=is_open)
    await place.end(wire, pieces)
    return outcome


async def _serve(place: Theatre, servers: list[Server], log: list[Server]) -> list[Server]:
    """Let the backends answer until nothing moves any more."""
    quiet = 0
    while quiet < 2:
        await asyncio.sleep(0)
        has_moved = [server.serve() for server in servers]
        quiet = 0 if any(has_moved) else quiet + 1
        servers = _fill(place, log, servers)
    return servers


def _fill(place: Theatre, log: list[Server], old: list[Server]) -> list[Server]:
    """``old``, and as many more as it takes for two to idle in the pool."""
    missing = 2 - len(place.pool.endpoints[0].idle)
    return [*old, *(Server(*place.stage.backend(), log) for _ in range(missing))]


def _judge_client(sent: bytes, log: list[Server], wire: Wire, pieces: list[bytes], *, is_open: bool) -> Outcome:
    asked, begun, is_malformed = _read_sent(sent)
    passed, unfinished = _read_passed(log, pieces)
    if len(passed) > len(asked):
        raise Finding("more requests reached the backend than were sent", pieces)
    for request, relayed in zip(asked, passed, strict=False):
        _compare(request, relayed, pieces)
    if unfinished is not None:
        following = [*asked, *([begun] if begun is not None else [])][len(passed) :]
        if not following or following[0].first != unfinished.first:
            raise Finding("a request that nobody sent was begun at the backend", pieces)
    own = _read_answers(wire, passed, unfinished, pieces)
    if is_open and is_malformed:
        raise Finding("what is malformed was neither refused nor passed", pieces)
    if is_open and len(passed) != len(asked):
        raise Finding("a request was not answered", pieces)
    if own:
        return Outcome.REFUSED
    if not is_open:
        return Outcome.PASSED if len(passed) == len(asked) and not is_malformed else Outcome.CLOSED
    return Outcome.PASSED if not sent[asked[-1].end if asked else 0 :] else Outcome.WAITED


def _read_sent(sent: bytes) -> tuple[list[strict.Message], strict.Message | None, bool]:
    """The whole requests in ``sent``, the head of one more, and whether what follows is malformed."""
    asked: list[strict.Message] = []
    at = 0
    try:
        while at < len(sent):
            asked.append(strict.read_request(sent, at))
            at = asked[-1].end
    except strict.Incomplete as error:
        return asked, error.head, False
    except strict.Malformed as error:
        return asked, error.head, True
    return asked, None, False


def _read_passed(log: list[Server], pieces: list[bytes]) -> tuple[list[strict.Message], strict.Message | None]:
    """The requests that reached the backends, and one that did not come to its end."""
    passed: list[strict.Message] = []
    unfinished: strict.Message | None = None
    places: dict[int, int] = {}
    for server in log:
        if unfinished is not None:
            raise Finding("another request began before the last had ended", pieces)
        try:
            message = strict.read_request(server.got, places.get(id(server), 0))
        except strict.Malformed as error:
            raise Finding(f"malformed at the backend: {error}: {server.got!r}", pieces) from error
        except strict.Incomplete as error:
            unfinished = error.head
        else:
            passed.append(message)
            places[id(server)] = message.end
    if unfinished is None and any(len(server.got) != places[id(server)] for server in log):
        raise Finding("bytes reached the backend that belong to no request", pieces)
    return passed, unfinished


def _compare(request: strict.Message, relayed: strict.Message, pieces: list[bytes]) -> None:
    if relayed.first != request.first or not request.second.endswith(relayed.second.removeprefix(b"/")):
        raise Finding(f"another request line: {relayed.first!r} {relayed.second!r}", pieces)
    if relayed.body != request.body:
        raise Finding(f"another body: {relayed.body!r}", pieces)
    if _end_to_end(request, request) != _end_to_end(relayed, request):
        raise Finding(f"other fields: {relayed.fields!r}", pieces)


def _end_to_end(message: strict.Message, request: strict.Message) -> list[tuple[bytes, bytes]]:
    options = {option.strip().lower() for value in request.all(b"connection") for option in value.split(b",")}
    named = options - {b"host", b"content-length", b"authorization", b"cookie"}
    if not request.all(b"host"):
        named.add(b"host")
    return [
        (name, value)
        for name, value in message.fields
        if name.lower() not in OURS | named and not name.lower().startswith((b"x-crossfade-", b"proxy-auth"))
    ]


def _read_answers(
    wire: Wire, passed: list[strict.Message], unfinished: strict.Message | None, pieces: list[bytes]
) -> bool:
    """Read what the client got; whether the last answer is the gateway's own."""
    methods = [message.first for message in [*passed, *([unfinished] if unfinished is not None else [])]]
    answers = 0
    at = 0
    own = False
    try:
        while at < len(wire.written):
            method = methods[answers] if answers < len(methods) else b"GET"
            answer = strict.read_response(wire.written, at, method, is_over=True)
            at = answer.end
            own = answer.all(b"content-type") == [b"application/problem+json"]
            answers += int(answer.first) >= 200
    except (strict.Malformed, strict.Incomplete) as error:
        if not wire.is_aborted:
            raise Finding(f"the client got what is no answer: {wire.written!r}", pieces) from error
    if answers > len(passed) + 1 or (answers > len(passed) and not own):
        raise Finding(f"more answers than requests: {wire.written!r}", pieces)
    return own
