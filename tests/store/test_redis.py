"""Redis is away, comes back empty, fails over, or is not ours: each call says so, and the next one works."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from gateway.errors import Fenced, StoreUnavailable
from gateway.store import open_store, redis
from gateway.store.redis import RedisStore
from tests.store.records import event, incident, path_record, progress
from tests.store.servers import RedisServer, running, wait_until

WEEK = 7 * 86_400


@pytest.fixture
async def store(redis: RedisServer, url_of: Callable[[str], str]) -> AsyncIterator[RedisStore]:
    """On one server, empty."""
    made = open_store(url_of("redis"))
    assert isinstance(made, RedisStore)
    yield made
    await made.close()


def keys_of(server: RedisServer, store: RedisStore) -> set[str]:
    """What the store has made, without the prefix."""
    return {key.decode().partition("}:")[2] for key in server.ask("KEYS", store._calls.server.key("*"))}


async def test_others_have_a_turn_while_much_that_was_found_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full record is tens of megabytes, and a follower reads it whenever somebody looks at a dashboard."""
    monkeypatch.setattr(redis, "_TURN_BYTES", 1)
    records = [path_record(f"/{number}") for number in range(50)]
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    taking = asyncio.ensure_future(take_turns())
    found = [each async for each in redis._decode_in_turns([msgspec.msgpack.encode(each) for each in records])]
    taking.cancel()

    assert (found, turns) == (records, len(records))


async def test_nothing_is_asked_before_the_first_use() -> None:
    """A gateway starts while its store is away, and says why it can't be used."""
    store = open_store("redis://ann:secret@127.0.0.1:1")
    assert (store.is_ok, store.fault, store.file) == (False, None, "redis://***@127.0.0.1:1")

    with pytest.raises(StoreUnavailable, match=r"the store redis://\*\*\*@127.0.0.1:1 can't be used") as refused:
        await store.progresses()

    assert "secret" not in str(refused.value)
    assert "refused" in (store.fault or "") or "connecting" in (store.fault or "")
    await store.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "redis+sentinel://:secret@127.0.0.1:1/main?sentinel_password=secret",
            "no Sentinel that answers knows a master",
        ),
        ("redis+cluster://:secret@127.0.0.1:1", "Connect call failed"),
        (f"redis://:secret@{'x' * 64}.test", "too long"),
    ],
)
async def test_nobody_there_is_the_same_for_every_kind(url: str, reason: str) -> None:
    """Whatever the library makes of it; and no password is told."""
    store = open_store(url)
    with pytest.raises(StoreUnavailable, match=reason) as refused:
        await store.open()

    assert ("secret" in str(refused.value), "secret" in store.file, store.is_ok) == (False, False, False)
    await store.close()


async def test_a_server_that_dies_is_found_again(tmp_path: Path) -> None:
    """What it forgot is gone; but no event gets a number that this process has seen, or another a moment ago."""
    server = RedisServer(tmp_path)
    with running(server):
        store = open_store(server.url)
        for version in range(3):
            await store.commit("checkout", progress(version=version), event())
        other = open_store(server.url)
        unheard = [(await other.record(event())).id for _ in range(5)]
        await other.close()
        server.stop()
        with pytest.raises(StoreUnavailable):
            await store.record(event())
        assert not store.is_ok

        server.start()
        assert (await store.progresses(), await store.events(), await store.newest("percent")) == ({}, [], None)
        assert store.is_ok
        await store.keep({"checkout": progress(version=2)})
        told = [await store.commit("checkout", progress(version=version), event()) for version in (3, 4)]
        assert told[0].id > unheard[-1]
        assert told[1].id == told[0].id + 1
        assert await store.events(after=unheard[-1]) == told
        await store.close()


async def test_a_server_that_stands_still_costs_a_second_at_most(tmp_path: Path) -> None:
    """Nobody waits for it as long as it likes; what it wrote all the same is found, not written twice."""
    server = RedisServer(tmp_path)
    with running(server):
        store = open_store(server.url)
        first = await store.commit("checkout", progress(version=1), event())
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(StoreUnavailable, match="Timeout"):
            await store.commit("checkout", progress(version=2), event())
        os.kill(server.pid, signal.SIGCONT)
        await asyncio.to_thread(wait_until, lambda: server.ask("XLEN", "{crossfade}:events") == 2)

        second = await store.commit("checkout", progress(version=2), event())
        assert await store.events() == [first, second]
        await store.close()


