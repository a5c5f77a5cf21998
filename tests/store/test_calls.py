"""Whatever goes wrong on the way is one thing to who called; and what did is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import ConnectionError as Unconnected
from redis.exceptions import RedisClusterException, RedisError, SlotNotCoveredError

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


_SCRIPT = "script: b8c69e85e854f7a9a5ad4a2c2e4d6f1a0a4f6f0e, on @user_script:172."
_PROTECTED = "Redis is running in protected mode"
_OVER = "command not allowed when used memory > 'maxmemory'"
_WHERETO = "connecting to [::1]:7391"
_LONG = "Multiple exceptions: " + ", ".join(
    f"[Errno 111] Connect call failed ('10.0.0.{each}', 6379)" for each in range(4)
)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (f"DENIED {_PROTECTED}. In this mode\nconnections are", f"DENIED {_PROTECTED}"),
        (f"OOM {_OVER}. {_SCRIPT}", f"OOM {_OVER}"),
        (f"ERR unknown command {_SCRIPT}", "ERR unknown command"),
        (f"Error 111 {_WHERETO}. Connect call failed.", f"Error 111 {_WHERETO}. Connect call failed"),
        ("Error connecting to db:7391.", "Error connecting to db:7391"),
        ("the version 7.0 is too old", "the version 7.0 is too old"),
        (_LONG, _LONG[:159] + "…"),
    ],
)
def test_a_reason_is_a_sentence(said: str, reason: str) -> None:
    """Without what a server has to say beyond, and without the place in a script."""
    calls = call("redis://db")
    with pytest.raises(StoreUnavailable), calls.noted():
        raise RedisError(said)

    assert calls.fault == reason


def test_why_a_cluster_cannot_be_connected_is_what_a_node_said() -> None:
    """That it can't says nothing that was not known."""
    calls = call("redis+cluster://a,b")
    with pytest.raises(StoreUnavailable, match="used: invalid password"), calls.noted():
        raise RedisClusterException("Redis Cluster cannot be connected. Please …") from RedisError("invalid password")


async def test_a_certificate_that_vanished_is_named(tmp_path: Path) -> None:
    """The client only says that there is no file, and where it was about to connect to."""
    calls = call(f"rediss://127.0.0.1:1?ssl_ca_certs={tmp_path}/ca.pem")
    with pytest.raises(StoreUnavailable, match=rf"{tmp_path}/ca\.pem can't be read: No such file or directory"):
        await calls.run("open")
    await calls.close()


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
