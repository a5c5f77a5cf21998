"""A judgement says all that is known, and says so where nothing is."""

from __future__ import annotations

import msgspec

from gateway.core.verdicts import Judgement, Reason, Verdict


def test_what_is_not_known_is_none() -> None:
    """Not 0, which would be a value."""
    judgement = Judgement(rule="errors > 5 for 1m", verdict=Verdict.UNKNOWN, reason=Reason.FEW_REQUESTS)

    known = {name for name, value in msgspec.structs.asdict(judgement).items() if value is not None}
    assert known == {"rule", "verdict", "reason", "candidate_requests", "baseline_requests"}


def test_verdicts_and_reasons_are_the_words_that_users_read() -> None:
    """In the API, in events and in metrics: lower-case words, never renamed."""
    assert [str(verdict) for verdict in Verdict] == ["ok", "broken", "unknown"]
    assert all(str(reason) == reason.name.lower() for reason in Reason)


def test_a_judgement_travels_whole() -> None:
    """Also one with a reason from outside, which is none of ours."""
    judgement = Judgement(rule="webhook http://ci", verdict=Verdict.BROKEN, reason="status 403", value=0.5)

    assert msgspec.json.decode(msgspec.json.encode(judgement), type=Judgement) == judgement
