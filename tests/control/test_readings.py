"""Readings."""

from __future__ import annotations

import pytest

from gateway.control.readings import list_values, say_cause, say_judgement, say_value, unit_of
from gateway.core.verdicts import Judgement, Reason, Verdict


@pytest.mark.parametrize(
    ("rule", "unit"),
    [
        ("error_rate > 5% for 1m", "ratio"),
        ("error_rate > baseline + 1% for 1m", "ratio"),
        ("mismatch_rate <= 0.1% for 1h, route orders", "ratio"),
        ("p99 > 300ms for 5m", "ms"),
        ("p99 > 2x baseline for 5m, path /a/{id}", "ms"),
        ("p95 < 1.1x baseline", "ms"),
        ("p99 > 2", "count"),
        ("errors > 100 for 1h", "count"),
        ("my_rate > 2", "count"),
        ("sum(rate(errors[5m])) > 2", "count"),
    ],
)
def test_a_rules_text_says_what_its_values_are(rule: str, unit: str) -> None:
    """Rates, latencies and everything else are told apart, other people's queries among them."""
    assert unit_of(rule) == unit


def test_latencies_are_shown_in_milliseconds_and_rates_as_they_are() -> None:
    """What leaves the gateway has the API's units."""
    slow = Judgement(
        rule="p99 > 2x baseline for 5m", verdict=Verdict.BROKEN, reason="broken", value=0.25, bound=0.1, baseline=0.05
    )
    failing = Judgement(rule="error_rate > 5% for 1m", verdict=Verdict.BROKEN, reason="broken", value=0.25)

    assert [list_values(slow)[name] for name in ("unit", "value", "bound", "baseline")] == ["ms", 250.0, 100.0, 50.0]
    assert [list_values(failing)[name] for name in ("unit", "value", "bound")] == ["ratio", 0.25, None]


def test_a_judgement_is_one_line_with_the_numbers_it_rests_on() -> None:
    """A person reads value, bound, baseline and how many requests they are of."""
    judgement = Judgement(
        rule="error_rate > 5% for 1m",
        verdict=Verdict.BROKEN,
        reason="broken",
        value=0.123,
        bound=0.05,
        baseline=0.002,
        candidate_requests=812,
        baseline_requests=15410,
    )

    assert say_judgement(judgement) == "12.3 % (bound 5 %, baseline 0.2 %; 812 and 15,410 requests)"


def test_a_judgement_without_numbers_says_its_reason() -> None:
    """A webhook's answer has no value, but words."""
    judgement = Judgement(rule="webhook http://ci", verdict=Verdict.BROKEN, reason="it answered 403: frozen")

    assert say_judgement(judgement) == "it answered 403: frozen"


def test_values_have_as_many_figures_as_count() -> None:
    """Nobody is helped by microseconds of a second."""
    said = [say_value(1234.5678, "ms"), say_value(1.23456, "ms"), say_value(None, "ms"), say_value(1200000.0, "count")]

    assert said == ["1,235 ms", "1.23 ms", "unknown", "1,200,000"]


def test_mismatches_are_said_with_what_was_compared() -> None:
    """They are between both arms: neither has them by itself."""
    judgement = Judgement(
        rule="mismatch_rate < 0.1% for 1h",
        verdict=Verdict.BROKEN,
        reason="not_met",
        value=0.023,
        bound=0.001,
        candidate_requests=18_000,
    )

    assert say_judgement(judgement) == "2.3 % (bound 0.1 %; 18,000 compared)"


@pytest.mark.parametrize(
    ("rule", "reason", "needs", "said"),
    [
        (
            "mismatch_rate < 1%",
            "little_evidence",
            1753,
            "little evidence since the stage began: about 1,753 more comparisons are needed",
        ),
        (
            "p99 < 1.2x baseline",
            "little_evidence",
            None,
            "little evidence since the stage began, and what there is does not support it",
        ),
        ("error_rate < 1%", "few_requests", 1, "too few requests in its window: about 1 more request is needed"),
        ("webhook http://ci", "it answered 500: few_requests", None, "it answered 500: few_requests"),
    ],
)
def test_a_gate_says_what_it_lacks_and_that_it_rests_on_its_whole_stage(
    rule: str, reason: str, needs: int | None, said: str
) -> None:
    """For people; what others have answered is left as they said it."""
    assert say_cause(rule, reason, needs, is_gate=True) == said


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_said_in_words(reason: Reason) -> None:
    """None as it is written for programs. Of a guard the stage says nothing: it looks at its window."""
    said = say_cause("error_rate > 5%", reason, None, is_gate=False)

    assert "_" not in said
    assert "since the stage" not in said
    assert "_" not in say_judgement(Judgement(rule="error_rate > 5%", verdict=Verdict.UNKNOWN, reason=reason))
