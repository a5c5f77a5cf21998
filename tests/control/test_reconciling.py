"""Reconciling: one run at a time, what it tells, and what the audit log hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.control import reconciling
from gateway.control.reconciling import Reconciling, may_answer, say_end
from gateway.control.replay import Begin, End, Line, Step, Wish
from gateway.control.rollouts import Rollouts
from gateway.core.fleet import Journaled
from gateway.core.shadowing import Journal
from gateway.core.types import Arm, Cohort, Held, Match, Mode, Rollout, Route, Table
from gateway.errors import StoreUnavailable, UnknownRollout, WrongAction
from gateway.journal.records import Heading
from gateway.journal.segments import list_segments
from gateway.store.records import NewEvent
from gateway.store.sqlite import SqliteStore
from tests.control.baseline import Baseline, answer, baseline
from tests.control.shops import ADA, KEY, NOON
from tests.core.asking import rollout
from tests.journal.entries import POLICY, entry, fill
from tests.proxy.wiring import table


class Office:
    """A controller that can reconcile, and an operator who listens."""

    def __init__(self, folder: Path, service: Baseline) -> None:
        self.journal = folder / "journal"
        self.events: list[NewEvent] = []
        self.lines: list[Line] = []
        self.store_fails = False
        self.store = SqliteStore(str(folder / "state.db"))
        self.rollouts = Rollouts(self.store, lambda _table: None, lambda: NOON)
        self.reconciling = Reconciling(self.journal, self.rollouts, self.record, lambda: NOON)
        self.service = service

    async def begin(self) -> None:
        """Read the file."""
        await self.rollouts.begin()
        self.read_file(POLICY)

    def read_file(self, journal: Journal | None, percent: float = 5) -> None:
        """One in which the route keeps writes so."""
        routes = (Route("orders", Match(), "legacy", "new", "checkout", journal=journal),)
        self.rollouts.publish(self.file(rollout(percent, key=KEY), routes))

    def file(self, about: Rollout, routes: tuple[Route, ...]) -> Table:
        return table(self.service.backend(), rollouts=(about,), routes=routes)

    async def record(self, event: NewEvent) -> None:
        if self.store_fails:
            raise StoreUnavailable("the disk is full")
        self.events.append(event)

    async def run(self, name: str = "checkout", **wish: Any) -> End:
        """As an operator."""
        return await self.reconciling.run(name, Wish(**{"per_second": 1e6} | wish), ADA, self.hear)

    async def hear(self, line: Line) -> None:
        self.lines.append(line)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with baseline() as service:
        made = Office(tmp_path, service)
        await made.begin()
        yield made
        await made.rollouts.close()
        await made.store.close()


async def test_a_run_tells_what_there_is_and_what_comes_of_it(office: Office) -> None:
    """That the candidate still answers, too: more may come."""
    path = fill(office.journal / "orders", entry(1), entry(2))
    path.write_bytes(path.read_bytes()[:-1])
    end = await office.run()

    begin, step = office.lines
    assert isinstance(begin, Begin)
    assert (begin.rollout, begin.total, begin.skipped, begin.is_live, begin.dry_run) == ("checkout", 1, 0, True, False)
    assert len(begin.unreadable) == 1
    assert begin.unreadable[0].startswith(f"orders/{path.name}: ")
    assert isinstance(step, Step)
    assert (step.request_id, step.result, step.status) == ("request-1", "applied", 201)
    assert end == End(applied=1, refused=0, failed=0, skipped=0, left=0)


async def test_the_audit_log_hears_of_a_run(office: Office) -> None:
    """Who, and what came of it; a dry run changes nothing, so it is not told."""
    fill(office.journal / "orders", entry(1), entry(2))
    office.service.says = lambda write: answer(404 if write.name == "request-1" else 200)
    await office.run(dry_run=True)
    assert office.events == []
    await office.run()

    (event,) = office.events
    assert (event.kind, event.rollout, event.actor) == ("reconcile", "checkout", ADA)
    assert event.inputs == {"applied": 1, "refused": 1, "failed": 0, "skipped": 0, "left": 0}
    assert event.reason == "1 applied, 1 refused, 0 failed"
    assert event.time == "2026-01-01T12:00:00.000Z"
    await office.run()
    assert len(office.events) == 1, "nothing was left to send"


async def test_without_a_journal_nobody_says_that_nothing_is_missing(office: Office) -> None:
    """Zero writes would be taken for good news; what an earlier file had kept is still replayed."""
    office.read_file(None)
    with pytest.raises(WrongAction, match="no route of `checkout` has a `journal`"):
        await office.run()
    assert office.lines == []
    fill(office.journal / "orders", entry(1))

    assert (await office.run()).applied == 1


def test_an_end_before_the_end_says_why() -> None:
    """And how much is left, in the audit log as well."""
    end = End(applied=1, refused=0, failed=20, skipped=0, left=1500, stopped="20 writes in a row failed")

    assert say_end(end) == "1 applied, 0 refused, 20 failed; stopped with 1,500 left: 20 writes in a row failed"


async def test_a_store_that_fails_takes_nothing_back(office: Office) -> None:
    """What was applied is marked in the journal, not in the store."""
    fill(office.journal / "orders", entry(1))
    office.store_fails = True

    assert (await office.run()).applied == 1


async def test_what_is_done_makes_room(office: Office) -> None:
    """A journal that was full takes writes again."""
    fill(office.journal / "orders", entry(1))
    await office.run()

    assert list_segments(office.journal / "orders") == []


async def test_a_rollout_is_reconciled_by_one_at_a_time(office: Office) -> None:
    """Two runs would send the same writes twice. When one has ended, however it did, another may begin."""
    fill(office.journal / "orders", entry(1))
    entered, leave = asyncio.Event(), asyncio.Event()

    async def hold(_line: Line) -> None:
        entered.set()
        await leave.wait()

    first = asyncio.ensure_future(office.reconciling.run("checkout", Wish(), ADA, hold))
    await entered.wait()
    with pytest.raises(WrongAction, match="being reconciled already"):
        await office.run()
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first

    assert (await office.run()).applied == 1


async def test_when_nobody_listens_a_run_ends(office: Office) -> None:
    """After what is under way; the rest is for the next one."""
    fill(office.journal / "orders", *(entry(number, key=number) for number in range(1, 101)))

    async def leave(_line: Line) -> None:
        raise ConnectionResetError

    end = await office.reconciling.run("checkout", Wish(), ADA, leave)
    assert (end.left, end.stopped) == (100, "nobody listens any more")
    assert (await office.run()).applied == 100


async def test_what_waits_is_counted_until_it_was_replayed(office: Office) -> None:
    """What was refused is done, what failed waits on; of a rollout that is in no file nothing can be replayed."""
    fill(office.journal / "orders", *(entry(number, key=number) for number in (1, 2, 3)))
    fill(office.journal / "orders", entry(4), heading=Heading("orders", "search"))
    assert office.reconciling.waiting() == {}
    assert await office.reconciling.look()
    assert office.reconciling.waiting() == {"checkout": Journaled(writes=3, is_live=True)}
    says = {"request-1": 201, "request-2": 409, "request-3": 503}
    office.service.says = lambda write: answer(says[write.name])
    await office.run()
    await office.reconciling.look()

    assert office.reconciling.waiting() == {"checkout": Journaled(writes=1, is_live=True)}
    office.service.says = lambda _: answer(201)
    await office.run()
    await office.reconciling.look()
    assert office.reconciling.waiting() == {}


async def test_it_is_counted_as_long_as_the_gateway_runs(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes come at any time."""
    monkeypatch.setattr(reconciling, "COUNT_SECONDS", 0.0)
    counting = asyncio.ensure_future(office.reconciling.count())
    for number in (1, 2):
        fill(office.journal / "orders", entry(number))
        async with asyncio.timeout(30):
            while office.reconciling.waiting().get("checkout") != Journaled(writes=number, is_live=True):
                await asyncio.sleep(0)
    counting.cancel()
    with suppress(asyncio.CancelledError):
        await counting


