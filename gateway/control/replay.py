"""One run through a rollout's backlog: each write to the baseline, in the order of its key, and what came of it.

The writes are dealt to `LANES` lanes by key. A lane sends one after the other, so the order of every key holds while
several keys are under way at once. When a write fails, the later ones of its key are not tried: they would overtake it.

=============================  ================================================================================
the baseline answers           the write is
=============================  ================================================================================
2xx, 3xx                       ``applied``: marked, never sent again
4xx                            ``refused``: marked, never sent again, and reported
401, 403, 407, 408, 425, 429   ``failed``: the fault is not the write's; the next run tries it again
5xx, nothing                   ``failed``: the next run tries again
=============================  ================================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from gateway.control.delivery import Answer, Delivery
from gateway.control.findings import show_epoch
from gateway.core.types import Table

if TYPE_CHECKING:
    from gateway.journal.backlog import Backlog
    from gateway.journal.records import Entry

LANES: Final = 8
"""Keys that are under way at once: a service that was good for all users is good for as many."""

LANE_LENGTH: Final = 8
"""Writes that wait in each: they are held in memory, up to ``journal.body`` each."""

BATCH: Final = 32
"""Writes that are read at once, in a thread."""

PATIENCE: Final = 20
"""After so many failures in a row the run stops: it would only tell of each that the baseline is not there."""

_NOT_FINAL: Final = frozenset({401, 403, 407, 408, 425, 429})
_UNPROVEN: Final = frozenset({401, 403, 407})
_FIRST_REFUSAL: Final = 400
_FIRST_ERROR: Final = 500

Result = Literal["applied", "refused", "failed", "planned"]


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="begin"):
    """How much there is to do."""

    rollout: str
    total: int
    """Writes that the baseline has not had."""
    skipped: int
    """Writes that it has had: copied to it, or replayed before."""
    unreadable: list[str]
    """Places in the journal's files behind which nothing could be read."""
    is_live: bool
    """The candidate still answers users, so more may come."""
    dry_run: bool


class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="entry"):
    """What came of one write."""

    request_id: str
    route: str
    method: str
    target: str
    """Without its query, which may hold what nobody else may see."""
    time_ns: int
    """When the candidate had answered it."""
    time: str = ""
    """The same in RFC 3339, UTC, for programs whose numbers are too short for nanoseconds. Older gateways have none."""
    result: Result
    status: int | None
    """What the baseline answered."""
    reason: str = ""
    is_again: bool = False
    """It was sent before, and nobody knows what came of it: the run was cut off, nothing was answered, or a 5xx. The
    baseline may have applied it, and knows it by its ``Idempotency-Key`` then."""


class End(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="end"):
    """What came of all of them."""

    applied: int
    refused: int
    failed: int
    skipped: int
    left: int
    """Writes that were not tried, since the run stopped."""
    stopped: str = ""
    """Why it did."""


Line = Begin | Step | End
Emit = Callable[[Line], Awaitable[None]]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks for."""

    since_ns: int = 0
    dry_run: bool = False
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Fields that replace those of the same names: the journal has no credentials."""
    per_second: float = 50.0


class Pace:
    """Lets so many through per second, whoever asks; on the loop's clock."""

    def __init__(self, per_second: float) -> None:
        self._gap_seconds = 1 / per_second
        self._next_at = 0.0

    async def wait(self) -> None:
        """Until it is one's turn."""
        now = asyncio.get_running_loop().time()
        mine = max(now, self._next_at)
        self._next_at = mine + self._gap_seconds
        if mine > now:
            await asyncio.sleep(mine - now)


