"""What every place where replicas meet does alike, whatever servers it is on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import pytest

from gateway.core.figures import Answer, PathFigures, Subject
from gateway.core.fleet import LEASE_SECONDS, Portion, Pulse, Report, Sum
from gateway.core.windows import Cell
from gateway.errors import Fenced
from gateway.store import FleetStore, Store, open_fleet, open_store
from tests.store.records import event, presence, progress

BASELINE = Subject("shop", "/cart/{id}", "baseline", is_forced=False)


class Beat(Protocol):
    """A report of one replica."""

    async def __call__(
        self, replica: str, report: Report | None = None, *, lease_seconds: float = LEASE_SECONDS, known_fence: int = 0
    ) -> Pulse: ...


@pytest.fixture(params=["redis", "rediss", "redis+sentinel", "redis+cluster"])
def url(request: pytest.FixtureRequest, url_of: Callable[[str], str]) -> str:
    """Of an empty store of each kind that several gateways can use."""
    return url_of(request.param)


@pytest.fixture
async def fleet(url: str) -> AsyncIterator[FleetStore]:
    """Where replicas meet, and nobody has been yet."""
    made = open_fleet(url)
    assert made is not None
    yield made
    await made.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """The store of the same fleet, as another gateway has it open."""
    made = open_store(url)
    yield made
    await made.close()


@pytest.fixture
def beat(fleet: FleetStore) -> Beat:
    """Report, with a presence that is like any other."""

    async def report(
        replica: str, report: Report | None = None, *, lease_seconds: float = LEASE_SECONDS, known_fence: int = 0
    ) -> Pulse:
        return await fleet.report(
            replica, presence(host=replica), report, lease_seconds=lease_seconds, known_fence=known_fence
        )

    return report


def counted(requests: int) -> list[tuple[Subject, Cell]]:
    """What so many requests did."""
    figures = PathFigures(
        answers={Answer("b1", "GET", 200, "hash"): requests},
        latencies={416: requests},
        copies={("match", ""): requests},
    )
    return [(BASELINE, Cell.of(figures))]


def test_a_store_for_one_gateway_is_no_place_to_meet() -> None:
    """A file is nobody else's."""
    assert open_fleet("sqlite:state.db") is None


async def test_the_first_that_asks_leads_and_goes_on_leading(beat: Beat) -> None:
    """The others hear who it is; to be first is enough, and an empty store says that it is one."""
    told = [await beat(replica) for replica in ("a", "b", "a")]

    assert told == [Pulse("a", fence=1, moves=0, event=0, is_empty=True)] * 3


async def test_a_lease_that_is_not_renewed_goes_to_the_next_under_a_higher_fence(beat: Beat) -> None:
    """Its holder may have died: nobody has to do anything for it."""
    await beat("a", lease_seconds=0.05)
    while (pulse := await beat("b")).leader == "a":
        await asyncio.sleep(0.01)

    assert (pulse.leader, pulse.fence) == ("b", 2)
    assert (await beat("a")).leader == "b"


async def test_who_does_not_ask_does_not_lead_and_gives_up_what_it_has(beat: Beat) -> None:
    """A replica that is about to end."""
    assert (await beat("a", lease_seconds=0)).leader == ""
    await beat("a")
    pulse = await beat("a", lease_seconds=0)

    assert (pulse.leader, pulse.fence) == ("", 1)
    assert (await beat("b")).fence == 2


async def test_a_fence_is_above_all_that_anybody_knows_of(beat: Beat) -> None:
    """The store may have forgotten some: then who leads by an old number gets a new one, and nobody else does."""
    await beat("a")

    assert (await beat("b", known_fence=7)).fence == 1
    assert (await beat("a", known_fence=7)).fence == 8
    assert (await beat("a")).fence == 8


async def test_who_leads_no_more_can_neither_move_nor_share(beat: Beat, fleet: FleetStore, store: Store) -> None:
    """From the moment on at which another got the lease; an operator's move is nobody's lease."""
    old = (await beat("a")).fence
    await fleet.leave("a")
    new = (await beat("b")).fence
    for call in (
        store.commit("checkout", progress(version=1), event(), fence=old), fleet.share(b"", Sum([]), fence=old),
        store.keep({"checkout": progress(version=1)}, fence=old),
    ):  # fmt: skip
        with pytest.raises(Fenced):
            await call
    await store.commit("checkout", progress(version=1), event(), fence=new)
    await store.commit("checkout", progress(version=2), event())

    assert (await store.progresses())["checkout"].version == 2
    assert [counted async for counted in fleet.sums()] == []


