"""The gateway at a glance, in words."""

from __future__ import annotations

import pytest

from gateway.admin.status import BackendView, EndpointView, StatusView, StoreView, WorkerView
from gateway.cli.status import draw_backends, draw_head, draw_workers

STATUS = StatusView(
    version="0.1.0",
    revision="abc",
    uptime_s=125.0,
    ready=True,
    workers=[WorkerView(7, "abc", 3, 1)],
    backends=[BackendView("new", [EndpointView("http://a", healthy=False), EndpointView("http://b", healthy=None)])],
    store=StoreView("sqlite", ok=True),
    rollouts=[],
)


def test_the_head_says_whether_it_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    """And since when, by which configuration."""
    draw_head(STATUS)

    assert capsys.readouterr().out == "crossfade 0.1.0, ready, up 2 min 5 s, revision abc\n"


def test_a_store_that_cannot_be_used_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """With what follows from it."""
    draw_head(StatusView("0.1.0", "abc", 1.0, False, [], [], StoreView("sqlite", ok=False), []))

    assert "not ready" in (out := capsys.readouterr().out)
    assert "nothing can be set" in out


def test_each_endpoint_and_each_worker_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not known yet is not called healthy."""
    draw_backends(STATUS)
    draw_workers(STATUS)

    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines() if line][1:3] == [
        ["new", "http://a", "unhealthy"],
        ["new", "http://b", "not", "known", "yet"],
    ]
    assert ["7", "3", "1", "abc"] in [line.split() for line in out.splitlines()]