class Replay:
    """See the module. ``table`` says where the baseline is; ``now_ns`` tells the time of marks."""

    def __init__(self, backlog: Backlog, table: Table, wish: Wish, now_ns: Callable[[], int]) -> None:
        self.counts: dict[Result, int] = {"applied": 0, "refused": 0, "failed": 0, "planned": 0}
        self.stopped = ""
        """Why nothing more is sent."""
        self._backlog = backlog
        self._wish = wish
        self._now_ns = now_ns
        self._baselines = {route.name: route.baseline for route in table.routes}
        self._backends = {backend.name: backend for backend in table.backends}
        self._deliveries: dict[str, Delivery] = {}
        self._pace = Pace(wish.per_second)
        self._blocked: set[int] = set()
        """Keys of which a write has failed."""
        self._failures = 0
        """In a row."""

    def stop(self, reason: str) -> None:
        """Begin nothing more; what is under way is waited for."""
        self.stopped = self.stopped or reason

    async def run(self, emit: Emit) -> End:
        """Replay what was surveyed; ``emit`` gets each step."""
        lanes: list[asyncio.Queue[Entry | None]] = [asyncio.Queue(LANE_LENGTH) for _ in range(LANES)]
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(self._work(lane, emit))
            await self._deal(lanes)
        return self.conclude()

    def conclude(self) -> End:
        """What came of it until now."""
        counts = self.counts
        return End(
            applied=counts["applied"],
            refused=counts["refused"],
            failed=counts["failed"],
            skipped=self._backlog.done,
            left=max(0, self._backlog.open - sum(counts.values())),
            stopped=self.stopped,
        )

    async def _deal(self, lanes: list[asyncio.Queue[Entry | None]]) -> None:
        """Put each write into the lane of its key. Those without a key have no order, but share the first lane."""
        entries = self._backlog.entries()
        try:
            while not self.stopped and (batch := await asyncio.to_thread(_read_some, entries)):
                for entry in batch:
                    await lanes[entry.key % LANES].put(entry)
        except OSError as error:
            self.stop(f"the journal can't be read: {error.strerror or error}")
        for lane in lanes:
            await lane.put(None)

    async def _work(self, lane: asyncio.Queue[Entry | None], emit: Emit) -> None:
        while (entry := await lane.get()) is not None:
            if not self.stopped:
                step = await self._take(entry)
                if step is not None:
                    self.counts[step.result] += 1
                    await emit(step)

    async def _take(self, entry: Entry) -> Step | None:
        """Do what is to be done with a write; None when the run has stopped before it was sent."""
        if self._wish.dry_run:
            return self._tell(entry, "planned", None)
        if entry.key and entry.key in self._blocked:
            return self._tell(entry, "failed", None, "waits for an earlier write of its key, which failed")
        await self._pace.wait()
        if self.stopped:
            return None
        try:
            return await self._send(entry)
        except OSError as error:
            self.stop(f"the marks can't be written: {error.strerror or error}")
            return None

    async def _send(self, entry: Entry) -> Step:
        """Send it, and mark what came of it. Raises OSError when that can't be marked."""
        marks = self._backlog.marks
        is_again = entry.id in marks.begun
        answer = await self._deliver(entry)
        result = judge(answer)
        if result == "failed":
            self._note_failure(entry, answer)
            if is_untouched(answer) and not is_again:
                await asyncio.to_thread(marks.withdraw, entry.id, self._now_ns())
        else:
            self._failures = 0
            await asyncio.to_thread(marks.settle, entry.id, self._now_ns(), answer.status or 0)
        return self._tell(entry, result, answer.status, answer.reason, is_again=is_again)

    async def _deliver(self, entry: Entry) -> Answer:
        """Raises OSError when it can't be marked as begun."""
        name = self._baselines.get(entry.route)
        if name is None:
            return Answer(None, f"there is no route `{entry.route}` any more", is_unsent=True)
        delivery = self._deliveries.get(name)
        if delivery is None:
            try:
                delivery = self._deliveries[name] = Delivery(self._backends[name])
            except OSError as error:
                return Answer(None, f"`{name}` can't be reached by TLS: {error}", is_unsent=True)
        await asyncio.to_thread(self._backlog.marks.begin, entry.id, self._now_ns())
        return await delivery.send(entry, self._wish.headers)

    def _note_failure(self, entry: Entry, answer: Answer) -> None:
        if entry.key:
            self._blocked.add(entry.key)
        self._failures += 1
        if self._failures >= PATIENCE:
            hint = "; give what proves who you are with -H 'Authorization: …'" if answer.status in _UNPROVEN else ""
            said = "was not answered: " + answer.reason if answer.status is None else f"was answered {answer.status}"
            self.stop(f"{PATIENCE} writes in a row failed; the last one {said}{hint}")

    def _tell(
        self, entry: Entry, result: Result, status: int | None, reason: str = "", *, is_again: bool = False
    ) -> Step:
        return Step(
            request_id=entry.request_id,
            route=entry.route,
            method=entry.method,
            target=entry.target.partition(b"?")[0].decode("latin-1"),
            time_ns=entry.time_ns,
            time=show_epoch(entry.time_ns / 1e9),
            result=result,
            status=status,
            reason=reason,
            is_again=is_again,
        )


def judge(answer: Answer) -> Result:
    """What an answer of the baseline means for a write; see the module."""
    status = answer.status
    if status is None or status >= _FIRST_ERROR or status in _NOT_FINAL:
        return "failed"
    return "refused" if status >= _FIRST_REFUSAL else "applied"


def is_untouched(answer: Answer) -> bool:
    """Whether a failed write has certainly not been applied."""
    return answer.is_unsent or answer.status in _NOT_FINAL


def _read_some(entries: Iterator[Entry]) -> list[Entry]:
    return list(islice(entries, BATCH))