async def test_each_report_is_read_once_and_whole(beat: Beat, fleet: FleetStore) -> None:
    """In the order in which they came; what was there before somebody asks is not for them."""
    reports = [
        Report(name, {"checkout": Portion(4, counted(number + 1), [(BASELINE, {3: 1})])})
        for number, name in enumerate("abc")
    ]
    await beat("a", Report("a", {}))
    before, at = await fleet.reports("")
    for each in reports:
        await beat(each.replica, each)
    first, at = await fleet.reports(at)
    await beat("a")
    await beat("b", reports[1])
    second, at = await fleet.reports(at)

    assert [list(each) for each in (before, first, second)] == [[], reports, [reports[1]]]
    nothing, same = await fleet.reports(at)
    assert (list(nothing), same) == ([], at)


async def test_all_that_were_heard_of_are_known_until_they_leave(beat: Beat, fleet: FleetStore) -> None:
    """With what they said last, and for how long they have been silent."""
    assert await fleet.replicas() == []
    for replica in ("b", "a", "b", "c"):
        await beat(replica)
    await fleet.leave("c")
    found = await fleet.replicas()

    assert [(seen.replica, seen.presence) for seen in found] == [(name, presence(host=name)) for name in ("a", "b")]
    assert all(0 <= seen.silent_seconds < 60 for seen in found)


async def test_who_leaves_gives_its_lease_back_and_nobody_elses(beat: Beat, fleet: FleetStore) -> None:
    """So another leads with its next beat."""
    await beat("a")
    await fleet.leave("b")
    assert (await beat("b")).leader == "a"
    await fleet.leave("a")

    assert (await beat("b")).leader == "b"


async def test_a_successor_finds_what_all_counted(beat: Beat, fleet: FleetStore) -> None:
    """All that leaders left, the oldest first, with its ages; and what the rules said last."""
    assert ([each async for each in fleet.sums()], await fleet.verdicts()) == ([], b"")
    fence = (await beat("a")).fence
    for number in range(5):
        await fleet.share(b"verdict %d" % number, Sum(counted(number)) if number % 2 == 0 else None, fence=fence)
    found = [each async for each in fleet.sums()]
    ages = [age for age, _ in found]

    assert [each for _, each in found] == [Sum(counted(number)) for number in (0, 2, 4)]
    assert ages == sorted(ages, reverse=True)
    assert 0 <= ages[-1] <= ages[0] < 60
    assert await fleet.verdicts() == b"verdict 4"


async def test_a_move_is_heard_at_once(fleet: FleetStore, store: Store) -> None:
    """Wherever it was made; and the number of moves says the same to who did not listen."""
    heard: asyncio.Queue[None] = asyncio.Queue()
    listening = asyncio.ensure_future(fleet.listen(lambda: heard.put_nowait(None)))
    await heard.get()
    for move in (
        store.commit("checkout", progress(version=1), event()), store.keep({"checkout": progress(version=2)}),
    ):  # fmt: skip
        await move
        await heard.get()
    await store.keep({"checkout": progress(version=2, held_seconds=1.0)}, fence=0)
    listening.cancel()
    await asyncio.wait({listening})

    assert (listening.cancelled(), heard.empty()) == (True, True)
    pulse = await fleet.report("a", presence(), None, lease_seconds=0, known_fence=0)
    assert pulse == Pulse("", fence=0, moves=3, event=1, is_empty=False)


async def test_what_was_cleared_is_another_move(beat: Beat, fleet: FleetStore, store: Store) -> None:
    """Whoever follows has to look again; who was there is forgotten, and no fence is given twice."""
    await beat("a")
    await store.commit("checkout", progress(version=1), event())
    await store.clear()

    assert await fleet.replicas() == []
    assert await beat("b") == Pulse("b", fence=2, moves=2, event=1, is_empty=True)
