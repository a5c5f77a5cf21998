"""Reading what a call asks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from gateway.admin.questions import (
    JSON_LIMIT_BYTES,
    LONGEST_WINDOW_SECONDS,
    Question,
    Version,
    Window,
    explain_fault,
    read_window,
)
from gateway.errors import BadValue
from tests.admin.desk import desk

PERCENT = "/api/v1/rollouts/shop/percent"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(("window", "seconds"), [("1s", 1), ("5m", 300), ("1.5h", 5400), ("24h", 86400), ("1d", 86400)])
def test_a_window_is_a_duration(window: str, seconds: float) -> None:
    """Written as in the configuration."""
    assert read_window(window) == seconds


@pytest.mark.parametrize("window", ["", "5", "0s", "999ms", "25h", "2d", "5 m", "-1s", "1e3s"])
def test_no_other_window_is_taken(window: str) -> None:
    """From a second to a day, as long as figures are kept."""
    with pytest.raises(BadValue) as caught:
        read_window(window)

    assert caught.value.field == "window"


@given(st.integers(0, 100_000), st.sampled_from("smhd"))
def test_the_description_of_windows_is_exact(number: int, unit: str) -> None:
    """For whole numbers the pattern says yes exactly where the gateway does."""
    pattern = msgspec.json.schema(Window)["pattern"]
    window = f"{number}{unit}"
    is_taken = 1 <= number * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] <= LONGEST_WINDOW_SECONDS

    assert bool(re.fullmatch(pattern, window)) == is_taken
    if is_taken:
        assert read_window(window) >= 1


class Inner(Question, frozen=True):
    deep: int


class Outer(Question, frozen=True):
    inner: Inner
    many: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"inner": {"deep": "x"}}, "inner.deep"),
        ({"inner": {}}, "inner.deep"),
        ({"inner": {"deep": 1, "deeper": 2}}, "inner.deeper"),
        ({"inner": {"deep": 1}, "many": [1, "x"]}, "many[1]"),
        ({}, "inner"),
        ([], "body"),
    ],
)
def test_the_field_at_fault_is_named_by_its_path(asked: Any, field: str) -> None:
    """However deep it is."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(asked, Outer)

    assert explain_fault(caught.value, Outer).field == field


async def test_a_body_must_be_json(tmp_path: Path) -> None:
    """415 for another content type, 400 for what is none; 422 is for what can be read."""
    async with desk(tmp_path) as (_, client):
        assert (await client.put(PERCENT, data={"percent": "5"})).status == 415
        assert (await client.put(PERCENT, data=b'{"percent": 5}', headers={"Content-Type": "text/plain"})).status == 415
        for text in (
            b"{",
            b'{"percent": NaN}',
            b'{"percent": 5, "reason": "\\ud800"}',
            b'{"percent": 5, "reason": "\xff"}',
        ):
            assert (await client.put(PERCENT, data=text, headers=JSON)).status == 400, text[:40]


@pytest.mark.parametrize("path", [PERCENT, "/api/v1/config/validate"])
async def test_a_body_that_is_not_packed_as_it_says_is_400(path: str, tmp_path: Path) -> None:
    """It is the caller's fault, and no fault of the gateway's."""
    async with desk(tmp_path) as (_, client):
        method = client.put if path == PERCENT else client.post
        refused = await method(path, data=b"{}", headers=JSON | {"Content-Encoding": "gzip"})

        assert refused.status == 400
        assert "Content-Encoding" in refused.json["detail"]


async def test_an_oversized_body_is_413(tmp_path: Path) -> None:
    """Read no further than to the bound."""
    async with desk(tmp_path) as (_, client):
        text = b'{"percent": 5, "reason": "' + b"x" * JSON_LIMIT_BYTES

        assert (await client.put(PERCENT, data=text, headers=JSON)).status == 413


async def test_a_query_says_each_thing_once_and_nothing_unknown(tmp_path: Path) -> None:
    """A mistyped field is never taken for a wish that was heard."""
    async with desk(tmp_path) as (_, client):
        twice = await client.get("/api/v1/paths?window=5m&window=1h")
        mistyped = await client.get("/api/v1/paths?windows=1h")

        assert (twice.status, twice.json["field"]) == (422, "window")
        assert (mistyped.status, mistyped.json["field"]) == (422, "windows")
        assert "did you mean `window`" in mistyped.json["detail"]


async def test_a_wish_in_the_query_of_what_has_a_body_is_refused(tmp_path: Path) -> None:
    """Whoever wrote it there would take it for heard."""
    async with desk(tmp_path) as (_, client):
        forced = await client.post("/api/v1/rollouts/shop/promote?force=true", json={})
        given_back = await client.delete(f"{PERCENT}?reason=over")

        assert (forced.status, forced.json["field"]) == (422, "force")
        assert (given_back.status, given_back.json["field"]) == (422, "reason")


async def test_a_wrong_value_is_told_in_words_with_what_is_allowed(tmp_path: Path) -> None:
    """Whoever calls need not know Python's names of things, nor guess the actions."""
    async with desk(tmp_path) as (_, client):
        percent = await client.put(PERCENT, json={"percent": "x"})
        target = await client.post("/api/v1/rollouts/shop/rollback", json={"to": "live"})
        missing = await client.put(PERCENT)
        action = await client.post("/api/v1/rollouts/shop/foo", json={})

        assert (percent.status, percent.json["detail"]) == (422, "must be a number, not text")
        assert (target.status, target.json["detail"]) == (422, "`live` is not allowed; write one of shadow")
        assert (missing.status, missing.json["field"], missing.json["detail"]) == (422, "percent", "is required")
        assert action.status == 404
        assert "start, pause, resume, promote, step-back, rollback" in action.json["detail"]


class Bounded(Question, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1
    rate: Annotated[float, Meta(gt=0, lt=10.5)] = 1.0
    number: Version = None
    text: Annotated[str, Meta(min_length=1, max_length=200)] = "x"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"limit": 0}, "must be at least 1"),
        ({"limit": 1001}, "must be at most 1000"),
        ({"rate": 0}, "must be more than 0"),
        ({"rate": 11}, "must be less than 10.5"),
        ({"number": -1}, "must be at least 0"),
        ({"number": 1.5}, "must be a whole number"),
        ({"text": ""}, "must not be empty"),
        ({"text": "x" * 201}, "must be at most 200 characters long"),
    ],
)
def test_a_bound_is_told_in_words(asked: dict[str, Any], said: str) -> None:
    """Whoever calls over HTTP knows of no `int`, `float` and `str`."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(asked, Bounded)

    assert str(explain_fault(caught.value, Bounded)) == said
