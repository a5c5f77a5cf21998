"""In Redis nothing of a fleet stays for long; what is strange, forgotten or late there harms nobody."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.core.fleet import LEASE_SECONDS, LEFT_SECONDS, PRESENCE_SECONDS, Pulse, Report, Sum
from gateway.errors import Fenced, StoreUnavailable
from gateway.store import Store, open_fleet, open_store, redis_fleet
from gateway.store.redis_fleet import RedisFleet
from tests.store.records import event, path_record, presence, progress
from tests.store.servers import RedisServer, running

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "store.md"
LONG_AGO = "1-0"
FAR_AHEAD = "9999999999999-0"


def meet(url: str) -> RedisFleet:
    """Where the gateways on this store do."""
    made = open_fleet(url)
    assert isinstance(made, RedisFleet)
    return made


@pytest.fixture
async def fleet(redis: RedisServer, url_of: Callable[[str], str]) -> AsyncIterator[RedisFleet]:
    """On one server, empty."""
    made = meet(url_of("redis"))
    yield made
    await made.close()


@pytest.fixture
async def store(fleet: RedisFleet) -> AsyncIterator[Store]:
    """Of the same gateways."""
    made = open_store(fleet._calls.file)
    yield made
    await made.close()


async def beat(fleet: RedisFleet, replica: str, report: Report | None = None, *, known_fence: int = 0) -> Pulse:
    """A report as each replica makes it."""
    return await fleet.report(replica, presence(), report, lease_seconds=LEASE_SECONDS, known_fence=known_fence)


async def read(fleet: RedisFleet, after: str) -> list[Report]:
    """What was handed in since."""
    return list((await fleet.reports(after))[0])


async def add_up(fleet: RedisFleet) -> list[Sum]:
    """What leaders have left."""
    return [counted async for _, counted in fleet.sums()]


def key_of(fleet: RedisFleet, name: str) -> str:
    """With the prefix."""
    return fleet._server.key(name)


async def test_a_store_that_was_wiped_says_so(redis: RedisServer, fleet: RedisFleet) -> None:
    """Fewer moves than before, no rollouts, and nobody leads; the fence grows, as replicas know how far it was."""
    store = open_store(fleet._calls.file)
    for _ in range(2):
        before = await beat(fleet, "a")
        await store.keep({"checkout": progress(version=3)})
    _, at = await fleet.reports("")
    redis.ask("FLUSHALL")
    after = await beat(fleet, "b", Report("b", {}), known_fence=before.fence)

    assert (before.moves, before.is_empty) == (1, False)
    assert after == Pulse("b", before.fence + 1, moves=0, event=0, is_empty=True)
    assert await read(fleet, at) == [Report("b", {})]
    await store.close()


async def test_a_fence_that_a_store_has_forgotten_holds_again_as_soon_as_anybody_knows_of_it(
    redis: RedisServer, fleet: RedisFleet, store: Store
) -> None:
    """Though another leads by then: nobody gets in by a lease from between, and the next number is above all."""
    redis.ask("FLUSHALL")
    assert (await beat(fleet, "new")).fence == 1
    await beat(fleet, "b", known_fence=3)
    with pytest.raises(Fenced, match="lease 3"):
        await store.commit("checkout", progress(version=1), event(), fence=2)

    assert (await beat(fleet, "new")).fence == 4
    await store.commit("checkout", progress(version=1), event(), fence=4)


async def test_all_that_is_kept_ends_by_itself(redis: RedisServer, fleet: RedisFleet) -> None:
    """Some time after the last replica has gone."""
    pulse = await beat(fleet, "a", Report("a", {}))
    await fleet.share(b"verdicts", Sum([]), fence=pulse.fence)
    bounds = {
        "replicas": PRESENCE_SECONDS, "replicas-seen": PRESENCE_SECONDS, "lease": LEASE_SECONDS,
        "reports": redis_fleet.REPORTS_KEPT_SECONDS, "sums": LEFT_SECONDS,
        "verdicts": redis_fleet.VERDICTS_KEPT_SECONDS,
    }  # fmt: skip
    left = {name: redis.ask("PTTL", key_of(fleet, name)) for name in bounds}

    assert {name: 0 < ms <= bounds[name] * 1000 for name, ms in left.items()} == dict.fromkeys(bounds, True)
    assert {key.decode().partition("}:")[2] for key in redis.ask("KEYS", key_of(fleet, "*"))} == {*bounds, "about"}


async def test_what_can_grow_has_a_bound(
    redis: RedisServer, fleet: RedisFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By number, and by age."""
    monkeypatch.setattr(redis_fleet, "REPORTS_KEPT", 3)
    monkeypatch.setattr(redis_fleet, "_SUMS_KEPT", 2)
    for name in ("reports", "sums"):
        redis.ask("XADD", key_of(fleet, name), LONG_AGO, "report", "old")
    pulse = await beat(fleet, "a", Report("a", {}))
    await fleet.share(b"", Sum([]), fence=pulse.fence)
    assert [redis.ask("XLEN", key_of(fleet, name)) for name in ("reports", "sums")] == [1, 1]

    for _ in range(4):
        await beat(fleet, "a", Report("a", {}))
        await fleet.share(b"", Sum([]), fence=pulse.fence)
    assert [redis.ask("XLEN", key_of(fleet, name)) for name in ("reports", "sums")] == [3, 2]