async def test_another_process_goes_on_with_the_ids(store: RedisStore, url_of: Callable[[str], str]) -> None:
    """They come from the server."""
    await store.record(event())
    other = open_store(store.file)

    assert [(await each.record(event())).id for each in (other, store, other)] == [2, 3, 4]
    await other.close()


async def test_a_leader_that_was_succeeded_writes_no_more(store: RedisStore) -> None:
    """Whatever it still believes: the store has seen a newer lease."""
    await store.commit("checkout", progress(version=1), event(), fence=5)
    with pytest.raises(Fenced):
        await store.commit("checkout", progress(version=2), event(), fence=4)
    with pytest.raises(Fenced):
        await store.keep({"checkout": progress(version=2)}, fence=4)
    await store.commit("checkout", progress(version=2), event(), fence=5)

    assert ((await store.progresses())["checkout"].version, store.is_ok) == (2, True)


async def test_what_is_nobodys_is_not_fenced(store: RedisStore) -> None:
    """An operator moves rollouts through whatever replica; only the version of what is stored counts."""
    await store.commit("checkout", progress(version=1), event(), fence=5)
    await store.commit("checkout", progress(version=2), event())
    await store.keep({"checkout": progress(version=3)})
    with pytest.raises(Fenced):
        await store.commit("checkout", progress(version=4), event(), fence=4)

    assert (await store.progresses())["checkout"].version == 3


async def test_what_nobody_leads_is_written_over_no_move_of_the_same_number(store: RedisStore) -> None:
    """Who says again what the store has forgotten may come second: after another such one, or after a new move."""
    forgotten = {"checkout": progress(5, version=2), "search": progress(version=1)}
    await store.commit("checkout", progress(20, version=2), event())

    assert await store.keep(forgotten) == {"search"}
    assert await store.keep(forgotten) == set()
    assert (await store.progresses())["checkout"] == progress(20, version=2)


async def test_whatever_is_written_of_progress_is_a_move(redis: RedisServer, store: RedisStore) -> None:
    """What was there before word by word, or is older, is none."""
    moves = []
    for call in (
        store.commit("checkout", progress(version=1), event()), store.commit("checkout", progress(version=1), event()),
        store.keep({"checkout": progress(version=1)}), store.keep({"checkout": progress(version=0)}),
        store.keep({"checkout": progress(version=1, held_seconds=3.0), "search": progress()}, fence=1), store.clear(),
    ):  # fmt: skip
        await call
        moves.append(int(redis.ask("HGET", store._calls.server.key("about"), "moves")))

    assert moves == [1, 1, 1, 1, 2, 3]


