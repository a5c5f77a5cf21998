"""What a rule says: its verdict, and the numbers that it rests on."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """A gate passes on ``ok`` only; a guard acts on ``broken`` only."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Judgement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one rule says now. Rates are from 0 to 1, latencies seconds; what is not known is None."""

    rule: str
    """Its text, with what narrows it: ``error_rate > 5% for 1m``, ``p99 > 2x baseline for 5m, path /a/{id}``."""
    verdict: Verdict
    reason: str
    """Why, in a few words for a person."""
    route: str | None = None
    path: str | None = None
    """The one that it is about; of a rule that looks at every path, the worst."""
    value: float | None = None
    """The candidate's."""
    bound: float | None = None
    """What it was compared with, the baseline's part included."""
    baseline: float | None = None
    candidate_requests: int = 0
    baseline_requests: int = 0
    needs: int | None = None
    """How many more requests of the candidate there must be before anything can be said; None: enough, or unknown."""