async def test_who_was_silent_for_long_is_forgotten(redis: RedisServer, fleet: RedisFleet) -> None:
    """By whoever comes next."""
    await beat(fleet, "silent")
    redis.ask("ZADD", key_of(fleet, "replicas-seen"), 1, "silent")
    await beat(fleet, "a")

    assert [seen.replica for seen in await fleet.replicas()] == ["a"]
    assert redis.ask("HLEN", key_of(fleet, "replicas")) == 1


async def test_what_another_version_says_is_left_out_and_told_once(redis: RedisServer, fleet: RedisFleet) -> None:
    """While a fleet is replaced one by one, both sorts are on one store."""
    pulse = await beat(fleet, "a")
    _, at = await fleet.reports("")
    await fleet.share(b"", Sum([]), fence=pulse.fence)
    for _ in range(2):
        redis.ask("XADD", key_of(fleet, "reports"), "*", "report", b"\xc1")
        redis.ask("XADD", key_of(fleet, "sums"), "*", "sum", b"no zlib")
    redis.ask("HSET", key_of(fleet, "replicas"), "strange", "{}")
    redis.ask("ZADD", key_of(fleet, "replicas-seen"), FAR_AHEAD.partition("-")[0], "strange")
    await beat(fleet, "a", Report("a", {}))
    with capture_logs() as logs:
        found = [await read(fleet, at) for _ in range(2)]
        assert len(await add_up(fleet)) == 1
        assert [seen.replica for seen in await fleet.replicas()] == ["a"]

    assert found == [[Report("a", {})]] * 2
    assert [(line["event"], line["what"]) for line in logs] == [
        ("fleet_not_understood", what) for what in ("report", "sum", "presence")
    ]


async def test_who_is_far_behind_reads_on_with_the_next_call(
    fleet: RedisFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer has a bound, however much there is; sums come in pages, too."""
    monkeypatch.setattr(redis_fleet, "_PAGE", 2)
    monkeypatch.setattr(redis_fleet, "_PAGES", 2)
    fence, at, found = (await beat(fleet, "a")).fence, "0-0", []
    for number in range(7):
        await beat(fleet, "a", Report(f"r{number}", {}))
        await fleet.share(b"", Sum([]), fence=fence)
    for _ in range(3):
        reports, at = await fleet.reports(at)
        found.append([report.replica for report in reports])

    assert found == [["r0", "r1", "r2", "r3"], ["r4", "r5", "r6"], []]
    assert len(await add_up(fleet)) == 7


async def test_a_clock_that_was_set_back_loses_no_reports_for_long(fleet: RedisFleet) -> None:
    """Who asks for what is ahead of all there is goes on from there."""
    await beat(fleet, "a", Report("a", {}))
    none, at = await fleet.reports(FAR_AHEAD)
    await beat(fleet, "b", Report("b", {}))

    assert (list(none), await read(fleet, at)) == ([], [Report("b", {})])


@pytest.mark.parametrize(("kind", "is_connected"), [("redis", True), ("redis", False), ("redis+cluster", True)])
async def test_a_call_that_was_given_up_leaves_no_answer_for_the_next(
    kind: str, is_connected: bool, url_of: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    """The server stands still when it is cancelled, while connecting or later, and answers when the next one waits."""
    server = request.getfixturevalue("redis" if kind == "redis" else "cluster")
    fleet = meet(url_of(kind))
    if is_connected:
        await beat(fleet, "a")
    with standing_still(server):
        for number in range(8):
            await give_up(beat(fleet, "a"), number)
        following = asyncio.ensure_future(fleet.verdicts())
        await asyncio.sleep(0.01)

    assert await following == b""
    assert (await beat(fleet, "a")).leader == "a"
    await fleet.close()


@contextmanager
def standing_still(server: RedisServer) -> Iterator[None]:
    """It takes connections and answers nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def give_up(call: Coroutine[object, object, object], turns: int) -> None:
    """Cancel it after more or less of it was done."""
    calling = asyncio.ensure_future(call)
    for _ in range(turns):
        await asyncio.sleep(0.001)
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)


