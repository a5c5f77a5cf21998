"""Plans are values: what is not said has the defaults of the configuration, and content is all that counts."""

from __future__ import annotations

import msgspec
import pytest

from gateway.core.plans import COUNTS, QUANTILES, RATES, Bound, Do, Guard, Metric, Op, Plan, Query, Rule, Stage, Webhook
from tests.core.watching import rule


def test_every_metric_is_a_rate_a_count_or_a_quantile() -> None:
    """Exactly one of them, so that each has a unit and a test."""
    kinds = [*RATES, *COUNTS, *QUANTILES]

    assert sorted(kinds) == sorted(Metric)


def test_guards_do_ever_more() -> None:
    """The order in which they are written is that of severity: the worst broken one acts."""
    assert list(Do) == [Do.NOTIFY, Do.PAUSE, Do.STEP_BACK, Do.SHADOW, Do.ROLLBACK]


@pytest.mark.parametrize(
    ("bound", "is_relative"),
    [(Bound(0.05), False), (Bound(0.01, is_added=True), True), (Bound(factor=2.0), True)],
)
def test_a_bound_knows_whether_it_needs_the_baseline(bound: Bound, is_relative: bool) -> None:
    """Values don't; multiples and additions do."""
    assert bound.is_relative is is_relative


def test_gates_that_ask_outside_are_named_by_what_they_ask() -> None:
    """As events and the API show them, beside rules, which have their own text."""
    assert Webhook("http://ci.internal/approve").text == "webhook http://ci.internal/approve"
    assert Query("http://prom:9090", "up == 0", Op.BELOW, 0.8).text == "up == 0 < 0.8"


def test_a_plan_travels_whole() -> None:
    """Whatever kinds of gates and guards it has: they come back as what they were, and equal."""
    query = Query("http://prom:9090", "up", Op.ABOVE, 2.0, window_seconds=300.0)
    stage = Stage(5.0, 3600.0, ("internal",), (rule("p95 < 0.9x baseline"), Webhook("http://ci"), query))
    plan = Plan((stage,), guards=(Guard(rule("error_rate > 5%"), Do.ROLLBACK), Guard(query, Do.NOTIFY)))

    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    assert hash(plan) == hash(msgspec.structs.replace(plan))


def test_a_rule_over_nothing_else_is_over_a_minute_and_everything() -> None:
    """The defaults of the configuration."""
    plain = Rule("errors > 5", Metric.ERRORS, Op.ABOVE, Bound(5.0))

    assert (plain.window_seconds, plain.route, plain.path, plain.per_path) == (60.0, None, None, False)
    assert not plain.acts_on_shared
