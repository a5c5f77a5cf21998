"""A run through a backlog: each write once, the order of every key, and what came of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.control import replay as replays
from gateway.control.delivery import Answer
from gateway.control.replay import LANES, PATIENCE, End, Line, Pace, Replay, Step, Wish, judge
from gateway.core.types import Match, Route, Table
from gateway.journal.backlog import Backlog
from gateway.journal.marks import Marks
from gateway.journal.records import Entry
from tests.control.baseline import Baseline, Write, answer, baseline
from tests.journal.entries import entry, fill
from tests.proxy.wiring import table

FAST = 1e6
"""Writes per second: nobody waits."""


class Stage:
    """A journal, a baseline, and runs from one to the other."""

    def __init__(self, journal: Path, service: Baseline) -> None:
        self.journal = journal
        self.service = service
        self.steps: list[Step] = []
        self.clock = count(1000)
        self.replay: Replay

    def fill(self, *entries: Entry) -> None:
        fill(self.journal / "orders", *entries)

    @property
    def table(self) -> Table:
        return table(self.service.backend(), routes=(Route("orders", Match(), "legacy", "new", "checkout"),))

    async def run(self, **wish: Any) -> End:
        """One run, from the beginning."""
        self.steps.clear()
        self.service.writes.clear()
        backlog = Backlog(self.journal, "checkout")
        backlog.survey()
        self.replay = Replay(backlog, self.table, Wish(**{"per_second": FAST} | wish), lambda: next(self.clock))
        try:
            return await self.replay.run(self.hear)
        finally:
            backlog.marks.close()

    async def hear(self, line: Line) -> None:
        assert isinstance(line, Step)
        self.steps.append(line)

    def results(self) -> dict[str, str]:
        """What came of each write."""
        return {step.request_id: step.result for step in self.steps}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with baseline() as service:
        yield Stage(tmp_path, service)


def by_key(writes: list[Write], entries: list[Entry]) -> dict[int, list[str]]:
    """Request IDs in the order of their coming, per key."""
    keys = {each.request_id: each.key for each in entries}
    found = defaultdict(list)
    for write in writes:
        found[keys[write.name]].append(write.name)
    return found


async def test_each_write_is_sent_once_in_the_order_of_its_key(stage: Stage) -> None:
    """Several keys are under way at once, and a second run sends nothing."""
    entries = [entry(number, key=number * 7919 % 23 + 1) for number in range(1, 201)]
    stage.fill(*entries)
    stage.service.gathers = LANES

    assert await stage.run() == End(applied=200, refused=0, failed=0, skipped=0, left=0)
    expected = defaultdict(list)
    for each in entries:
        expected[each.key].append(each.request_id)
    assert by_key(stage.service.writes, entries) == expected
    assert stage.service.most_under_way == LANES
    assert await stage.run() == End(applied=0, refused=0, failed=0, skipped=200, left=0)
    assert stage.service.writes == []


async def test_what_is_refused_is_told_and_not_tried_again(stage: Stage) -> None:
    """The writes behind it are sent all the same: this one will never do."""
    stage.fill(entry(1, key=1), entry(2, key=1))
    stage.service.says = lambda write: answer(422 if write.name == "request-1" else 204)

    assert await stage.run() == End(applied=1, refused=1, failed=0, skipped=0, left=0)
    assert [(step.request_id, step.result, step.status) for step in stage.steps] == [
        ("request-1", "refused", 422),
        ("request-2", "applied", 204),
    ]
    assert (await stage.run()).skipped == 2


async def test_what_fails_holds_up_its_key_and_no_other(stage: Stage) -> None:
    """The next run begins with it."""
    stage.fill(entry(1, key=1), entry(2, key=2), entry(3, key=1))
    stage.service.says = lambda write: answer(503 if write.name == "request-1" else 200)

    assert await stage.run() == End(applied=1, refused=0, failed=2, skipped=0, left=0)
    assert stage.results() == {"request-1": "failed", "request-2": "applied", "request-3": "failed"}
    assert sorted(stage.service.names) == ["request-1", "request-2"]
    stage.service.says = lambda _write: answer(200)
    assert await stage.run() == End(applied=2, refused=0, failed=0, skipped=1, left=0)
    assert stage.service.names == ["request-1", "request-3"]
    assert [step.is_again for step in stage.steps] == [True, False]


async def test_what_certainly_was_not_applied_is_not_sent_again_but_for_the_first_time(stage: Stage) -> None:
    """Credentials that were forgotten don't make every write a doubtful one; an answer that is missing does."""
    stage.fill(entry(1, key=1))
    again = []
    for said in (answer(401), b"", answer(401), answer(200)):
        stage.service.says = lambda _write, said=said: said
        await stage.run()
        again.append(stage.steps[0].is_again)

    assert again == [False, False, True, True]


