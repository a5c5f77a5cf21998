"""What a rule read, for people and for programs outside: in the units of the API.

Inside, rates are from 0 to 1 and latencies seconds; outside, latencies are milliseconds. A judgement carries the rule's
text, from which its unit is clear: `p99 > 300ms` and `p99 > 2x baseline` are about latencies, `p99 > 2` is somebody's
Prometheus query that happens to be called so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from gateway.core.verdicts import Reason

if TYPE_CHECKING:
    from gateway.core.verdicts import Judgement

Unit = Literal["ratio", "ms", "count"]

_RATE: Final = re.compile(r"\w+_rate [<>]=? (.*baseline|[\d.]+ ?%)")
_LATENCY: Final = re.compile(r"p\d\d [<>]=? (.*baseline|[\d.]+ ?(ms|s|m|h)\b)")

_CAUSES: Final[Mapping[str, str]] = {
    Reason.MET: "met, and the evidence supports it",
    Reason.QUIET: "nothing of the kind is seen",
    Reason.NOT_MET: "not met",
    Reason.BROKEN: "what it fears is so, and the evidence supports it",
    Reason.FEW_REQUESTS: "too few requests in its window",
    Reason.NO_BASELINE: "the baseline has too few requests to compare with",
    Reason.NOT_COMPARED: "nothing has been compared yet",
    Reason.LITTLE_EVIDENCE: "little evidence so far",
    Reason.YOUNG_STAGE: "the stage is younger than its window",
    Reason.BOTH_ARMS: "the baseline breaks the same bound",
    "not_asked_yet": "not asked yet: all else must be ok first",
}

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
    if judgement.candidate_requests or judgement.baseline_requests:
        asides.append(_say_seen(judgement))
    said = value or _CAUSES.get(judgement.reason, judgement.reason)
    return f"{said} ({'; '.join(asides)})" if asides else said


def _say_seen(judgement: Judgement) -> str:
    if judgement.rule.startswith("mismatch"):  # they are between both arms
        return f"{judgement.candidate_requests:,} compared"
    return f"{judgement.candidate_requests:,} and {judgement.baseline_requests:,} requests"


def say_cause(rule: str, reason: str, needs: int | None, *, is_gate: bool) -> str:
    """Why the rule with this text says what it says, for a person; of an external gate what was answered.

    ``needs`` is how many more requests or comparisons it takes, None where that is not known.
    """
    said = _CAUSES.get(reason, reason)
    if is_gate and reason == Reason.LITTLE_EVIDENCE:
        said = "little evidence since the stage began"  # a gate rests on all of it, whatever its window
        said += "" if needs else ", and what there is does not support it"
    return f"{said}: {_say_needs(rule, needs)}" if needs else said


def _say_needs(rule: str, needs: int) -> str:
    what = "more comparison" if rule.startswith("mismatch") else "more request"
    return f"about {needs:,} {what}{' is' if needs == 1 else 's are'} needed"
