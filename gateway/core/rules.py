"""The grammar of rules: ``METRIC OP BOUND [for DURATION]``.

::

    error_rate > 5% for 1m              rates take %, counts a bare number, latencies ms or s
    p95 < 0.9x baseline for 10m         a multiple of the baseline's value
    error_rate > baseline + 1%          above the baseline's value: percentage points, or a time

Whatever is wrong is said at the character where it is, with what would be right. So is what could be read but never be
judged: a count against the baseline's (the arms get different numbers of requests), a bound that is always or never
met. Numbers are kept as decimals until the end, so that what was written is what is shown again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches
from typing import Final, NamedTuple

from gateway.core.plans import COUNTS, DEFAULT_WINDOW_SECONDS, QUANTILES, RATES, Bound, Metric, Op, Rule

SHORTEST_WINDOW_SECONDS: Final = 1
"""Figures are counted by the second."""
LONGEST_WINDOW_SECONDS: Final = 86_400

_WORD: Final = re.compile(r"[<>=!]+|[0-9][0-9.]*(?:%|[A-Za-z]*)|[A-Za-z_][A-Za-z0-9_]*|\S", re.ASCII)
_QUANTITY: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([A-Za-z%]*)", re.ASCII)
_COMPARED_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,2})?", re.ASCII)
_WINDOW_UNITS: Final = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1)}
_LATENCY_UNITS: Final = {"ms": Decimal("0.001"), "s": Decimal(1)}

_WITHOUT_BASELINE: Final = {
    Metric.ERRORS: "the arms get different numbers of requests; compare `error_rate`",
    Metric.REQUESTS: "the arms get different numbers of requests by intent; write a bare number",
    Metric.MISMATCHES: "a mismatch is between both arms; write a bare number",
    Metric.MISMATCH_RATE: "a mismatch is between both arms; write a percentage",
    Metric.FAILOVER_RATE: "the baseline never fails over; write a percentage",
}
"""What has no value on the baseline that would say anything, and what to do instead."""


class BadRule(ValueError):
    """A text that is no rule. ``column`` is the offending character's, from 0; ``message`` says what would be right."""

    def __init__(self, message: str, column: int) -> None:
        self.message = message
        self.column = column
        super().__init__(f"{message} (at character {column + 1})")


class _Word(NamedTuple):
    """A part of a rule; empty behind its end."""

    text: str
    column: int


class _Words:
    """The parts of a rule, one after the other."""

    def __init__(self, text: str) -> None:
        self._words = [_Word(found[0], found.start()) for found in _WORD.finditer(text)]
        self._words.reverse()
        self._end = _Word("", len(text.rstrip()))

    def take(self) -> _Word:
        return self._words.pop() if self._words else self._end

    @property
    def next(self) -> _Word:
        return self._words[-1] if self._words else self._end


def parse_rule(text: str) -> Rule:
    """The rule that ``text`` says, about all of a rollout; its own ``text`` is the one form of all that mean the same.

    Raises BadRule. ``parse_rule(rule.text) == rule`` holds for every rule that it returns.
    """
    words = _Words(text)
    metric = _parse_metric(words.take())
    op = _parse_op(words.take())
    start = words.next
    bound, written = _parse_bound(words, metric)
    _refuse_pointless(metric, op, bound, start)
    window_seconds = _parse_window(words)
    if words.next.text:
        raise _unexpected(words.next, "nothing more: the rule is complete before it")
    window = _format_window(window_seconds)
    return Rule(f"{metric} {op} {written} for {window}", metric, op, bound, float(window_seconds))


def parse_comparison(text: str) -> tuple[Op, float]:
    """``< 0.8``: an operator and a bare number, which may be negative or have an exponent. Raises BadRule."""
    start = len(text) - len(text.lstrip())
    found = re.match(r"[<>=!]*", text[start:])
    written = found[0] if found else ""
    op = _parse_op(_Word(written or "".join(text.split()[:1]), start))
    behind = text[start + len(written) :]
    number = behind.strip()
    if not _COMPARED_NUMBER.fullmatch(number):
        column = start + len(written) + len(behind) - len(behind.lstrip())
        raise _unexpected(_Word(number, column), "a number, without a unit: < 0.8")
    return op, float(number)


