"""Which arm, and why: the order of the reasons, and what a user may rely on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.decision import Decider, Decision
from gateway.core.keys import Believe
from gateway.core.tokens import TokenPolicy
from gateway.core.types import Arm, Cohort, Condition, Hash, Held, Match, MissingKey, Mode, Rewrite, Table
from gateway.errors import BadRequest, NoRoute
from tests.core.asking import BASELINE, CANDIDATE, PEER, ask, chain, rollout, route, source, table
from tests.core.signing import encode

LOW, HIGH = "user-4", "user-1"
"""Keys at buckets 1.8 and 81.5 under the salt ``checkout``."""

INTERNAL = Cohort("internal", (Condition(source("header:X-Tenant"), ("acme", "initech")),), arm=CANDIDATE)
FRAGILE = Cohort("fragile", (Condition(source("header:X-Tenant"), ("bank-*",)),), arm=BASELINE)
BETA = Cohort("beta", (Condition(source("cookie:beta"), ("1",)),), percent=95)


def decide(rules: Table, *fields: str, target: str = "/", peer: str = PEER, **circumstances: Any) -> Decision:
    """Decide with fixed chance and a fixed new key."""
    chance = circumstances.pop("chance", 0.5)
    decider = Decider(rules, chance=lambda: chance, new_key=lambda: b"new-key")
    return decider.decide(ask(target, *fields), peer, **circumstances)


def outcome(decision: Decision) -> tuple[Arm, str]:
    """Arm and reason."""
    return decision.arm, decision.reason


def test_the_keys_position_decides() -> None:
    """Below the percentage the candidate answers; the decision shows bucket, source and share."""
    low, high = decide(table(route()), f"X-User-ID: {LOW}"), decide(table(route()), f"X-User-ID: {HIGH}")

    assert (outcome(low), outcome(high)) == ((CANDIDATE, "split"), (BASELINE, "split"))
    assert low.bucket is not None
    assert high.bucket is not None
    assert low.bucket < 50 <= high.bucket
    assert (low.key_source, low.percent, low.side.backend) == ("header:X-User-ID", 50, "new")


@given(
    st.binary(min_size=1, max_size=20),
    st.floats(0, 100),
    st.floats(0, 100),
    st.sampled_from([Hash.MURMUR3, Hash.FLAGD]),
)
def test_a_larger_percentage_never_takes_a_key_back(key: bytes, one: float, other: float, scheme: Hash) -> None:
    """The same key takes the same arm, and only moves to the candidate while the share grows."""
    low, high = sorted((one, other))
    arms = [
        decide(table(route(), rollouts=(rollout(percent, hash=scheme),)), f"X-User-ID: {key.hex()}").arm
        for percent in (0, low, low, high, 100)
    ]

    assert arms[0] is BASELINE
    assert arms[1] is arms[2]
    assert arms == sorted(arms)
    assert arms[4] is CANDIDATE


def test_a_route_without_a_rollout_has_one_backend() -> None:
    """Nothing is asked for, nothing is overridden."""
    rules = table(route(candidate=None, rollout=None))

    decision = decide(rules, f"X-User-ID: {LOW}", override=CANDIDATE)

    assert outcome(decision) == (BASELINE, "no_rollout")
    assert (decision.bucket, decision.percent) == (None, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"killed": True, "mode": Mode.OFF}, "kill_switch"),
        ({"mode": Mode.OFF}, "off"),
        ({"mode": Mode.SHADOW}, "shadow"),
    ],
)
def test_a_held_rollout_sends_nobody_to_the_candidate(changes: dict[str, Any], reason: str) -> None:
    """Neither an override nor a cohort nor 100 % changes that; the bucket is known all the same."""
    rules = table(route(), rollouts=(rollout(100, cohorts=(INTERNAL,), **changes),))

    decision = decide(rules, f"X-User-ID: {LOW}", "X-Tenant: acme", override=CANDIDATE)

    assert outcome(decision) == (BASELINE, reason)
    assert decision.bucket is not None


def test_an_override_comes_before_everything_that_a_key_decides() -> None:
    """In both directions, and without asking after health: who overrides wants that arm."""
    rules = table(route(), rollouts=(rollout(cohorts=(FRAGILE,)),))

    candidate = decide(rules, f"X-User-ID: {HIGH}", "X-Tenant: bank-1", override=CANDIDATE, down={"new"})
    baseline = decide(rules, f"X-User-ID: {LOW}", override=BASELINE)

    assert outcome(candidate) == (CANDIDATE, "override")
    assert outcome(baseline) == (BASELINE, "override")


def test_a_candidate_without_a_healthy_endpoint_rests() -> None:
    """Whoever would take it goes to the baseline; whoever would not has the reason that they always have."""
    rules = table(route(), rollouts=(rollout(cohorts=(INTERNAL, FRAGILE)),))

    assert outcome(decide(rules, f"X-User-ID: {LOW}", down={"new"})) == (BASELINE, "unhealthy")
    assert outcome(decide(rules, "X-Tenant: acme", down={"new"})) == (BASELINE, "unhealthy")
    assert outcome(decide(rules, f"X-User-ID: {HIGH}", down={"new"})) == (BASELINE, "split")
    assert outcome(decide(rules, "X-Tenant: bank-1", down={"new"})) == (BASELINE, "cohort:fragile")
    assert outcome(decide(rules, f"X-User-ID: {LOW}", down={"legacy"})) == (CANDIDATE, "split")


@pytest.mark.parametrize("held", list(Held))
def test_a_rollout_that_is_held_sends_everything_to_the_baseline_but_overrides(held: Held) -> None:
    """Cohorts and percentage mean nothing then; who may choose an arm still gets it, and a kill switch forbids that."""
    rules = table(route(), rollouts=(rollout(100, cohorts=(INTERNAL,), held=held),))
    killed = table(route(), rollouts=(rollout(100, held=held, killed=True),))

    for sent in (f"X-User-ID: {LOW}", "X-Tenant: acme", "X-Other: 1"):
        assert outcome(decide(rules, sent, down={"new"})) == (BASELINE, str(held))
    assert outcome(decide(rules, override=CANDIDATE)) == (CANDIDATE, "override")
    assert outcome(decide(killed, override=CANDIDATE)) == (BASELINE, "kill_switch")


def test_what_is_kept_away_goes_to_the_baseline_and_says_why() -> None:
    """Key, bucket and share stay as they were: only who answers is another."""
    decision = decide(table(route(), rollouts=(rollout(100),)), f"X-User-ID: {LOW}")
    before = (decision.bucket, decision.key, decision.percent)
    decision.keep_away("breaker")

    assert outcome(decision) == (BASELINE, "breaker")
    assert (decision.bucket, decision.key, decision.percent) == before


@pytest.mark.parametrize(
    ("percent", "fields", "expected"),
    [
        (0, ("X-Tenant: acme",), (CANDIDATE, "cohort:internal")),
        (100, ("X-Tenant: bank-7", f"X-User-ID: {LOW}"), (BASELINE, "cohort:fragile")),
        (0, ("X-Tenant: other", f"X-User-ID: {LOW}"), (BASELINE, "split")),
        (0, ("Cookie: beta=1", f"X-User-ID: {HIGH}"), (CANDIDATE, "cohort:beta")),
        (0, ("Cookie: beta=0", f"X-User-ID: {HIGH}"), (BASELINE, "split")),
        (0, ("Cookie: beta=1",), (BASELINE, "missing_key")),
        (0, ("X-Tenant: bank-7", "Cookie: beta=1", f"X-User-ID: {HIGH}"), (BASELINE, "cohort:fragile")),
    ],
)
def test_the_first_cohort_that_holds_decides(
    percent: float, fields: tuple[str, ...], expected: tuple[Arm, str]
) -> None:
    """An arm decides at any percentage; a percentage needs a key."""
    rules = table(route(), rollouts=(rollout(percent, cohorts=(INTERNAL, FRAGILE, BETA)),))

    assert outcome(decide(rules, *fields)) == expected


def test_a_cohorts_percentage_is_a_floor_under_the_cap() -> None:
    """The larger of it and the rollout's counts, but never more than the switch allows."""
    fields = ("Cookie: beta=1", f"X-User-ID: {HIGH}")

    assert decide(table(route(), rollouts=(rollout(99, cohorts=(BETA,)),)), *fields).percent == 99
    assert decide(table(route(), rollouts=(rollout(5, cohorts=(BETA,)),)), *fields).percent == 95
    capped = decide(table(route(), rollouts=(rollout(5, cohorts=(BETA,), cap=10.0),)), *fields)
    assert (capped.percent, capped.arm) == (10, BASELINE)


