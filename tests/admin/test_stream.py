"""Viewers see what changes, as it changes, and cost a bounded little."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from gateway.admin import stream
from gateway.admin.stream import PING_PULSES, View, Viewers, write_event
from gateway.store.records import Event
from tests.admin.desk import Client, desk
from tests.store.records import event

PERCENT = "/api/v1/rollouts/shop/percent"
STREAM = "/api/v1/stream"


@pytest.fixture(autouse=True)
def _quick_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests wait for what is written, not for seconds to pass."""
    monkeypatch.setattr(stream, "PULSE_SECONDS", 0.005)


class Viewer:
    """Reads server-sent events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> tuple[str, Any, str | None]:
        """The name, the data and the id of the next one."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(30):
            while line := (await self.response.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = value
        return fields["event"], json.loads(fields["data"]), fields.get("id")


@asynccontextmanager
async def watch(client: Client, query: str = "", **headers: str) -> AsyncIterator[Viewer]:
    """Someone who watches."""
    async with client.session.get(f"{STREAM}{query}", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield Viewer(response)


async def test_a_viewer_gets_the_status_and_then_what_changes(tmp_path: Path) -> None:
    """Each act is an event with its id; the status follows."""
    async with desk(tmp_path) as (_, client), watch(client) as viewer:
        name, status, _ = await viewer.next()
        assert (name, status["rollouts"][0]["percent"]) == ("status", 5)

        await client.put(PERCENT, json={"percent": 7, "reason": "more"})

        seen = [await viewer.next() for _ in range(2)]
        told = {name: document for name, document, _ in seen}
        assert told["status"]["rollouts"][0]["percent"] == 7
        assert (told["event"]["kind"], told["event"]["reason"]) == ("percent", "more")
        assert [str(document["id"]) for name, document, number in seen if name == "event" and number] == [
            number for name, _, number in seen if name == "event"
        ]


@pytest.mark.parametrize("way", ["query", "header"])
async def test_a_viewer_that_comes_back_misses_nothing(tmp_path: Path, way: str) -> None:
    """It says what it saw last, as browsers do by themselves."""
    async with desk(tmp_path) as (made, client):
        for percent in (6, 7, 8):
            await client.put(PERCENT, json={"percent": percent})
        first = (await made.store.events(rollout="shop"))[0].id
        query, headers = (f"?after={first}", {}) if way == "query" else ("", {"Last-Event-ID": str(first)})

        async with watch(client, query, **headers) as viewer:
            seen = [await viewer.next() for _ in range(3)]

        events = [document["to"]["percent"] for name, document, _ in seen if name == "event"]
        assert events == [7, 8]


async def test_there_are_only_so_many_viewers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is turned away; when one has left, there is room again."""
    monkeypatch.setattr(stream, "VIEWERS", 1)
    async with desk(tmp_path) as (_, client):
        async with watch(client) as viewer:
            await viewer.next()
            assert (await client.get(STREAM)).status == 503
        async with asyncio.timeout(30):
            while True:
                async with client.session.get(STREAM) as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.01)


async def test_an_api_that_ends_lets_its_viewers_go() -> None:
    """A controller that stops does not wait for those who watch."""
    viewers = Viewers()
    assert await viewers.rest()

    await viewers.close(web.Application())

    assert not await viewers.rest()


async def test_silence_is_broken_by_a_ping(tmp_path: Path) -> None:
    """Proxies on the way take it for death otherwise."""
    async with desk(tmp_path) as (made, _):
        view = View(made.control, 10**9)
        assert (await view.look()).startswith(b"event: status\n")

        looks = [await view.look() for _ in range(PING_PULSES)]

    assert looks == [b""] * (PING_PULSES - 1) + [b": ping\n\n"]


def test_an_event_is_one_line_of_data_whatever_is_in_it() -> None:
    """A reason with line breaks must not become an event of its own."""
    written = write_event("event", Event(id=3, **msgspec.structs.asdict(event(reason="a\n\nevent: b\ndata: c"))), 3)

    assert written.startswith(b"id: 3\nevent: event\ndata: {")
    assert written.count(b"\n") == 4
