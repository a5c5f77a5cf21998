"""Names become addresses off the loop, in turn, and the last good answer holds."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from gateway.proxy.resolver import Resolver, is_address
from tests.proxy.wiring import until


def answers(*hosts: str) -> list[tuple[Any, ...]]:
    """What getaddrinfo(3) says for these addresses."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in hosts]


class Names:
    """A name server in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
        self.hosts: tuple[str, ...] = hosts
        self.asked = 0
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.look_up)

    async def look_up(self, *_args: object, **_options: object) -> list[tuple[Any, ...]]:
        self.asked += 1
        if not self.hosts:
            raise OSError("no such name")
        return answers(*self.hosts)


async def take(address: str) -> str:
    """Connect to anything."""
    return address


@pytest.mark.parametrize(
    ("host", "is_one"), [("10.0.0.1", True), ("::1", True), ("a.example", False), ("1.2.3", False)]
)
def test_addresses_are_told_from_names(host: str, is_one: bool) -> None:
    """Only names are looked up."""
    assert is_address(host) is is_one


async def test_an_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what it is."""
    names = Names(monkeypatch)

    assert await Resolver("10.0.0.1", lambda _: None).reach(take) == "10.0.0.1"
    assert names.asked == 0


async def test_addresses_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with two addresses gets connections to both."""
    Names(monkeypatch, "10.0.0.1", "10.0.0.2")
    resolver = Resolver("a.example", lambda _: None)

    reached = {await resolver.reach(take) for _ in range(4)}

    resolver.stop()
    assert reached == {"10.0.0.1", "10.0.0.2"}


async def test_an_address_that_does_not_answer_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ::1 is where a service listens on 127.0.0.1 only."""
    Names(monkeypatch, "10.0.0.1", "10.0.0.2")
    resolver = Resolver("a.example", lambda _: None)

    async def connect(address: str) -> str:
        if address == "10.0.0.1":
            raise ConnectionRefusedError
        return address

    reached = {await resolver.reach(connect) for _ in range(4)}

    resolver.stop()
    assert reached == {"10.0.0.2"}


async def test_after_the_end_a_name_is_looked_up_only_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retired pool still connects for the requests under way; it must not begin to refresh again for ever."""
    names = Names(monkeypatch, "10.0.0.1")
    resolver = Resolver("a.example", lambda _: None)
    resolver.stop()

    assert await resolver.reach(take) == "10.0.0.1"
    assert await resolver.reach(take) == "10.0.0.1"

    assert resolver._refreshing is None
    assert names.asked == 1


async def test_a_name_that_can_not_be_one_fails_like_any_other() -> None:
    """What getaddrinfo(3) is never asked: a label over 63 letters."""
    with pytest.raises(OSError, match="is not a name"):
        await Resolver("a" * 64 + ".example", lambda _: None).reach(take)


async def test_a_failed_look_up_keeps_the_last_answer_and_a_new_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that is away takes nobody with it; a name that moves is followed."""
    names = Names(monkeypatch, "10.0.0.1")
    told: list[frozenset[str]] = []
    resolver = Resolver("a.example", told.append)
    await resolver.reach(take)

    names.hosts = ()
    with pytest.raises(OSError, match="no such name"):
        await resolver._look_up()
    assert await resolver.reach(take) == "10.0.0.1"
    names.hosts = ("10.0.0.9",)
    await resolver._look_up()

    assert await resolver.reach(take) == "10.0.0.9"
    assert told == [frozenset({"10.0.0.9"})]
    resolver.stop()


async def test_a_name_in_use_is_looked_up_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after look-ups that failed."""
    monkeypatch.setattr("gateway.proxy.resolver._REFRESH_SECONDS", 0)
    names = Names(monkeypatch, "10.0.0.1")
    told: list[frozenset[str]] = []
    resolver = Resolver("a.example", told.append)
    await resolver.reach(take)

    names.hosts = ()
    await until(lambda: names.asked > 3, asyncio.get_running_loop())
    names.hosts = ("10.0.0.9",)
    await until(lambda: told, asyncio.get_running_loop())

    resolver.stop()
    assert told == [frozenset({"10.0.0.9"})]
