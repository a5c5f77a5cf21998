"""Server-sent events."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin import overview, stream
from gateway.admin.overview import Overviews
from gateway.admin.stream import PING_PULSES, STATUS_PULSES, VIEWERS, Packing, View
from tests.admin.desk import Client, Desk, counted, desk

PERCENT = "/api/v1/rollouts/shop/percent"


class Viewer:
    """Reads a stream as a browser does."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def read(self) -> dict[str, str]:
        """The fields of the next event; a comment is the field with the empty name."""
        fields: dict[str, str] = {}
        while line := (await self.response.content.readline()).decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields

    async def find(self, name: str, is_meant: Callable[[Any], bool]) -> dict[str, str]:
        """The next event of this name whose content is meant; what comes before it is skipped."""
        while True:
            fields = await self.read()
            if fields.get("event") == name and is_meant(json.loads(fields["data"])):
                return fields


SHOPS = """\
version: 1
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:2}
rollouts:
  a: {key: client_ip, percent: 1}
  b: {key: client_ip, percent: 2}
  c: {key: client_ip, percent: 3}
routes:
  - {name: a, match: /a/**, baseline: legacy, candidate: new, rollout: a}
  - {name: b, match: /b/**, baseline: legacy, candidate: new, rollout: b}
  - {name: c, match: /c/**, baseline: legacy, candidate: new, rollout: c}
"""


@asynccontextmanager
async def view(client: Client, query: str = "", **headers: str) -> AsyncIterator[Viewer]:
    """Someone who watches."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.session.get(f"/api/v1/stream{query}", headers=named) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield Viewer(response)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pulse does not take a second here, and every look is a new one."""
    monkeypatch.setattr(stream, "PULSE_SECONDS", 0.01)
    monkeypatch.setattr(overview, "LOOK_SECONDS", 0.0)


def watch(made: Desk, last_id: int | None = 2**40, **more: Any) -> View:
    """A viewer who has seen all events, unless it is said which."""
    return View(made.control, Overviews(made.control), last_id, **more)


def events_in(news: bytes) -> list[tuple[str, Any]]:
    """Name and content of the events in a look."""
    blocks = [dict(line.split(": ", 1) for line in text.split("\n")) for text in news.decode().split("\n\n") if text]
    return [(block["event"], json.loads(block["data"])) for block in blocks]


def rows_in(news: bytes) -> list[tuple[str, Any]]:
    """The rows in a look, by name."""
    return [(row["name"], row) for name, content in events_in(news) if name == "overview" for row in content["rows"]]


async def test_a_viewer_sees_the_status_and_then_what_changes(tmp_path: Path) -> None:
    """Each event of the audit log, by its id, as the API lists it."""
    async with desk(tmp_path) as (_, client), view(client) as viewer:
        first = await viewer.read()
        assert (first["event"], json.loads(first["data"])["rollouts"][0]["percent"]) == ("status", 5)
        second = await viewer.read()
        assert second["id"] == str(max(each["id"] for each in (await client.get("/api/v1/events")).json["items"]))
        row = json.loads(second["data"])["rows"][0]
        assert (row["name"], row["percent"], row["last_event"]) == ("shop", 5, None)
        await client.put(PERCENT, json={"percent": 6, "reason": "a try"})
        event = await viewer.find("event", lambda content: content["rollout"] == "shop")
        (listed,) = (await client.get("/api/v1/events?rollout=shop")).json["items"]

        assert (event["id"], json.loads(event["data"])) == (str(listed["id"]), listed)
        await client.put(PERCENT, json={"percent": 7})
        await viewer.find("status", lambda content: content["rollouts"][0]["percent"] == 7)
        await viewer.find("overview", lambda content: content["rows"][0]["percent"] == 7)


@pytest.mark.parametrize("by", ["query", "header"])
async def test_who_comes_back_misses_nothing(tmp_path: Path, by: str) -> None:
    """The id of the last event that was seen says where to go on."""
    async with desk(tmp_path) as (_, client):
        for percent in range(4):
            await client.put(PERCENT, json={"percent": percent})
        listed = (await client.get("/api/v1/events?rollout=shop")).json["items"]
        last = listed[1]["id"]
        query, headers = (f"?after={last}", {}) if by == "query" else ("", {"Last_Event_ID": str(last)})
        async with view(client, query, **headers) as viewer:
            seen = [await viewer.read() for _ in range(4)]

        assert [each["id"] for each in seen if each["event"] == "event"] == [str(each["id"]) for each in listed[2:]]


async def test_a_status_that_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    """That time goes by is no change; what a worker does is one, now and then; what a backend does is one at once."""
    async with desk(tmp_path) as (made, _):
        watched = watch(made)
        assert [name for name, _ in events_in(await watched.look())] == ["status", "overview"]
        made.now = made.now.replace(second=59)
        made.seat.in_flight = 1
        looks = [await watched.look() for _ in range(STATUS_PULSES)]
        assert looks[:-1] == [b""] * (STATUS_PULSES - 1)
        assert [content["workers"][0]["in_flight"] for _, content in events_in(looks[-1])] == [1]
        made.seat.endpoints = {"new": {"http://127.0.0.1:2": False}}
        (_, status), *_ = events_in(await watched.look())
        assert status["backends"][1]["endpoints"][0]["healthy"] is False


async def test_silence_is_broken_by_a_ping(tmp_path: Path) -> None:
    """A comment, which no client takes for an event."""
    async with desk(tmp_path) as (made, _):
        watched = watch(made)
        looks = [await watched.look() for _ in range(2 * PING_PULSES + 1)]

        assert [number for number, news in enumerate(looks) if news] == [0, PING_PULSES, 2 * PING_PULSES]
        assert looks[PING_PULSES] == b": ping\n\n"