def _unexpected(word: _Word, wanted: str) -> BadRule:
    found = f"`{_shorten(word.text)}` is not allowed here" if word.text else "the rule ends too early"
    return BadRule(f"{found}; write {wanted}", word.column)


def _shorten(text: str) -> str:
    return text if len(text) <= 40 and text.isprintable() else repr(text[:40])[1:-1] + "…"  # noqa: PLR2004


def _suggest(name: str, known: Iterable[str]) -> str:
    names = [str(one) for one in known]
    nearest = get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f"did you mean `{nearest[0]}`?" if nearest else f"known are {', '.join(names)}"


def _parse_metric(word: _Word) -> Metric:
    if word.text in Metric._value2member_map_:
        return Metric(word.text)
    if not word.text:
        raise BadRule("is empty; write a rule such as `error_rate > 5% for 1m`", word.column)
    raise BadRule(f"unknown metric `{_shorten(word.text)}`; {_suggest(word.text, Metric)}", word.column)


def _parse_op(word: _Word) -> Op:
    if word.text in Op._value2member_map_:
        return Op(word.text)
    raise _unexpected(word, "one of <, <=, > and >=")


def _parse_bound(words: _Words, metric: Metric) -> tuple[Bound, str]:
    """The bound, and how it is written."""
    word = words.take()
    if word.text == "baseline":
        return _parse_added(words, metric, word)
    if word.text[:1].isdigit() and word.text.endswith("x"):
        return _parse_factor(words, metric, word)
    _refuse_torn_factor(words, metric, word)
    value, written = _parse_value(word, metric)
    return Bound(float(value)), written


def _parse_added(words: _Words, metric: Metric, baseline: _Word) -> tuple[Bound, str]:
    _check_comparable(metric, baseline)
    if words.next.text != "+":
        raise _unexpected(words.next, f"`baseline + {_sample(metric)}`, or a multiple of it: `1.1x baseline`")
    words.take()
    value, written = _parse_value(words.take(), metric)
    return Bound(float(value), is_added=True), f"baseline + {written}"


def _parse_factor(words: _Words, metric: Metric, word: _Word) -> tuple[Bound, str]:
    _check_comparable(metric, word)
    found = _QUANTITY.fullmatch(word.text)
    if found is None or found[2] != "x" or not Decimal(found[1]):
        raise _unexpected(word, "a number above 0 before the `x`: `0.9x baseline` or `2x baseline`")
    if words.next.text != "baseline":
        raise _unexpected(words.next, f"`{word.text} baseline`")
    words.take()
    factor = Decimal(found[1])
    return Bound(factor=float(factor)), f"{_format(factor)}x baseline"


def _refuse_torn_factor(words: _Words, metric: Metric, word: _Word) -> None:
    """``1.1 baseline``, ``1.1 x baseline`` and ``1.1xbaseline`` are meant as a multiple: say how one is written."""
    found = _QUANTITY.fullmatch(word.text)
    is_torn = found is not None and not found[2] and words.next.text in {"baseline", "x", "*"}
    if found is not None and (is_torn or found[2] == "xbaseline"):
        _check_comparable(metric, word)
        raise BadRule(f"a multiple of the baseline's is written `{found[1]}x baseline`", word.column)


def _check_comparable(metric: Metric, word: _Word) -> None:
    if metric in _WITHOUT_BASELINE:
        why = _WITHOUT_BASELINE[metric]
        raise BadRule(f"`{metric}` can't be compared with the baseline's: {why}", word.column)


def _sample(metric: Metric) -> str:
    return "1%" if metric in RATES else "100" if metric in COUNTS else "50ms"


