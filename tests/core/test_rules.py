from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.plans import COUNTS, RATES, Bound, Metric, Op, Rule
from gateway.core.rules import BadRule, parse_comparison, parse_rule

DURATIONS = st.one_of(
    st.builds("{}s".format, st.integers(1, 86_400)),
    st.builds("{}m".format, st.integers(1, 1440)),
    st.builds("{}h".format, st.integers(1, 24)),
    st.builds("{}000ms".format, st.integers(1, 9999)),
)
NUMBERS = st.decimals("0.001", "99", places=3).map(str)
PARTS = ["error_rate", "p99", "errors", ">", "<=", "5%", "2x", "300ms", "baseline", "+", "for", "1m", "10", "ms", "%"]
COMPARABLE = [Metric.ERROR_RATE, Metric.CLIENT_ERROR_RATE, Metric.P50, Metric.P90, Metric.P95, Metric.P99]


def values_of(metric: Metric) -> st.SearchStrategy[str]:
    """Values that a metric can be compared with."""
    if metric in RATES:
        return NUMBERS.map("{}%".format)
    if metric in COUNTS:
        return st.integers(1, 10**8).map(str)
    return st.tuples(NUMBERS, st.sampled_from(["ms", "s"])).map("".join)


@st.composite
def rule_texts(draw: st.DrawFn) -> str:
    """Texts of rules, of every form."""
    metric = draw(st.sampled_from(Metric))
    value = draw(values_of(metric))
    bounds = [value]
    if metric in COMPARABLE:
        bounds += [f"baseline + {value}", f"{draw(NUMBERS)}x baseline"]
    window = draw(st.one_of(st.just(""), DURATIONS.map(" for {}".format)))
    return f"{metric} {draw(st.sampled_from(Op))} {draw(st.sampled_from(bounds))}{window}"


def fault_of(text: str) -> tuple[int, str]:
    """Column and message of what is wrong with a rule."""
    with pytest.raises(BadRule) as raised:
        parse_rule(text)
    assert raised.value.message in str(raised.value)
    assert str(raised.value.column + 1) in str(raised.value)
    return raised.value.column, raised.value.message


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("error_rate > 5%", Rule("error_rate > 5% for 1m", Metric.ERROR_RATE, Op.ABOVE, Bound(0.05), 60)),
        ("p99 >= 300ms for 5m", Rule("p99 >= 300ms for 5m", Metric.P99, Op.AT_LEAST, Bound(0.3), 300)),
        ("errors > 100 for 1d", Rule("errors > 100 for 24h", Metric.ERRORS, Op.ABOVE, Bound(100), 86400)),
        (
            "p95 < 0.9x baseline for 90s",
            Rule("p95 < 0.9x baseline for 90s", Metric.P95, Op.BELOW, Bound(factor=0.9), 90),
        ),
        (
            "error_rate > baseline + 1% for 1m",
            Rule("error_rate > baseline + 1% for 1m", Metric.ERROR_RATE, Op.ABOVE, Bound(0.01, is_added=True), 60),
        ),
        (
            "p50 <= baseline + 50ms",
            Rule("p50 <= baseline + 50ms for 1m", Metric.P50, Op.AT_MOST, Bound(0.05, is_added=True), 60),
        ),
        (
            "mismatch_rate < 0.1% for 1h",
            Rule("mismatch_rate < 0.1% for 1h", Metric.MISMATCH_RATE, Op.BELOW, Bound(0.001), 3600),
        ),
    ],
)
def test_a_rule_says_what_is_measured_compared_and_over_how_long(text: str, rule: Rule) -> None:
    """Rates become shares, latencies and windows seconds; without `for` a window is a minute."""
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("  error_rate>5.0%for 60s ", "error_rate > 5% for 1m"),
        ("p99 > 1500ms", "p99 > 1.5s for 1m"),
        ("p99 > 0.2s for 120m", "p99 > 200ms for 2h"),
        ("p95 < 01.10x   baseline", "p95 < 1.1x baseline for 1m"),
        ("p95<baseline+0ms for 1.5m", "p95 < baseline + 0ms for 90s"),
    ],
)
def test_rules_that_mean_the_same_are_written_alike(text: str, written: str) -> None:
    """Blanks, zeros and units are brought into one form."""
    assert parse_rule(text).text == written