async def test_a_journal_that_can_not_be_counted_is_said_to_be_so_once(office: Office) -> None:
    """And it is tried again: what was known is still shown."""
    fill(office.journal / "orders", entry(1))
    await office.reconciling.look()
    kept = office.journal.rename(office.journal.with_suffix(".away"))
    office.journal.write_text("in the way")
    with capture_logs() as logs:
        await office.reconciling.look()
        await office.reconciling.look()
    assert [(each["event"], each["reason"]) for each in logs] == [("journal_uncounted", "Not a directory")]
    assert office.reconciling.waiting() == {"checkout": Journaled(writes=1, is_live=True)}
    office.journal.unlink()
    kept.rename(office.journal)
    fill(office.journal / "orders", entry(2))
    await office.reconciling.look()

    assert office.reconciling.waiting() == {"checkout": Journaled(writes=2, is_live=True)}


async def test_a_gateway_that_ends_says_what_it_takes_with_it(office: Office) -> None:
    """Where nothing waits there is nothing to say; where the candidate answers nobody any more it is a warning."""
    with capture_logs() as logs:
        office.reconciling.note_end()
        fill(office.journal / "orders", entry(1), entry(2))
        await office.reconciling.look()
        office.reconciling.note_end()
        office.read_file(POLICY, percent=0)
        office.reconciling.note_end()

    left = [(each["log_level"], each["writes"], each["rollouts"]) for each in logs if each["event"] == "journal_left"]
    assert left == [("info", 2, ["checkout"]), ("warning", 2, ["checkout"])]
    assert {each.get("directory", "") for each in logs} == {str(office.journal)}


async def test_an_unknown_rollout_is_said_to_be_one(office: Office) -> None:
    """Before anything is read."""
    with pytest.raises(UnknownRollout):
        await office.run("chekout")


def test_a_candidate_answers_by_share_or_by_cohort() -> None:
    """And nobody where the mode, a switch or the rollout's state says so."""
    internal, fragile = Cohort("internal", (), arm=Arm.CANDIDATE), Cohort("fragile", (), arm=Arm.BASELINE)
    floor = Cohort("beta", (), percent=5)

    assert [
        may_answer(each) for each in (rollout(1), rollout(0, cohorts=(internal,)), rollout(0, cohorts=(floor,)))
    ] == [True] * 3
    silent = (
        rollout(0, cohorts=(fragile,)),
        rollout(50, mode=Mode.SHADOW),
        rollout(50, killed=True),
        rollout(50, held=Held.ROLLED_BACK),
    )
    assert not any(map(may_answer, silent))
