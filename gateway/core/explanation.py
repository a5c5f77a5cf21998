"""One decision, told to a person: every figure that went into it, and why it came out so, in a sentence."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import msgspec

from gateway.core.decision import ISSUED, Decider, Decision, Entry
from gateway.core.heads import RequestHead
from gateway.core.keys import find_token
from gateway.core.overrides import Overrides
from gateway.core.templates import Templates
from gateway.core.tokens import Verifier
from gateway.core.types import Arm, KeyKind, MissingKey, Rollout, Table

_ALL_PERCENT = 100.0
_BUCKET_DIGITS = 4
_NEW_KEY = b"0123456789abcdef0123456789abcdef"
"""Stands for the random key that the gateway would issue: its bucket is an example, and called one."""


class Explanation(msgspec.Struct, frozen=True):
    """What would become of a request. None is unknown or does not apply; the key is shown as text."""

    route: str
    match: str
    """The route's path pattern that matched."""
    template: str
    """Under which path figures are kept."""
    rollout: str | None
    key: str | None
    key_source: str | None
    bucket: float | None
    percent: float | None
    arm: str
    backend: str
    path: str | None
    """The path as the backend gets it; None when it passes as it came."""
    reason: str
    why: str
    """The reason in a sentence."""
    token: str | None = None
    """Whether the bearer token counts, or why not; null where its rollout asks for none, or there is none to verify."""


def explain_request(
    table: Table,
    request: RequestHead,
    peer: str,
    *,
    down: AbstractSet[str] = frozenset(),
    verifier: Verifier | None = None,
) -> Explanation:
    """What ``table`` does with a request from ``peer``.

    ``down`` are the backends that have no healthy endpoint; ``verifier`` knows good tokens, where the table wants that.
    Raises NoRoute when no route matches, and BadRequest for a path that climbs above the root.
    """
    believe = None if verifier is None else verifier.is_good
    decider = Decider(table, chance=lambda: 1.0, new_key=lambda: _NEW_KEY, believe=believe)
    override = Overrides(table.server.override).read(request, peer)
    decision = decider.decide(request, peer, override=override, down=down)
    entry, side = decision.entry, decision.side
    return Explanation(
        route=entry.route.name,
        match=entry.pattern,
        template=Templates(entry.route.paths).find(request),
        rollout=None if entry.rollout is None else entry.rollout.name,
        key=None if decision.key is None else decision.key.decode("utf-8", "backslashreplace"),
        key_source=decision.key_source,
        bucket=None if decision.bucket is None else round(decision.bucket, _BUCKET_DIGITS),
        percent=decision.percent,
        arm=str(side.arm),
        backend=side.backend,
        path=None if side.rewrite_path is None else side.rewrite_path(request.path).decode("latin-1"),
        reason=decision.reason,
        why=say_why(decision, _find_cap(table, entry)),
        token=_say_token(table, entry, request, verifier),
    )


def _say_token(table: Table, entry: Entry, request: RequestHead, verifier: Verifier | None) -> str | None:
    """What comes of the request's bearer token, and nothing of the token itself."""
    name, token = entry.rollout and entry.rollout.name, find_token(request)
    if verifier is None or token is None or not any(each.name == name and _reads(each) for each in table.rollouts):
        return None
    return verifier.find_fault(token) or (
        "good, but its signature is not checked here" if verifier.is_blind else "good"
    )


def _reads(rollout: Rollout) -> bool:
    """Whether it asks for a claim of the token."""
    keys = (source for alternative in rollout.key for source in alternative)
    conditions = (condition.source for cohort in rollout.cohorts for condition in cohort.when)
    return any(source.kind is KeyKind.JWT for source in (*keys, *conditions))


def say_why(decision: Decision, cap: float = _ALL_PERCENT) -> str:
    """The reason of a decision in a sentence; ``cap`` is the most, in percent, that the environment allows."""
    rollout = decision.entry.rollout
    if rollout is None:
        return "The route has no rollout, so its one backend answers."
    reason, arm = decision.reason, decision.arm
    sentences = {
        "kill_switch": f"CROSSFADE_ROLLBACK names {rollout.name}, so the baseline answers everything.",
        "off": f"{rollout.name} is in mode off, so the baseline answers everything.",
        "shadow": f"{rollout.name} is in mode shadow, so the baseline answers everything.",
        "override": f"X-Crossfade-Arm asks for the {arm} and comes from someone who may.",
        "pending": f"Nobody has started {rollout.name} yet, so the baseline answers everything.",
        "rolled_back": f"{rollout.name} was rolled back, so the baseline answers everything.",
        "unhealthy": "The key is the candidate's, but the candidate has no healthy endpoint, so the baseline answers.",
        "breaker": "The key is the candidate's, but the candidate rests after its failures, so the baseline answers.",
        "missing_key": _say_keyless(decision, rollout.on_missing_key, cap),
    }
    return sentences.get(reason) or _say_split(decision, cap)


def _find_cap(table: Table, entry: Entry) -> float:
    """The most, in percent, that ``CROSSFADE_PERCENT_<ROLLOUT>`` leaves to the entry's rollout."""
    name = entry.rollout and entry.rollout.name
    return next((rollout.cap for rollout in table.rollouts if rollout.name == name), _ALL_PERCENT)


def _say_keyless(decision: Decision, on_missing_key: MissingKey, cap: float) -> str:
    if on_missing_key is MissingKey.RANDOM:
        share = _say_percent(decision.percent, cap)
        return f"None of the key sources is present: by chance, {share} of such requests take the candidate."
    return "None of the key sources is present, so the baseline answers."


def _say_split(decision: Decision, cap: float) -> str:
    cohort = decision.reason.partition(":")[2]
    member = f"The request is in cohort {cohort}" if cohort else ""
    if decision.bucket is None or _has_fixed_arm(decision):
        return f"{member}, which the {decision.arm} answers."
    side = "below" if decision.arm is Arm.CANDIDATE else "not below"
    example = "The gateway would issue a key; this one's" if decision.key_source == ISSUED else "The key's"
    figures = f"bucket {decision.bucket:.{_BUCKET_DIGITS}f} is {side} {_say_percent(decision.percent, cap)}"
    prefix = f"{member}. " if member else ""
    return f"{prefix}{example} {figures}, so the {decision.arm} answers."


def _has_fixed_arm(decision: Decision) -> bool:
    """Whether the cohort that decided sends to one arm, whatever the key."""
    rollout = decision.entry.rollout
    cohorts = () if rollout is None else rollout.cohorts
    return any(cohort.arm is not None and cohort.reason == decision.reason for cohort in cohorts)


def _say_percent(percent: float | None, cap: float) -> str:
    is_capped = percent == cap < _ALL_PERCENT
    return f"{percent or 0:g} %" + (" (CROSSFADE_PERCENT_* allows no more)" if is_capped else "")
