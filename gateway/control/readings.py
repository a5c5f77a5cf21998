"""What a rule read, for people and for programs outside: in the units of the API.

Inside, rates are from 0 to 1 and latencies seconds; outside, latencies are milliseconds. A judgement carries the rule's
text, from which its unit is clear: `p99 > 300ms` and `p99 > 2x baseline` are about latencies, `p99 > 2` is somebody's
Prometheus query that happens to be called so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from gateway.core.verdicts import Judgement

Unit = Literal["ratio", "ms", "count"]

_RATE: Final = re.compile(r"\w+_rate [<>]=? (.*baseline|[\d.]+ ?%)")
_LATENCY: Final = re.compile(r"p\d\d [<>]=? (.*baseline|[\d.]+ ?(ms|s|m|h)\b)")

_WHOLE_FROM: Final = 100
"""Milliseconds: from here on their fractions tell nothing."""


def unit_of(rule: str) -> Unit:
    """What the values of the rule with this text are; ``count`` for whatever has no unit."""
    if _RATE.match(rule):
        return "ratio"
    return "ms" if _LATENCY.match(rule) else "count"


def list_values(judgement: Judgement) -> dict[str, object]:
    """What a rule says and the numbers that it rests on, as the API shows a rule."""
    unit = unit_of(judgement.rule)
    return {
        "verdict": str(judgement.verdict),
        "reason": judgement.reason,
        "route": judgement.route,
        "path": judgement.path,
        "unit": unit,
        "value": scale(judgement.value, unit),
        "bound": scale(judgement.bound, unit),
        "baseline": scale(judgement.baseline, unit),
        "requests": {"candidate": judgement.candidate_requests, "baseline": judgement.baseline_requests},
    }


def scale(value: float | None, unit: Unit) -> float | None:
    """A value from inside in the unit that is shown: seconds become milliseconds."""
    return round(value * 1000, 3) if value is not None and unit == "ms" else value


def say_value(value: float | None, unit: Unit) -> str:
    """A value of the API's for a person: ``12.3 %``, ``480 ms``, ``7``."""
    if value is None:
        return "unknown"
    if unit == "ratio":
        return f"{value * 100:.3g} %"
    if unit == "ms":
        return f"{value:,.0f} ms" if value >= _WHOLE_FROM else f"{value:.3g} ms"
    return f"{value:,.0f}" if value.is_integer() else f"{value:.6g}"


def say_judgement(judgement: Judgement) -> str:
    """The numbers of a judgement in a line: ``12.3 % (bound 5 %, baseline 0.2 %; 812 and 15,410 requests)``."""
    unit = unit_of(judgement.rule)
    value, bound, baseline = (
        say_value(scale(each, unit), unit) if each is not None else None
        for each in (judgement.value, judgement.bound, judgement.baseline)
    )
    compared = [text for text in (bound and f"bound {bound}", baseline and f"baseline {baseline}") if text]
    asides = [", ".join(compared)] if compared else []
    if judgement.rule.startswith("mismatch"):  # they are between both arms
        asides.append(f"{judgement.candidate_requests:,} compared")
    elif judgement.candidate_requests or judgement.baseline_requests:
        asides.append(f"{judgement.candidate_requests:,} and {judgement.baseline_requests:,} requests")
    said = value or judgement.reason
    return f"{said} ({'; '.join(asides)})" if asides else said
