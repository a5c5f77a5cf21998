"""The meeting place of a fleet in Redis or Valkey.

One script is a beat: a replica says that it lives, hands in what it counted, and gets or keeps the lease. All times are
by the server's clock, which is the only one that replicas share; and all that is kept here ends by itself, some time
after the last of them has gone.

What counts of requests goes through as bytes that no script looks into. Gateways of several versions meet here while
they are replaced one by one, so what can't be read is left out, and told once.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import structlog

from gateway.core.fleet import LEFT_SECONDS, PRESENCE_SECONDS, SUM_SECONDS, Presence, Pulse, Report, Seen, Sum
from gateway.store.calls import Calls, pair
from gateway.store.listening import listen

if TYPE_CHECKING:
    from gateway.core.store_urls import RedisUrl

REPORTS_KEPT_SECONDS: Final = 10.0
REPORTS_KEPT: Final = 2_000
"""A hundred replicas for twice that time; with more, the oldest go sooner."""
VERDICTS_KEPT_SECONDS: Final = 10.0
_PAGE: Final = 100
"""So many reports, or sums, are read at once: each is up to 200 KB."""
_PAGES: Final = 10
"""So many pages of reports at the most; who is further behind goes on with the next call."""

_SUMS_KEPT: Final = int(2 * LEFT_SECONDS / SUM_SECONDS)
"""Twice as many as come in that time."""
_LEVEL: Final = 1
"""Of compression: a third of the bytes, in a few milliseconds."""

_Meaning = TypeVar("_Meaning")

_read_presence: Final = msgspec.json.Decoder(Presence).decode
_read_report: Final = msgspec.msgpack.Decoder(Report).decode
_read_sum: Final = msgspec.msgpack.Decoder(Sum).decode

log = structlog.get_logger()


class RedisFleet:
    """See the module."""

    def __init__(self, url: RedisUrl) -> None:
        self._calls = Calls(url)
        self._server = self._calls.server
        self._strange: set[str] = set()
        """What could not be read, and was told."""

    async def report(
        self,
        replica: str,
        presence: Presence,
        report: Report | None,
        *,
        lease_seconds: float,
        known_fence: int,
    ) -> Pulse:
        """Say that ``replica`` lives, hand in what it counted, and ask for the lease if it is free."""
        counted = b"" if report is None else msgspec.msgpack.encode(report)
        wish = (_to_ms(lease_seconds), known_fence)
        bounds = (_to_ms(PRESENCE_SECONDS), _to_ms(REPORTS_KEPT_SECONDS), REPORTS_KEPT)
        found = await self._calls.run("report", replica, msgspec.json.encode(presence), counted, *wish, *bounds)
        leader, fence, moves, event, rollouts = found
        return Pulse(leader.decode(), fence, moves, event, is_empty=not rollouts)

    async def leave(self, replica: str) -> None:
        """Forget ``replica``, and give back its lease."""
        await self._calls.run("leave", replica)

    async def replicas(self) -> list[Seen]:
        """All that were heard of lately, by name."""
        told, silent = await self._calls.run("replicas")
        presences = dict(pair(told))
        found: list[Seen] = []
        for name, silent_ms in pair(silent):
            said = self._decode([presences.get(name, b"")], _read_presence, "presence")
            found.extend(Seen(name.decode(), presence, max(0, int(silent_ms)) / 1000) for presence in said)
        return sorted(found, key=lambda seen: seen.replica)

    async def reports(self, after: str) -> tuple[Iterator[Report], str]:
        """What replicas handed in since ``after``, and what to ask with the next time; empty: from now on."""
        if not after:
            return iter(()), await self._find_end()
        found = [entry async for entry in self._read("XRANGE", "reports", f"({after}", _PAGE * _PAGES)]
        if not found:  # the server's clock, or the server, may be another one by now
            return iter(()), min(after, await self._find_end(), key=_number)
        return self._decode((document for _, document in found), _read_report, "report"), found[-1][0]

    async def share(self, verdicts: bytes, counted: Sum | None, *, fence: int) -> None:
        """Say what the rules say for those who follow, and leave what all have counted for who leads next."""
        packed = b"" if counted is None else zlib.compress(msgspec.msgpack.encode(counted), _LEVEL)
        bounds = (_SUMS_KEPT, _to_ms(LEFT_SECONDS), _to_ms(VERDICTS_KEPT_SECONDS))
        await self._calls.run("share", fence, packed, verdicts, *bounds)

    async def sums(self) -> AsyncGenerator[tuple[float, Sum]]:
        """What leaders have left of the last ten minutes, the oldest first, each with its age in seconds."""
        now = int(await self._calls.run("clock"))
        async for name, packed in self._read("XRANGE", "sums", "-", _SUMS_KEPT):
            age = max(0, now - _number(name)[0]) / 1000
            for counted in self._decode([packed], _unpack, "sum"):
                yield age, counted

    async def verdicts(self) -> bytes:
        """What the leader said last that rules say; empty when that is more than a few seconds ago."""
        with self._calls.noted():
            return await self._server.ask("GET", self._server.key("verdicts")) or b""

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call ``heard`` whenever somebody has moved a rollout, until the connection breaks."""
        with self._calls.noted():
            async with self._server.opened_listener() as client:
                await listen(client, self._server.key("moves"), heard)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._calls.close()

    async def _find_end(self) -> str:
        """The newest report's id."""
        newest = [number async for number, _ in self._read("XREVRANGE", "reports", "+", 1)]
        return newest[0] if newest else "0-0"

    async def _read(self, command: str, name: str, start: str, limit: int) -> AsyncIterator[tuple[str, bytes]]:
        """What a stream has from one end on, each with its id; page by page."""
        end = "+" if command == "XRANGE" else "-"
        while limit > 0:
            size = min(_PAGE, limit)
            with self._calls.noted():
                page = await self._server.ask(command, self._server.key(name), start, end, "COUNT", size)
            for number, fields in page:
                yield number.decode(), next(iter(fields.values()))
            if len(page) < size:
                return
            start, limit = f"({page[-1][0].decode()}", limit - size

    def _decode(self, documents: Iterable[bytes], decode: Callable[[bytes], _Meaning], what: str) -> Iterator[_Meaning]:
        """Those that can be read; see the module."""
        for document in documents:
            try:
                yield decode(document)
            except (msgspec.DecodeError, zlib.error) as error:
                if what not in self._strange:
                    self._strange.add(what)
                    effect = "left out: is another version of Crossfade in this fleet?"
                    log.warning("fleet_not_understood", what=what, reason=str(error), effect=effect)


def _unpack(packed: bytes) -> Sum:
    return _read_sum(zlib.decompress(packed))


def _to_ms(seconds: float) -> int:
    return round(seconds * 1000)


def _number(entry: str) -> tuple[int, int]:
    """The id of an entry as numbers, the first of them milliseconds."""
    milliseconds, _, place = entry.partition("-")
    return int(milliseconds), int(place)
