"""Whatever goes wrong on the way is one thing to who called; and what did is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import msgspec
import pytest
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import ConnectionError as Unconnected
from redis.exceptions import SlotNotCoveredError

from gateway.core.store_urls import RedisUrl, parse_store
from gateway.errors import Fenced, StoreConflict, StoreUnavailable
from gateway.store.calls import Calls, pair


def call(url: str) -> Calls:
    """Those to a server."""
    found = parse_store(url)
    assert isinstance(found, RedisUrl)
    return Calls(found)


@pytest.fixture
async def calls(url_of: Callable[[str], str]) -> AsyncIterator[Calls]:
    """To a real server."""
    made = call(url_of("redis"))
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unconnected("connection refused"), "connection refused"),
        (SlotNotCoveredError("slot 5 is nobody's"), "slot 5"),
        (MasterNotFoundError("a, b and c said nothing"), "no Sentinel that answers"),
        (TimeoutError(), "no answer in time"),
        (UnicodeError("label too long"), "too long"),
        (msgspec.DecodeError("truncated"), "truncated"),
    ],
)
def test_every_fault_is_that_the_store_cannot_be_used(error: Exception, reason: str) -> None:
    """With its reason, and without a password; the next call that succeeds ends it."""
    calls = call("redis://ann:secret@db")
    with (
        pytest.raises(StoreUnavailable, match=rf"the store redis://\*\*\*@db can't be used: .*{reason}"),
        calls.noted(),
    ):
        raise error
    assert (calls.is_ok, calls.fault is None) == (False, False)

    with calls.noted():
        pass
    assert (calls.is_ok, calls.fault) == (True, None)


def test_a_mistake_of_ones_own_is_no_fault_of_the_store() -> None:
    """It comes out as it is, and is not noted."""
    calls = call("redis://db")
    with pytest.raises(KeyError), calls.noted():
        raise KeyError("mistake")

    assert calls.fault is None


async def test_what_a_script_refuses_is_no_fault_of_the_store(calls: Calls) -> None:
    """Somebody else has moved, or leads: the store is as well as before."""
    await calls.run("keep", 5, "checkout", 3, "{}")
    with pytest.raises(Fenced, match="lease 5"):
        await calls.run("keep", 4, "checkout", 4, "{}")
    with pytest.raises(StoreConflict) as refused:
        await calls.run("commit", 0, 10, 10, "", "checkout", 3, "{}", "percent", "{}", "", "")

    assert (refused.value.newest, calls.is_ok) == (3, True)


async def test_a_newer_format_is_a_fault(calls: Calls) -> None:
    """This version must not touch what it does not know."""
    await calls.server.ask("HSET", calls.server.key("about"), "format", 2)

    with pytest.raises(StoreUnavailable, match="newer Crossfade"):
        await calls.run("open")
    assert not calls.is_ok


def test_what_comes_in_turns_is_paired() -> None:
    """And half a pair is a mistake."""
    assert list(pair([b"a", b"1", b"b", b"2"])) == [(b"a", b"1"), (b"b", b"2")]
    with pytest.raises(ValueError, match="zip"):
        list(pair([b"a"]))