@given(rule_texts())
def test_a_rule_can_be_read_again(text: str) -> None:
    """What a rule is shown as is a rule, and the same one."""
    with suppress(BadRule):
        rule = parse_rule(text)

        assert parse_rule(rule.text) == rule


@given(rule_texts())
def test_a_well_formed_rule_is_refused_only_as_pointless(text: str) -> None:
    """Nothing that follows the grammar is called broken."""
    try:
        parse_rule(text)
    except BadRule as error:
        assert "never" in error.message or "always" in error.message  # noqa: PT017 - most texts raise nothing


@given(st.one_of(st.text(), st.lists(st.sampled_from(PARTS))))
def test_no_text_breaks_the_parser(parts: str | list[str]) -> None:
    """Any text is a rule or a `BadRule`, whose column lies in it or right behind it."""
    text = parts if isinstance(parts, str) else " ".join(parts)
    try:
        assert parse_rule(text).text
    except BadRule as error:
        assert 0 <= error.column <= len(text)  # noqa: PT017 - some texts are rules


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("eror_rate > 5%", 0, "unknown metric `eror_rate`; did you mean `error_rate`?"),
        ("latency > 5%", 0, "unknown metric `latency`; known are error_rate, client_error_rate, errors, p50, "),
        ("", 0, "is empty; write a rule such as `error_rate > 5% for 1m`"),
        ("error_rate", 10, "the rule ends too early; write one of <, <=, > and >="),
        ("error_rate => 5%", 11, "`=>` is not allowed here; write one of <, <=, > and >="),
        ("error_rate is 5%", 11, "`is` is not allowed here; write one of"),
        ("error_rate > ", 12, "the rule ends too early; write a percentage: 1%, `1.1x baseline` or `baseline + 1%`"),
        ("error_rate > much", 13, "`much` is not allowed here; write a percentage: 1%"),
        ("error_rate > -5%", 13, "`-` is not allowed here"),
        ("error_rate > 0.5", 16, "`error_rate` is a rate; write a percentage: 0.5%"),
        ("error_rate > 5 %", 14, "`error_rate` is a rate; write a percentage: 5%"),
        ("error_rate > 101%", 13, "`error_rate` is at most 100%"),
        ("p99 > 300", 9, "`p99` is a latency; write it in ms or s: 300ms"),
        ("p99 > 5m", 7, "`p99` is a latency; write it in ms or s: 300ms"),
        ("errors > 5%", 10, "`errors` is a count; write a bare number: 5"),
        ("errors > 1.5", 9, "`errors` is a count; write a whole number"),
        ("errors > 1.5.5", 9, "`1.5.5` is not allowed here; write a whole number: 100"),
        ("errors > 2x baseline", 9, "`errors` can't be compared with the baseline's: the arms get different numbers"),
        ("requests > baseline + 5", 11, "`requests` can't be compared with the baseline's"),
        ("mismatch_rate < 1x baseline", 16, "`mismatch_rate` can't be compared with the baseline's: a mismatch is"),
        ("failover_rate > 2x baseline", 16, "the baseline never fails over; write a percentage"),
        (
            "p95 < baseline",
            14,
            "the rule ends too early; write `baseline + 50ms`, or a multiple of it: `1.1x baseline`",
        ),
        ("p95 < baseline - 5ms", 15, "`-` is not allowed here; write `baseline + 50ms`"),
        ("p95 < baseline + 5%", 18, "`p95` is a latency"),
        ("p95 < 0x baseline", 6, "`0x` is not allowed here; write a number above 0 before the `x`"),
        ("p95 < 0.9x", 10, "the rule ends too early; write `0.9x baseline`"),
        ("p95 < 0.9x candidate", 11, "`candidate` is not allowed here; write `0.9x baseline`"),
        ("error_rate >= 0%", 14, "`error_rate` is always >= this bound"),
        ("error_rate > 100%", 13, "`error_rate` is never > this bound"),
        ("p99 < 0ms", 6, "`p99` is never < this bound"),
        ("error_rate > 5% in 1m", 16, "`in` is not allowed here; write `for` and a duration behind the bound, or"),
        ("error_rate > 5% for", 19, "the rule ends too early; write a duration such as 30s, 5m or 1h"),
        ("error_rate > 5% for 60", 20, "`60` is not allowed here; write a duration"),
        ("error_rate > 5% for 25h", 20, "`for 25h` is not allowed; from 1s to 24h, in whole seconds"),
        ("error_rate > 5% for 500ms", 20, "`for 500ms` is not allowed; from 1s to 24h"),
        ("error_rate > 5% for 1500ms", 20, "in whole seconds"),
        ("error_rate > 5% for 1h30m", 22, "`30m` is not allowed here; write nothing more"),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, column: int, message: str) -> None:
    """The column is that of the offending character, and the message says what would be right."""
    found, said = fault_of(text)

    assert found == column
    assert message in said