def _parse_value(word: _Word, metric: Metric) -> tuple[Decimal, str]:
    """The value as rules have it (a share, seconds or a count), and as it is written."""
    found = _QUANTITY.fullmatch(word.text)
    if found is None:
        either = "" if metric in _WITHOUT_BASELINE else f", `1.1x baseline` or `baseline + {_sample(metric)}`"
        raise _unexpected(word, f"{_describe(metric)}: {_sample(metric)}{either}")
    number, unit = Decimal(found[1]), _Word(found[2], word.column + len(found[1]))
    if metric in RATES:
        return _parse_rate(number, unit, word, metric)
    return _parse_latency(number, unit, metric) if metric in QUANTILES else _parse_count(number, unit, word, metric)


def _describe(metric: Metric) -> str:
    return "a percentage" if metric in RATES else "a whole number" if metric in COUNTS else "a time"


def _parse_rate(number: Decimal, unit: _Word, word: _Word, metric: Metric) -> tuple[Decimal, str]:
    if unit.text != "%":
        raise BadRule(f"`{metric}` is a rate; write a percentage: {_format(number)}%", unit.column)
    if number > 100:  # noqa: PLR2004 - what a percentage is
        raise BadRule(f"`{metric}` is at most 100%", word.column)
    return number / 100, f"{_format(number)}%"


def _parse_latency(number: Decimal, unit: _Word, metric: Metric) -> tuple[Decimal, str]:
    if unit.text not in _LATENCY_UNITS:
        raise BadRule(f"`{metric}` is a latency; write it in ms or s: 300ms", unit.column)
    seconds = number * _LATENCY_UNITS[unit.text]
    return seconds, f"{_format(seconds)}s" if seconds >= 1 else f"{_format(seconds * 1000)}ms"


def _parse_count(number: Decimal, unit: _Word, word: _Word, metric: Metric) -> tuple[Decimal, str]:
    if unit.text:
        raise BadRule(f"`{metric}` is a count; write a bare number: {_format(number)}", unit.column)
    if number % 1:
        raise BadRule(f"`{metric}` is a count; write a whole number", word.column)
    return number, _format(number)


def _refuse_pointless(metric: Metric, op: Op, bound: Bound, start: _Word) -> None:
    """``error_rate >= 0%`` is always so, ``> 100%`` never: nobody means that."""
    if bound.is_relative:
        return
    most = 1.0 if metric in RATES else math.inf
    outside = {Op.BELOW: bound.value <= 0, Op.ABOVE: bound.value >= most}
    everywhere = {Op.AT_LEAST: bound.value <= 0, Op.AT_MOST: bound.value >= most}
    if outside.get(op) or everywhere.get(op):
        raise BadRule(f"`{metric}` is {'never' if outside.get(op) else 'always'} {op} this bound", start.column)


def _parse_window(words: _Words) -> Decimal:
    """Seconds; the default when there is no ``for``."""
    if words.next.text != "for":
        if words.next.text:
            raise _unexpected(words.next, "`for` and a duration behind the bound, or nothing")
        return Decimal(DEFAULT_WINDOW_SECONDS)
    words.take()
    return _parse_duration(words.take())


def _parse_duration(word: _Word) -> Decimal:
    found = _QUANTITY.fullmatch(word.text)
    units = {"ms": Decimal("0.001"), **_WINDOW_UNITS, "d": Decimal(86_400)}
    if found is None or found[2] not in units:
        raise _unexpected(word, "a duration such as 30s, 5m or 1h")
    seconds = Decimal(found[1]) * units[found[2]]
    if not SHORTEST_WINDOW_SECONDS <= seconds <= LONGEST_WINDOW_SECONDS or seconds % 1:
        raise BadRule(f"`for {word.text}` is not allowed; from 1s to 24h, in whole seconds", word.column)
    return seconds


def _format(number: Decimal) -> str:
    """Without exponent and without zeros that say nothing."""
    return format(number.normalize(), "f")


def _format_window(seconds: Decimal) -> str:
    unit = next(unit for unit, length in _WINDOW_UNITS.items() if seconds % length == 0)
    return f"{_format(seconds / _WINDOW_UNITS[unit])}{unit}"
