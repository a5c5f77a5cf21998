"""What machines ask."""

from __future__ import annotations

from pathlib import Path

from tests.admin.desk import counted, desk


async def test_before_the_first_configuration_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    """An orchestrator waits, and does not kill."""
    async with desk(tmp_path, None) as (_, client):
        assert (await client.get("/healthz")).json == {"status": "ok"}
        ready = await client.get("/readyz")
        assert (ready.status, ready.json["reasons"]) == (503, ["no configuration has been compiled yet"])


async def test_it_is_ready_when_every_worker_serves_the_newest_table(tmp_path: Path) -> None:
    """And it says who does not."""
    async with desk(tmp_path) as (made, client):
        assert (await client.get("/readyz")).json == {"ready": True, "reasons": []}
        made.roster.left(made.seat)
        assert (await client.get("/readyz")).json["reasons"] == ["worker 0 is not connected"]


async def test_metrics_show_what_was_counted(tmp_path: Path) -> None:
    """As text for who does not ask for more."""
    async with desk(tmp_path) as (made, client):
        made.count(counted("/cart", latencies_ms=[10, 20]))
        answer = await client.get("/metrics")

        assert answer.content_type == "text/plain"
        series = 'route="shop"'
        shown = [line for line in answer.text.splitlines() if line.startswith("crossfade_requests_total{")]
        assert [line.rpartition(" ")[2] for line in shown if series in line and 'path="/cart"' in line] == ["2.0"]


async def test_metrics_are_openmetrics_for_who_prefers_that(tmp_path: Path) -> None:
    """The scraper's Accept header decides."""
    async with desk(tmp_path) as (_, client):
        answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

        assert answer.content_type == "application/openmetrics-text"
        assert answer.text.endswith("# EOF\n")
