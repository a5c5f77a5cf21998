"""Answers that went well."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from gateway.admin.answers import answer_json, prefers, show_epoch, show_time, takes_gzip
from gateway.admin.probes import HealthView


def test_a_view_becomes_json_that_nobody_keeps() -> None:
    """With the status that was wanted."""
    answer = answer_json(HealthView("ok"), 503)

    assert (answer.status, answer.body, answer.content_type) == (503, b'{"status":"ok"}', "application/json")
    assert answer.headers["Cache-Control"] == "no-store"


def test_times_are_rfc_3339_in_utc() -> None:
    """Wherever they were taken."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))

    assert show_time(at) == "2026-01-02T01:04:05.678Z"
    assert show_epoch(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("accept", "is_preferred"),
    [
        ("text/markdown", True),
        ("application/json;q=0.5, Text/Markdown; charset=utf-8", True),
        ("*/*", False),
        ("text/*", False),
        ("", False),
        ("text/markdown;q=0, application/json", False),
    ],
)
def test_another_media_type_is_for_who_names_it(accept: str, is_preferred: bool) -> None:
    """Programs that take anything get JSON."""
    assert prefers(accept, "text/markdown") is is_preferred


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip, deflate, br", True),
        ("GZIP;q=0.5", True),
        ("*", True),
        ("br, gzip;q=0", False),
        ("*, gzip; q=0.0", False),
        ("*;q=0", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_goes_to_who_unpacks_it(accepted: str, expected: bool) -> None:
    """By name or by wildcard, unless it is refused."""
    assert takes_gzip(accepted) is expected
