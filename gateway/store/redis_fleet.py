"""The meeting place of a fleet in Redis or Valkey.

One script is a beat: a replica says that it lives, hands in what it counted, and gets or keeps the lease. All times are
by the server's clock, which is the only one that replicas share; and all that is kept here ends by itself, some time
after the last of them has gone.

What counts of requests goes through as bytes that no script looks into. Gateways of several versions meet here while
they are replaced one by one, so what can't be read is left out, and told once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import structlog

from gateway.core.fleet import PRESENCE_SECONDS, SHOWN_SECONDS, Presence, Pulse, Report, Second, Seen
from gateway.store.calls import Calls, pair
from gateway.store.listening import listen

if TYPE_CHECKING:
    from gateway.core.store_urls import RedisUrl

REPORTS_KEPT_SECONDS: Final = 10.0
REPORTS_KEPT: Final = 2_000
"""A hundred replicas for twice that time; with more, the oldest go sooner."""
VERDICTS_KEPT_SECONDS: Final = 10.0
_PAGE: Final = 100
"""So many reports, or seconds, are read at once: each is up to 100 KB."""
_PAGES: Final = 10
"""So many pages of reports at the most; who is further behind goes on with the next call."""

_Meaning = TypeVar("_Meaning")

log = structlog.get_logger()


class RedisFleet:
    """See the module."""

    def __init__(self, url: RedisUrl) -> None:
        self._calls = Calls(url)
        self._server = self._calls.server
        self._strange: set[type] = set()
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
            said = self._decode([presences.get(name, b"")], Presence, msgspec.json.decode)
            found.extend(Seen(name.decode(), presence, max(0, int(silent_ms)) / 1000) for presence in said)
        return sorted(found, key=lambda seen: seen.replica)

    async def reports(self, after: str) -> tuple[Iterator[Report], str]:
        """What replicas handed in since ``after``, and what to ask with the next time; empty: from now on."""
        if not after:
            return iter(()), await self._find_end()
        found = [entry async for entry in self._read("XRANGE", "reports", f"({after}", _PAGE * _PAGES)]
        if not found:  # the server's clock, or the server, may be another one by now
            return iter(()), min(after, await self._find_end(), key=_number)
        return self._decode((document for _, document in found), Report), found[-1][0]

    async def share(self, second: Second, verdicts: bytes, *, fence: int) -> None:
        """Leave what all counted for who leads next, and what the rules say for those who follow."""
        bounds = (SHOWN_SECONDS, _to_ms(SHOWN_SECONDS), _to_ms(VERDICTS_KEPT_SECONDS))
        await self._calls.run("share", fence, msgspec.msgpack.encode(second), verdicts, *bounds)

    async def seconds(self, count: int) -> list[tuple[float, Second]]:
        """The last ``count`` of those that leaders left, the oldest first, each with its age in seconds."""
        now = int(await self._calls.run("clock"))
        found: list[tuple[float, Second]] = []
        async for name, document in self._read("XREVRANGE", "seconds", "+", count):
            age = max(0, now - _number(name)[0]) / 1000
            found.extend((age, second) for second in self._decode([document], Second))
        return found[::-1]

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

    def _decode(
        self, documents: Iterable[bytes], kind: type[_Meaning], decode: Callable[..., _Meaning] = msgspec.msgpack.decode
    ) -> Iterator[_Meaning]:
        """Those that can be read; see the module."""
        for document in documents:
            try:
                yield decode(document, type=kind)
            except msgspec.DecodeError as error:
                if kind not in self._strange:
                    self._strange.add(kind)
                    effect = "left out: is another version of Crossfade in this fleet?"
                    log.warning("fleet_not_understood", what=kind.__name__.lower(), reason=str(error), effect=effect)


def _to_ms(seconds: float) -> int:
    return round(seconds * 1000)


def _number(entry: str) -> tuple[int, int]:
    """The id of an entry as numbers, the first of them milliseconds."""
    milliseconds, _, place = entry.partition("-")
    return int(milliseconds), int(place)
