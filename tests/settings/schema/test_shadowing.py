from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.core.shadowing import SAFE_METHODS
from gateway.settings.scalars import Expanded
from gateway.settings.schema.routes import Route
from gateway.settings.schema.shadowing import Compare, Journal, Margin, Shadow, parse_margin

SPLIT = {"name": "a", "match": "/a/**", "baseline": "legacy", "candidate": "new", "rollout": "fade"}
SINGLE = {"name": "a", "match": "/a/**", "backend": "legacy"}
WRITES = ("POST", "PUT", "PATCH", "DELETE")


def test_nothing_is_copied_or_kept_until_it_is_written() -> None:
    """A candidate gets no request that nobody decided on."""
    route = Route.model_validate(SPLIT)

    assert (route.shadow, route.journal) == (None, None)


def test_of_a_shadow_that_is_written_the_rest_is_as_documented() -> None:
    """A tenth of what reads, towards the candidate; statuses and bodies are compared, headers only when named."""
    shadow = Shadow.model_validate({})

    assert (shadow.percent, shadow.methods, shadow.direction) == (10, ("GET", "HEAD"), "candidate")
    assert (shadow.body, shadow.concurrency, shadow.timeout) == (256 * 1024, 64, 10)
    assert shadow.compare == Compare.model_validate(
        {
            "status": True,
            "headers": [],
            "ignore": [],
            "unordered": [],
            "tolerance": {},
            "noise": 0,
            "redact": [],
            "samples": 5,
        }
    )


def test_of_a_journal_that_is_written_the_rest_is_as_documented() -> None:
    """All writes, a week, a gibibyte, and then the baseline takes them."""
    journal = Journal.model_validate({})

    assert (journal.methods, journal.body, journal.keep) == (WRITES, 256 * 1024, 7 * 86_400)
    assert (journal.size, journal.when_full) == (1 << 30, "baseline")


@pytest.mark.parametrize("field", ["shadow", "journal"])
def test_both_need_a_candidate(field: str) -> None:
    """With one backend there is nobody to copy to, and nobody who took a write alone."""
    assert getattr(Route.model_validate({**SPLIT, field: {}}), field) is not None
    with pytest.raises(ValidationError, match=f"`{field}` is about the candidate"):
        Route.model_validate({**SINGLE, field: {}})


@pytest.mark.parametrize(
    ("written", "margin"),
    [
        (0, Margin(0.0, is_relative=False)),
        (0.01, Margin(0.01, is_relative=False)),
        (5, Margin(5.0, is_relative=False)),
        ("1%", Margin(0.01, is_relative=True)),
        ("0.1%", Margin(0.001, is_relative=True)),
        ("0.07%", Margin(0.0007, is_relative=True)),
        ("200%", Margin(2.0, is_relative=True)),
        (Expanded("0.5"), Margin(0.5, is_relative=False)),
        (Expanded("5%"), Margin(0.05, is_relative=True)),
    ],
)
def test_a_tolerance_is_a_number_or_a_share(written: object, margin: Margin) -> None:
    """A bare number is absolute here: elsewhere `5` may be a percentage, but a price that is off by 5 is not by 5 %."""
    assert parse_margin(written) == margin


@pytest.mark.parametrize(
    "written", ["0.01", "1 %", "%", "-1%", -0.01, True, None, [], float("nan"), float("inf"), 1e16]
)
def test_what_is_no_tolerance_is_refused(written: object) -> None:
    """Both ways to write one are named."""
    with pytest.raises(ValueError, match=r"write how far numbers may be apart: 0\.01, or 1% of one"):
        parse_margin(written)


@given(hundredths=st.integers(0, 10_000))
def test_a_share_is_the_number_nearest_to_what_was_written(hundredths: int) -> None:
    """0.07 % is 0.0007 to the last digit, so that edges are where people put them."""
    assert parse_margin(f"{hundredths / 100}%").value == float(f"{hundredths}e-4")


@pytest.mark.parametrize(
    ("path", "is_right"),
    [
        ("$", True),
        ("$.items[*].price", True),
        ("$..request_id", True),
        ("$['odd name'][0]", True),
        ("$.items[?@.kind == 'a'].at", True),
        ("items", False),
        ("$.items[", False),
        ("$.", False),
        ("$['\x1b']", False),
        ("", False),
        (5, False),
    ],
)
def test_json_paths_are_checked_where_they_stand(path: object, is_right: bool) -> None:
    """One that is wrong would otherwise be a rule that never applies."""
    for fields in ({"ignore": [path]}, {"unordered": path}, {"redact": path}, {"tolerance": {path: 1}}):
        if is_right:
            assert Compare.model_validate(fields)
        else:
            with pytest.raises(ValidationError):
                Compare.model_validate(fields)


def test_a_header_is_compared_once() -> None:
    """The same name twice, whatever its case, would count a difference twice."""
    with pytest.raises(ValidationError, match="`headers` names `location` twice"):
        Compare.model_validate({"headers": ["Location", "ETag", "location"]})


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_what_has_no_answer_of_its_own_is_not_copied(method: str) -> None:
    """A tunnel has none, and a trace's is the request."""
    with pytest.raises(ValidationError, match=f"`{method}` is never copied"):
        Shadow.model_validate({"methods": [method]})


@pytest.mark.parametrize("method", [*sorted(SAFE_METHODS), "CONNECT"])
def test_only_writes_are_kept(method: str) -> None:
    """What changes nothing need not be replayed."""
    with pytest.raises(ValidationError, match=f"`{method}` changes nothing"):
        Journal.model_validate({"methods": method})


@pytest.mark.parametrize(
    ("section", "fields"),
    [
        (Shadow, {"methods": []}),
        (Shadow, {"methods": "get"}),
        (Shadow, {"body": 0}),
        (Shadow, {"body": "17MiB"}),
        (Shadow, {"concurrency": 0}),
        (Shadow, {"concurrency": 10_001}),
        (Shadow, {"timeout": "0s"}),
        (Shadow, {"percent": 101}),
        (Shadow, {"compare": {"samples": 101}}),
        (Shadow, {"compare": {"noise": "101%"}}),
        (Journal, {"methods": []}),
        (Journal, {"body": "17MiB"}),
        (Journal, {"size": "1023KiB"}),
        (Journal, {"size": "1MiB", "body": "2MiB"}),
        (Journal, {"keep": "0s"}),
        (Journal, {"when_full": "block"}),
    ],
)
def test_bounds_are_kept(section: type[Shadow | Journal], fields: dict[str, Any]) -> None:
    """What would copy nothing, keep nothing or fill the memory is refused."""
    with pytest.raises(ValidationError):
        section.model_validate(fields)
