"""What a rule says: its verdict, and the numbers that it rests on."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """A gate passes on ``ok`` only; a guard acts on ``broken`` only."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a rule says what it says."""

    MET = "met"  # of a gate: what it asks for is so, and the evidence supports it
    QUIET = "quiet"  # of a guard: what it fears is not so
    NOT_MET = "not_met"
    BROKEN = "broken"
    FEW_REQUESTS = "few_requests"
    NO_BASELINE = "no_baseline"  # too few requests to be compared with; a gate is skipped then
    NOT_COMPARED = "not_compared"
    LITTLE_EVIDENCE = "little_evidence"
    YOUNG_STAGE = "young_stage"
    BOTH_ARMS = "both_arms"


class Judgement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one rule says now. Rates are from 0 to 1, latencies seconds; what is not known is None."""

    rule: str
    """Its text, with what narrows it: ``error_rate > 5% for 1m``, ``p99 > 2x baseline for 5m, path /a/{id}``."""
    verdict: Verdict
    reason: str
    """Why, in a word: one of `Reason`, or, of an external gate, what was answered."""
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