async def test_listening_ends_with_the_server(tmp_path: Path) -> None:
    """It is for who listened to begin again."""
    server = RedisServer(tmp_path)
    with running(server):
        fleet, heard = meet(server.url), asyncio.Event()
        listening = asyncio.ensure_future(fleet.listen(heard.set))
        await heard.wait()
        server.stop()
        with pytest.raises(StoreUnavailable):
            await listening
        with pytest.raises(StoreUnavailable):
            await fleet.listen(heard.set)
        await fleet.close()


# ------------------------------------------------------------------------------------------------- who may do what


def permissions(prefix: str) -> list[str]:
    """What the operations page has an ACL say, with a prefix."""
    (sentence,) = re.findall(r"^- \*\*Of an ACL:\*\*(.*?)(?=\n- |\n\n)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return " ".join(re.findall(r"`([^`]+)`", sentence)).replace("crossfade", prefix).split()


@pytest.mark.parametrize("kind", ["redis", "redis+cluster"])
async def test_an_acl_as_the_page_has_it_is_enough(
    kind: str, url_of: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    """For all that a gateway does, and for nothing beside it."""
    server = request.getfixturevalue("redis" if kind == "redis" else "cluster")
    url = url_of(kind)
    prefix = url.partition("prefix=")[2]
    server.ask("ACL", "SETUSER", prefix, "reset", "on", ">pw", *permissions(prefix))
    fleet, store = (make(url.replace("//", f"//{prefix}:pw@", 1)) for make in (meet, open_store))
    heard = asyncio.Event()
    listening = asyncio.ensure_future(fleet.listen(heard.set))
    await heard.wait()
    heard.clear()
    await store.open()
    await store.commit("checkout", progress(version=1), event())
    await heard.wait()
    await store.keep_mismatches([path_record()])
    pulse = await beat(fleet, "a", Report("a", {}))
    await fleet.share(b"v", Sum([]), fence=pulse.fence)

    assert (len(await read(fleet, "0-0")), len(await add_up(fleet)), await fleet.verdicts()) == (1, 1, b"v")
    assert (len(await fleet.replicas()), len(await store.mismatches())) == (1, 1)
    await fleet.leave("a")
    await store.clear()
    listening.cancel()
    await asyncio.wait({listening})
    for made in (fleet, store):
        await made.close()


async def test_who_may_not_publish_moves_all_the_same(redis: RedisServer, url_of: Callable[[str], str]) -> None:
    """Others find it by the number of moves; who may not listen is told why."""
    url = url_of("redis")
    prefix = url.partition("prefix=")[2]
    silent = [each for each in permissions(prefix) if not each.startswith("&")]
    redis.ask("ACL", "SETUSER", prefix, "reset", "on", ">pw", "resetchannels", *silent)
    fleet, store = (make(url.replace("//", f"//{prefix}:pw@", 1)) for make in (meet, open_store))
    await store.commit("checkout", progress(version=1), event())

    assert (await beat(fleet, "a")).moves == 1
    with pytest.raises(StoreUnavailable, match="channel"):
        await fleet.listen(lambda: None)
    for made in (fleet, store):
        await made.close()