def test_a_mistake_of_any_length_is_shown_in_short() -> None:
    """A message stays one line of readable characters."""
    assert len(fault_of("e" * 10_000)[1]) < 250
    assert fault_of("\x00 > 5%")[1].isprintable()


@pytest.mark.parametrize(
    ("text", "comparison"),
    [
        ("< 0.8", (Op.BELOW, 0.8)),
        ("  >=-2 ", (Op.AT_LEAST, -2.0)),
        ("> 1.5e9", (Op.ABOVE, 1.5e9)),
    ],
)
def test_a_comparison_is_an_operator_and_a_number(text: str, comparison: tuple[Op, float]) -> None:
    """What a Prometheus server answers has no unit that we would know."""
    assert parse_comparison(text) == comparison


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 0, "the rule ends too early; write one of <, <=, > and >="),
        ("0.8", 0, "`0.8` is not allowed here; write one of"),
        ("== 1", 0, "`==` is not allowed here; write one of"),
        ("<", 1, "the rule ends too early; write a number, without a unit: < 0.8"),
        ("<  80%", 3, "`80%` is not allowed here; write a number, without a unit: < 0.8"),
        ("< nan", 2, "`nan` is not allowed here"),
    ],
)
def test_a_broken_comparison_is_shown_where_it_is(text: str, column: int, message: str) -> None:
    """As with rules."""
    with pytest.raises(BadRule) as raised:
        parse_comparison(text)

    assert (raised.value.column, message in raised.value.message) == (column, True)


@given(st.one_of(st.text(), st.from_regex(r"\s*[<>=!]{0,3}\s*[-+0-9.eE]{0,6}", fullmatch=True)))
def test_no_text_breaks_the_comparison(text: str) -> None:
    """Any text is a comparison or a `BadRule`."""
    with suppress(BadRule):
        assert parse_comparison(text)[0] in Op


@pytest.mark.parametrize(
    ("text", "column"),
    [("p95 < 1.1 baseline", 6), ("p95 < 1.1 x baseline for 5m", 6), ("error_rate > 1.1xbaseline", 13)],
)
def test_a_torn_multiple_says_how_one_is_written(text: str, column: int) -> None:
    """What was meant is plain, so units of latencies are not spoken of."""
    with pytest.raises(BadRule) as raised:
        parse_rule(text)

    assert (raised.value.column, raised.value.message) == (
        column,
        "a multiple of the baseline's is written `1.1x baseline`",
    )