def test_all_conditions_of_a_cohort_must_hold() -> None:
    """From whatever part of the request they come."""
    when = tuple(
        Condition(source(text), (pattern,))
        for text, pattern in [("client_ip", "198.51.100.*"), ("path:tenant", "acme"), ("query:beta", "1")]
    )
    both = rollout(0, cohorts=(Cohort("picky", when, arm=CANDIDATE),))
    rules = table(route(match=Match(("/{tenant}/**",))), rollouts=(both,))

    def ask_from(peer: str, target: str) -> str:
        return decide(rules, f"X-User-ID: {LOW}", target=target, peer=peer).reason

    assert ask_from("198.51.100.7", "/acme/x?beta=1") == "cohort:picky"
    assert ask_from("198.51.101.7", "/acme/x?beta=1") == "split"
    assert ask_from("198.51.100.7", "/other/x?beta=1") == "split"
    assert ask_from("198.51.100.7", "/acme/x?beta=2") == "split"


@pytest.mark.parametrize(
    ("on_missing_key", "chance", "expected"),
    [
        (MissingKey.BASELINE, 0.0, BASELINE),
        (MissingKey.RANDOM, 0.499, CANDIDATE),
        (MissingKey.RANDOM, 0.5, BASELINE),
    ],
)
def test_a_request_without_a_key_is_not_split(on_missing_key: MissingKey, chance: float, expected: Arm) -> None:
    """It stays on the baseline, or takes its chance by itself."""
    decision = decide(table(route(), rollouts=(rollout(on_missing_key=on_missing_key),)), chance=chance)

    assert outcome(decision) == (expected, "missing_key")
    assert (decision.bucket, decision.issued_key) == (None, None)