async def test_rows_come_once_and_then_when_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollout that moves is one row, new figures are one; what is gone is named."""
    monkeypatch.setattr(overview, "COUNT_SECONDS", 0.0)
    async with desk(tmp_path, SHOPS) as (made, client):
        watched = watch(made)
        assert [name for name, _ in rows_in(await watched.look())] == ["a", "b", "c"]
        assert rows_in(await watched.look()) == []
        await client.put("/api/v1/rollouts/b/percent", json={"percent": 9})
        assert [(name, row["percent"]) for name, row in rows_in(await watched.look())] == [("b", 9)]
        made.count(counted("/", latencies_ms=[7], route="c"))
        assert [(name, row["baseline"]["requests"]) for name, row in rows_in(await watched.look())] == [("c", 1)]
        await made.load(SHOPS.replace("  b: ", "  d: ").replace("rollout: b", "rollout: d"))
        (content,) = [content for name, content in events_in(await watched.look()) if name == "overview"]
        assert (content["gone"], [row["name"] for row in content["rows"]]) == (["b"], ["d"])


async def test_figures_take_turns_where_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look has room for some; no row is forgotten, and what has moved does not wait."""
    monkeypatch.setattr(overview, "COUNT_SECONDS", 0.0)
    async with desk(tmp_path, SHOPS) as (made, client):
        watched = watch(made, figures_bytes=1)
        await watched.look()
        seen = []
        for number in range(6):
            made.count(*(counted("/", latencies_ms=[7], route=route) for route in "abc"))
            if number == 5:
                await client.put("/api/v1/rollouts/a/percent", json={"percent": 9})
            seen.append([name for name, _ in rows_in(await watched.look())])

    assert seen == [["a"], ["b"], ["c"], ["a"], ["b"], ["a", "c"]]


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=20))
def test_packed_parts_can_be_read_as_they_come(parts: list[bytes]) -> None:
    """No part waits for the next."""
    pack, unpack = Packing(), zlib.decompressobj(wbits=31)

    assert [unpack.decompress(pack(part)) for part in parts] == parts


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_a_stream_is_packed_for_who_unpacks_it(tmp_path: Path, coding: str) -> None:
    """A browser does; a script that does not say so gets text."""
    async with desk(tmp_path) as (_, client), view(client, Accept_Encoding=coding) as viewer:
        assert viewer.response.headers.get("Content-Encoding", "identity") == coding
        assert (await viewer.read())["event"] == "status"


async def test_a_backlog_is_told_a_hundred_at_a_time(tmp_path: Path) -> None:
    """However far a viewer is behind, a look is bounded, and nothing is left out."""
    async with desk(tmp_path) as (made, client):
        await asyncio.gather(*(client.put(PERCENT, json={"percent": number % 100}) for number in range(120)))
        watched = watch(made, 0)
        first, second = [
            [content["id"] for name, content in events_in(await watched.look()) if name == "event"] for _ in range(2)
        ]

        assert len(first) == 100
        assert first + second == list(range(1, 100 + len(second) + 1))


async def test_a_store_that_is_away_only_holds_up_its_events(tmp_path: Path) -> None:
    """The status goes on, and says so."""
    (tmp_path / "crossfade.db").mkdir()
    async with desk(tmp_path) as (made, _):
        (name, status), (_, content) = events_in(await watch(made, None).look())

        assert (name, status["store"]["ok"]) == ("status", False)
        assert content["rows"][0]["last_event"] is None


async def test_a_new_token_must_be_shown(tmp_path: Path) -> None:
    """Whoever watches by the old one is let go: it may have been changed because of them."""
    with_token = "version: 1\nadmin: {token: %s}\n" + SHOPS.removeprefix("version: 1\n")
    async with desk(tmp_path, with_token % "old") as (made, client), view(client, Authorization="Bearer old") as viewer:
        assert (await viewer.read())["event"] == "status"
        await made.load(with_token % "new")
        assert (await viewer.response.content.read()).endswith(b"\n\n")


async def test_there_is_a_bound_to_viewers(tmp_path: Path) -> None:
    """One more is told to come later; when one leaves there is room again."""
    connector = aiohttp.TCPConnector(limit=0)
    async with desk(tmp_path) as (made, client), aiohttp.ClientSession(made.url, connector=connector) as session:
        viewers = [await session.get("/api/v1/stream") for _ in range(VIEWERS)]
        assert {viewer.status for viewer in viewers} == {200}
        assert (await client.get("/api/v1/stream")).status == 503
        for viewer in viewers:
            viewer.close()
        while (await client.ask("HEAD", "/api/v1/stream")).status != 200:
            await asyncio.sleep(0.01)


async def test_the_end_of_the_gateway_is_the_end_of_the_stream(tmp_path: Path) -> None:
    """Nobody has to be waited for."""
    async with aiohttp.ClientSession() as session:
        async with desk(tmp_path) as (made, _):
            response = await session.get(f"{made.url}/api/v1/stream")
            assert await response.content.readline() == b"event: status\n"

        assert (await response.content.read()).endswith(b"\n\n")


@pytest.mark.parametrize("query", ["after=-1", "after=x", "from=1"])
async def test_a_place_that_is_none_is_refused(tmp_path: Path, query: str) -> None:
    """422, before anything is sent."""
    async with desk(tmp_path) as (_, client):
        assert (await client.get(f"/api/v1/stream?{query}")).status == 422