async def test_what_can_grow_has_a_bound(
    redis: RedisServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events and incidents by their number, with all that points to them."""
    monkeypatch.setattr("gateway.store.redis.EVENTS_KEPT", 3)
    monkeypatch.setattr("gateway.store.redis.INCIDENTS_KEPT", 2)
    for number in range(5):
        await store.commit(f"r{number}", progress(), event(rollout=f"r{number}"), incident(f"i{number}"))
    await store.record(event(rollout=None, kind="config"))

    assert [each.id for each in await store.events()] == [4, 5, 6]
    assert await store.events(rollout="r1") == []
    assert [each.id for each in await store.incidents()] == ["i4", "i3"]
    assert {key for key in keys_of(redis, store) if key.startswith("events")} == {"events", "events:r3", "events:r4"}
    assert len(redis.ask("HKEYS", store._calls.server.key("incident-rollouts"))) == 2


async def test_what_was_not_seen_for_a_week_is_forgotten(redis: RedisServer, store: RedisStore) -> None:
    """By the clock of those who see; when nobody looks any more, by the server's."""
    await store.keep_mismatches([path_record("/old", seen_at=1.0), path_record("/new", seen_at=2.0)])
    await store.keep_mismatches([path_record("/newest", seen_at=WEEK + 2.0)])

    assert {each.tally.path for each in await store.mismatches()} == {"/new", "/newest"}
    for key in ("mismatches", "mismatches-seen"):
        assert 0 < redis.ask("TTL", store._calls.server.key(key)) <= WEEK


async def test_many_paths_are_read_in_pages(store: RedisStore) -> None:
    """All of them, each once."""
    await store.keep_mismatches([path_record(f"/{number}", seen_at=float(number)) for number in range(600)])

    assert len(await store.mismatches()) == 600


async def test_a_path_that_cannot_be_read_any_more_is_left_out(redis: RedisServer, store: RedisStore) -> None:
    """What comparing has found can be found again."""
    await store.keep_mismatches([path_record()])
    redis.ask("HSET", store._calls.server.key("mismatches"), "odd", b"\xc1")

    assert await store.mismatches() == [path_record()]


async def test_what_a_newer_version_wrote_is_refused_and_not_touched(redis: RedisServer, store: RedisStore) -> None:
    """A gateway that was set back must not break it."""
    await store.record(event())
    redis.ask("HSET", store._calls.server.key("about"), "format", "2")

    for call in (store.open(), store.progresses(), store.record(event()), store.keep({}), store.clear()):
        with pytest.raises(StoreUnavailable, match="newer Crossfade"):
            await call
    assert not store.is_ok


async def test_what_is_no_progress_is_told_not_raised_as_it_comes(redis: RedisServer, store: RedisStore) -> None:
    """Somebody may have written there by hand."""
    redis.ask("HSET", store._calls.server.key("progress"), "checkout", "{")

    with pytest.raises(StoreUnavailable, match="truncated"):
        await store.progresses()
    assert not store.is_ok


async def test_an_incident_is_never_replaced(store: RedisStore) -> None:
    """Another one of the same id is refused, and nothing else is written."""
    await store.commit("checkout", progress(version=1), event(), incident("one"))
    with pytest.raises(StoreUnavailable, match="another incident"):
        await store.commit("search", progress(version=1), event(), incident("one", rollout="search"))

    assert [each.rollout for each in await store.incidents()] == ["checkout"]
    assert (len(await store.progresses()), len(await store.events())) == (1, 1)


async def test_two_prefixes_share_a_server_and_nothing_else(
    redis: RedisServer, store: RedisStore, url_of: Callable[[str], str]
) -> None:
    """Every key begins with its own, in braces."""
    other = open_store(url_of("redis"))
    await store.commit("checkout", progress(version=1), event(), incident())
    await store.keep_mismatches([path_record()])
    await other.record(event())
    await other.clear()

    assert (len(await store.events()), await other.progresses()) == (1, {})
    assert keys_of(redis, store) == {
        "about", "progress", "versions", "events", "events:checkout", "newest", "last", "incidents",
        "incident-ids", "incident-rollouts", "mismatches", "mismatches-seen",
    }  # fmt: skip
    await other.close()


async def test_a_cancelled_call_leaves_no_answer_for_the_next(store: RedisStore) -> None:
    """Each gets its own, whenever the one before it was given up."""
    for number in range(20):
        call = asyncio.ensure_future(store.events(rollout="nobody"))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

        assert await store.incidents() == []
        assert await store.progresses() == {}


async def test_sentinels_lead_to_the_new_master(
    sentinel: tuple[RedisServer, RedisServer, RedisServer], url_of: Callable[[str], str]
) -> None:
    """After a failover a call or two fail; then what the replica had is there, and can be written to."""
    url = url_of("redis+sentinel")
    store, key = open_store(url), f"{{{url.partition('prefix=')[2]}}}:progress"
    _, replica, guard = sentinel
    await asyncio.to_thread(wait_until, lambda: replica.ask("INFO")["master_link_status"] == "up")
    await store.commit("checkout", progress(version=1), event())
    await asyncio.to_thread(wait_until, lambda: replica.ask("EXISTS", key))
    await asyncio.to_thread(wait_until, lambda: guard.ask("SENTINEL", "REPLICAS", "main"))
    await asyncio.to_thread(wait_until, lambda: guard.ask("SENTINEL", "FAILOVER", "main"))

    async def is_written() -> bool:
        try:
            await store.commit("checkout", progress(version=2), event())
        except StoreUnavailable:
            return False
        return True

    await asyncio.to_thread(wait_until, lambda: replica.ask("INFO")["role"] == "master")
    while not await is_written():
        await asyncio.sleep(0.01)

    assert [each.id for each in await store.events()] == [1, 2]
    await store.close()


async def test_a_server_that_asks_for_a_password_says_so(secured: str) -> None:
    """Without it, and without trust in its certificate."""
    for url, reason in (
        (secured.replace(":p%40ss%2Fword@", ""), "Authentication required|NOAUTH"),
        (secured.split("?", maxsplit=1)[0], "certificate verify failed"),
    ):
        store = open_store(url)
        with pytest.raises(StoreUnavailable, match=reason) as refused:
            await store.open()
        assert "word" not in str(refused.value).replace("password", "")
        await store.close()


def test_the_bounds_are_those_of_the_contract() -> None:
    """As the operations page has them."""
    assert (redis.EVENTS_KEPT, redis.INCIDENTS_KEPT, redis.MISMATCHES_KEPT_SECONDS) == (100_000, 1000, WEEK)
