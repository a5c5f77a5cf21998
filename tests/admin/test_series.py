"""One metric of both arms over time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.series import METRICS
from tests.admin.desk import Client, counted, desk
from tests.admin.test_paths import ROUTES


async def series(client: Client, query: str) -> dict[str, Any]:
    """One answer."""
    answer = await client.get(f"/api/v1/series?{query}")
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    assert len(found["times"]) == len(found["baseline"]) == len(found["candidate"])
    return found


async def test_a_step_has_what_was_counted_in_it(tmp_path: Path) -> None:
    """At the time at which it begins, in RFC 3339."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/a", latencies_ms=[1] * 4), counted("/a", "candidate", [1]), ago=5)
        made.count(counted("/b", latencies_ms=[1] * 2), ago=3)
        found = await series(client, "metric=requests&window=10s")
        steps = dict(zip(found["times"], zip(found["baseline"], found["candidate"], strict=True), strict=True))

        assert (found["metric"], found["unit"], found["step_s"]) == ("requests", "count", 1)
        assert steps["2026-01-01T00:09:55.000Z"] == (4, 1)
        assert steps["2026-01-01T00:09:57.000Z"] == (2, 0)
        assert sum(found["baseline"]) == 6


@pytest.mark.parametrize(
    ("metric", "unit", "value", "nothing"),
    [
        ("requests", "count", 100, 0),
        ("errors", "count", 5, 0),
        ("error_rate", "ratio", 0.05, None),
        ("client_error_rate", "ratio", 0.2, None),
        ("p50", "ms", 50, None),
        ("p90", "ms", 90, None),
        ("p95", "ms", 95, None),
        ("p99", "ms", 99, None),
    ],
)
async def test_every_metric_has_its_unit(
    tmp_path: Path, metric: str, unit: str, value: float, nothing: float | None
) -> None:
    """A count is 0 where nothing was; a rate or a latency is unknown."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/a", "candidate", range(1, 101), errors=5, client_errors=20), ago=5)
        found = await series(client, f"metric={metric}&window=10s")
        (shown,) = [each for each in found["candidate"] if each]

        assert found["unit"] == unit
        assert shown == pytest.approx(value, rel=0.011)
        assert set(found["baseline"]) == {nothing}


async def test_one_route_and_one_path_can_be_drawn(tmp_path: Path) -> None:
    """An unknown route is 404; a path without requests is a flat line."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/a", latencies_ms=[1]), counted("/b", latencies_ms=[1] * 2))
        made.count(counted("/a", latencies_ms=[1] * 4, route="rest"))

        assert sum((await series(client, "window=10s"))["baseline"]) == 7
        assert sum((await series(client, "route=shop&window=10s"))["baseline"]) == 3
        assert sum((await series(client, "route=shop&path=/b&window=10s"))["baseline"]) == 2
        assert sum((await series(client, "path=/a&window=10s"))["baseline"]) == 5
        assert sum((await series(client, "path=/c&window=10s"))["baseline"]) == 0
        assert (await client.get("/api/v1/series?route=other")).status == 404


@pytest.mark.parametrize(("window", "seconds"), [("10m", 1), ("1h", 10), ("24h", 60)])
async def test_longer_windows_have_longer_steps(tmp_path: Path, window: str, seconds: int) -> None:
    """So a chart never has more than some 1,400 points."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/a", latencies_ms=[1] * 3))
        found = await series(client, f"window={window}")

        assert found["step_s"] == seconds
        assert sum(found["baseline"]) == 3


@pytest.mark.parametrize(("window", "points"), [("1s", 1), ("5s", 5), ("10m", 600), ("1h", 360), ("1.5s", 2)])
async def test_a_window_has_as_many_points_as_steps(tmp_path: Path, window: str, points: int) -> None:
    """The newest is that under way."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/a", latencies_ms=[1] * 3))
        found = await series(client, f"window={window}")

        assert len(found["times"]) == points
        assert found["baseline"][-1] == 3


async def test_a_metric_that_is_none_is_refused_with_those_there_are(tmp_path: Path) -> None:
    """422 that names the field and what is allowed."""
    async with desk(tmp_path, ROUTES) as (_, client):
        refused = await client.get("/api/v1/series?metric=latency")

        assert (refused.status, refused.json["field"]) == (422, "metric")
        for metric in METRICS:
            assert re.findall(rf"\b{metric}\b", refused.json["detail"]) == [metric]


async def test_the_routes_of_one_rollout_are_drawn_together(tmp_path: Path) -> None:
    """What other routes did is not in it."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(
            counted("/shop/cart", latencies_ms=[1] * 4), counted("/about", latencies_ms=[1], route="rest"), ago=5
        )

        assert sum((await series(client, "metric=requests&rollout=shop"))["baseline"]) == 4
        assert sum((await series(client, "metric=requests"))["baseline"]) == 5


async def test_steps_can_be_longer(tmp_path: Path) -> None:
    """They begin at multiples of what was asked for, and lose nothing; a step that is none is refused by its name."""
    async with desk(tmp_path, ROUTES) as (made, client):
        made.count(counted("/a", latencies_ms=[1] * 4), ago=21)
        made.count(counted("/a", latencies_ms=[3] * 2), ago=19)
        found = await series(client, "metric=requests&window=1m&step=20s")
        refused = await client.get("/api/v1/series?step=soon")

        assert found["step_s"] == 20
        assert all(time[17:] in {"00.000Z", "20.000Z", "40.000Z"} for time in found["times"])
        assert [count for count in found["baseline"] if count] == [4, 2]
        assert (refused.status, refused.json["field"]) == (422, "step")
