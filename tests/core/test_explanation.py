"""A decision told to a person."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core.decision import Decider
from gateway.core.explanation import Explanation, explain_request, say_why
from gateway.core.jwks import ASYMMETRIC, read_own
from gateway.core.tokens import TokenPolicy, Verifier
from gateway.core.types import Cohort, Condition, Held, MissingKey, Mode, Override, Rewrite, Table
from tests.core.asking import BASELINE, CANDIDATE, PEER, ask, rollout, route, source, table
from tests.core.signing import make_key, publish, sign

TENANT = (Condition(source("header:X-Tenant"), ("acme",)),)
COHORTS = (Cohort("internal", TENANT, arm=CANDIDATE), Cohort("fragile", TENANT, arm=BASELINE))
USER = "X-User-ID: user-4"  # at bucket 1.8


def explain(*fields: str, percent: float = 50, **changes: Any) -> Explanation:
    """What becomes of a request under one rollout."""
    rules = table(route(), rollouts=(rollout(percent, **changes),), override=Override(("10.0.0.1",), ""))
    return explain_request(
        rules, ask("/orders/81", *fields), PEER if "X-Crossfade-Arm" not in str(fields) else "10.0.0.1"
    )


def test_an_explanation_has_every_figure() -> None:
    """From the route to the path that is sent."""
    rewrites = (Rewrite(CANDIDATE, path="/v2/**"),)
    rules = table(route(paths=("/orders/{id}",), rewrites=rewrites))

    explanation = explain_request(rules, ask("/orders/81", USER), PEER)

    assert (explanation.route, explanation.match, explanation.template) == ("orders", "/**", "/orders/{id}")
    assert (explanation.key, explanation.key_source) == ("user-4", "header:X-User-ID")
    assert (explanation.rollout, explanation.percent) == ("checkout", 50)
    assert (explanation.arm, explanation.backend, explanation.reason) == ("candidate", "new", "split")
    assert explanation.path == "/v2/orders/81"
    assert explanation.bucket is not None
    assert 0 <= explanation.bucket < 50


@pytest.mark.parametrize(
    ("fields", "changes", "why"),
    [
        ((USER,), {}, "The key's bucket 1.8"),
        ((USER,), {}, "is below 50 %, so the candidate answers."),
        ((USER,), {"percent": 0.5}, "is not below 0.5 %, so the baseline answers."),
        ((USER,), {"percent": 1, "cap": 1}, "is not below 1 % (CROSSFADE_PERCENT_* allows no more), so the baseline"),
        ((), {"on_missing_key": MissingKey.RANDOM, "cap": 50}, "50 % (CROSSFADE_PERCENT_* allows no more) of such"),
        (
            ("X-Tenant: acme", USER),
            {"percent": 1, "cap": 5, "cohorts": (Cohort("beta", TENANT, percent=60),)},
            "is below 5 % (CROSSFADE_PERCENT_* allows no more), so the candidate",
        ),
        ((USER,), {"percent": 10, "cap": 20}, "is below 10 %, so"),
        ((USER,), {"mode": Mode.OFF}, "mode off"),
        ((USER,), {"mode": Mode.SHADOW}, "mode shadow"),
        ((USER,), {"killed": True}, "CROSSFADE_ROLLBACK names checkout"),
        (("X-Crossfade-Arm: candidate",), {}, "X-Crossfade-Arm asks for the candidate"),
        ((), {}, "None of the key sources is present, so the baseline answers."),
        ((), {"on_missing_key": MissingKey.RANDOM}, "by chance, 50 % of such requests"),
        ((), {"on_missing_key": MissingKey.COOKIE}, "The gateway would issue a key; this one's bucket"),
        (("X-Tenant: acme",), {"cohorts": COHORTS}, "in cohort internal, which the candidate answers."),
        (("X-Tenant: acme", USER), {"cohorts": COHORTS[1:]}, "in cohort fragile, which the baseline answers."),
        (
            ("X-Tenant: acme", USER),
            {"percent": 1, "cohorts": (Cohort("beta", TENANT, percent=60),)},
            "in cohort beta. The key's bucket",
        ),
    ],
)
def test_every_reason_has_its_sentence(fields: tuple[str, ...], changes: dict[str, Any], why: str) -> None:
    """With the figures that decided."""
    assert why in explain(*fields, **changes).why


def test_a_route_without_a_rollout_says_so() -> None:
    """And has no key, bucket or share."""
    explanation = explain_request(table(route(rollout=None, candidate=None)), ask("/"), PEER)

    assert explanation.why == "The route has no rollout, so its one backend answers."
    assert (explanation.rollout, explanation.key, explanation.percent) == (None, None, None)


def test_a_candidate_without_a_healthy_endpoint_is_explained() -> None:
    """The key is the candidate's, the baseline answers, and the sentence says why."""
    rules = table(route(), rollouts=(rollout(50),))
    explanation = explain_request(rules, ask("/orders/81", USER), PEER, down={"new"})

    assert (explanation.arm, explanation.backend, explanation.reason) == ("baseline", "legacy", "unhealthy")
    assert "no healthy endpoint" in explanation.why


@pytest.mark.parametrize(
    ("held", "sentence"), [(Held.PENDING, "Nobody has started"), (Held.ROLLED_BACK, "rolled back")]
)
def test_a_state_that_holds_everybody_is_explained(held: Held, sentence: str) -> None:
    """Whatever the percentage is."""
    explanation = explain_request(table(route(), rollouts=(rollout(100, held=held),)), ask("/orders/81", USER), PEER)

    assert (explanation.arm, explanation.reason) == ("baseline", str(held))
    assert sentence in explanation.why


def test_a_candidate_that_rests_is_explained() -> None:
    """Only a worker knows that, so it is told about decisions that were made."""
    request = ask("/orders/81", USER)
    decider = Decider(table(route(), rollouts=(rollout(100),)), chance=lambda: 0.0, new_key=lambda: b"")
    decision = decider.decide(request, PEER)
    decision.keep_away("breaker")

    assert "rests after its failures" in say_why(decision)


@pytest.mark.parametrize(
    ("token", "key", "said"),
    [
        (sign({"sub": "ann"}), "ann", "good"),
        (sign({"sub": "ann", "exp": 1}), None, "expired"),
        (b"junk", None, "not a JSON Web Token"),
    ],
)
def test_an_explanation_says_what_comes_of_a_token(token: bytes, key: str | None, said: str) -> None:
    """Where its rollout asks for one, for the key or for a cohort, and tokens are verified."""
    policy = TokenPolicy("/keys.json", ASYMMETRIC, read_own(publish(make_key()), ASYMMETRIC))
    request, verifier = ask("/", f"Authorization: Bearer {token.decode()}"), Verifier(policy, lambda: 2.0)

    def explain_for(rules: Table) -> Explanation:
        return explain_request(msgspec.structs.replace(rules, tokens=policy), request, PEER, verifier=verifier)

    beta = Cohort("beta", (Condition(source("jwt:plan"), ("x",)),), arm=CANDIDATE)
    by_key = explain_for(table(route(), rollouts=(rollout(key=((source("jwt:sub"),),)),)))

    assert (by_key.key, by_key.token) == (key, said)
    assert explain_for(table(route(), rollouts=(rollout(cohorts=(beta,)),))).token == said
    assert explain_for(table(route())).token is None