async def test_writes_without_a_key_hold_up_nobody(stage: Stage) -> None:
    """They never had an order."""
    stage.fill(entry(1, key=0), entry(2, key=0))
    stage.service.says = lambda write: answer(503 if write.name == "request-1" else 200)
    await stage.run()

    assert stage.results() == {"request-1": "failed", "request-2": "applied"}


async def test_a_baseline_that_is_not_there_ends_the_run(stage: Stage) -> None:
    """Each write would only fail like the last; all of them stay open."""
    total = PATIENCE + 100
    stage.fill(*(entry(number, key=number) for number in range(1, total + 1)))
    stage.service.says = lambda _write: b""
    end = await stage.run()

    assert "in a row failed" in end.stopped
    assert PATIENCE <= end.failed < PATIENCE + LANES
    assert end.left == total - end.failed
    stage.service.says = lambda _write: answer(200)
    assert (await stage.run()).applied == total


async def test_a_baseline_that_wants_credentials_says_what_to_do(stage: Stage) -> None:
    """The journal has none. What it does not let in is not refused for good."""
    stage.fill(*(entry(number, key=number) for number in range(1, PATIENCE + 50)))
    stage.service.says = lambda write: answer(200 if "Authorization: Bearer t" in write.lines else 401)
    end = await stage.run()

    assert "answered 401; give what proves who you are with -H 'Authorization: …'" in end.stopped
    assert (await stage.run(headers={"Authorization": "Bearer t"})).applied == PATIENCE + 49


async def test_a_dry_run_sends_nothing(stage: Stage) -> None:
    """It tells of each write what would be sent, without the query: that may be a secret."""
    stage.fill(entry(1, target=b"/pay?token=secret"), entry(2))

    assert await stage.run(dry_run=True) == End(applied=0, refused=0, failed=0, skipped=0, left=0)
    assert {step.result for step in stage.steps} == {"planned"}
    assert {step.target for step in stage.steps} == {"/pay", "/api/orders"}
    assert stage.service.writes == []
    assert not set(Marks(stage.journal, "checkout").begun)
    assert (await stage.run()).applied == 2


async def test_a_run_that_is_stopped_ends_what_is_under_way(stage: Stage) -> None:
    """What was answered is marked; the rest is left for the next run."""
    stage.fill(*(entry(number, key=number) for number in range(1, 101)))

    def stop(_write: Write) -> bytes:
        stage.replay.stop("enough")
        stage.replay.stop("too late to say")
        return answer(200)

    stage.service.says = stop
    end = await stage.run()
    assert end.stopped == "enough"
    assert end.applied == len(stage.service.writes) == 100 - end.left < 100
    sent = {*stage.service.names}
    stage.service.says = lambda _write: answer(200)
    assert (await stage.run()).applied == end.left
    assert not sent & {*stage.service.names}


async def test_what_can_not_be_marked_is_not_sent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that nobody remembers would be sent twice."""
    stage.fill(entry(1))

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Marks, "begin", refuse)
    end = await stage.run()

    assert (end.left, end.stopped) == (1, "the marks can't be written: No space left on device")
    assert stage.service.writes == []


async def test_a_journal_that_can_not_be_read_ends_the_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and what was sent is marked."""
    stage.fill(entry(1))

    def refuse(_entries: object) -> list[Entry]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(replays, "_read_some", refuse)

    assert (await stage.run()).stopped == "the journal can't be read: Input/output error"


async def test_a_route_that_is_gone_fails(stage: Stage) -> None:
    """Nobody knows where its baseline is; when it is back, the next run sends it."""
    fill(stage.journal / "orders", entry(1, route="former"))
    await stage.run()

    assert [(step.result, step.reason) for step in stage.steps] == [("failed", "there is no route `former` any more")]
    assert stage.service.writes == []


@pytest.mark.parametrize(
    ("statuses", "result"),
    [
        ((200, 201, 204, 302, 304), "applied"),
        ((400, 404, 409, 410, 422, 451), "refused"),
        ((401, 403, 407, 408, 425, 429, 500, 502, 503, 599), "failed"),
    ],
)
def test_what_an_answer_means(statuses: tuple[int, ...], result: str) -> None:
    """Refused is what the write itself is at fault for; without an answer it has failed."""
    assert {judge(Answer(status)) for status in statuses} == {result}
    assert judge(Answer(None, "reset")) == "failed"


async def test_a_pace_is_kept_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gaps add up; who comes late does not have to make up for it."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(round(seconds, 1))

    monkeypatch.setattr(replays.asyncio, "sleep", note)
    pace = Pace(0.01)
    for _ in range(3):
        await pace.wait()

    assert waits == [100, 200]