def test_an_issued_key_is_split_like_any_other_and_sticks() -> None:
    """The decision carries the key to send; a request that brings it back is decided alike, and gets no other."""
    rules = table(route(), rollouts=(rollout(on_missing_key=MissingKey.COOKIE),))

    first, second = decide(rules), decide(rules, "Cookie: crossfade_key=new-key")

    assert (first.issued_key, first.key_source, first.reason) == (b"new-key", "issued", "split")
    assert (second.issued_key, second.key_source) == (None, "cookie:crossfade_key")
    assert (first.arm, first.bucket) == (second.arm, second.bucket)
    assert decide(rules, f"X-User-ID: {LOW}", "Cookie: crossfade_key=new-key").key == LOW.encode()


def test_no_key_is_issued_where_none_is_needed() -> None:
    """Held, overridden and cohort requests are decided without one."""
    sticky = rollout(on_missing_key=MissingKey.COOKIE, cohorts=(INTERNAL,))

    assert decide(table(route(), rollouts=(sticky,)), "X-Tenant: acme").issued_key is None
    assert decide(table(route(), rollouts=(sticky,)), override=BASELINE).issued_key is None
    held = rollout(on_missing_key=MissingKey.COOKIE, mode=Mode.OFF)
    assert decide(table(route(), rollouts=(held,))).issued_key is None


def test_routes_that_share_a_rollout_send_a_user_to_one_side() -> None:
    """The key decides, not the route."""
    rules = table(route("orders", "/orders/**"), route("carts", "/carts/**"))
    arms = {
        user: {decide(rules, f"X-User-ID: {user}", target=target).arm for target in ("/orders/1", "/carts/2")}
        for user in (LOW, HIGH)
    }

    assert arms == {LOW: {CANDIDATE}, HIGH: {BASELINE}}


def test_a_decision_has_what_sending_needs() -> None:
    """Our fields for the backend, and the arm's rewrite for the very pattern that matched."""
    rewrites = (Rewrite(CANDIDATE, path="/v2/**", set_headers=(("X-New", "1"),), remove_headers=("X-Old",)),)
    rules = table(route("or\r\nders", match=Match(("/a/**", "/b/c/**")), rewrites=rewrites))

    high, low = (decide(rules, f"X-User-ID: {user}", "X-Old: 1", target="/b/c/d") for user in (HIGH, LOW))

    assert high.side.header_lines == b"X-Crossfade-Route: or%0D%0Aders\r\nX-Crossfade-Arm: baseline\r\n"
    assert (high.side.rewrite_path, high.side.rewrite_fields) == (None, None)
    assert low.side.rewrite_path is not None
    assert low.side.rewrite_path(b"/b/c/d") == b"/v2/d"
    assert low.side.rewrite_fields is not None
    assert low.side.rewrite_fields.apply(ask("/", "X-Old: 1").fields) == b"\r\nHost: example.com\r\nX-New: 1"


def test_no_route_and_no_way_up() -> None:
    """Both are the client's fault, and say so."""
    rules = table(route(path="/api/**"))

    with pytest.raises(NoRoute):
        decide(rules, target="/other")
    with pytest.raises(BadRequest):
        decide(rules, target="/api/../../etc")


def test_joint_keys_are_one_key() -> None:
    """``a+b`` keeps users of different tenants apart."""
    rules = table(route(), rollouts=(rollout(key=chain("header:X-Tenant+header:X-User-ID")),))

    decision = decide(rules, "X-Tenant: acme", f"X-User-ID: {LOW}")

    assert decision.key == b"acme|" + LOW.encode()


def test_a_token_counts_for_keys_and_cohorts_when_it_is_good() -> None:
    """Under a table that wants tokens verified; nobody to ask is nobody to believe."""
    verified = TokenPolicy("https://id", ("ES256",))
    beta = Cohort("beta", (Condition(source("jwt:plan"), ("beta",)),), arm=CANDIDATE)
    rules = table(route(), rollouts=(rollout(key=chain("jwt:sub"), cohorts=(beta,)),))
    request = ask("/", f"Authorization: Bearer e30.{encode({'sub': LOW, 'plan': 'beta'}).decode()}.x")

    def tell(tokens: TokenPolicy | None, believe: Believe | None = None) -> str:
        decider = Decider(msgspec.structs.replace(rules, tokens=tokens), lambda: 0.5, lambda: b"", believe)
        return decider.decide(request, PEER).reason

    assert tell(None) == tell(None, lambda _: False) == tell(verified, lambda _: True) == "cohort:beta"
    assert tell(verified) == tell(verified, lambda _: False) == "missing_key"
