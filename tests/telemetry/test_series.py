"""Which series a configuration gives before anything was counted."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.core.decision import Decider
from gateway.core.heads import parse_request
from gateway.core.shadowing import Journal
from gateway.core.types import Arm, Breaker, Failover, Held, Match, MissingKey, Mode, Override, Route
from gateway.telemetry.series import arms_of, list_arms, list_decisions, list_failovers, list_paths
from tests.telemetry.scene import HEALTH, cohort, rollout, split_route, table

PLAIN = Route("rest", Match(), "legacy", paths=("/rest",))


def decisions(whole: Any) -> set[tuple[str, str]]:
    """Arm and reason, of a table with one route."""
    return {(arm, reason) for _, arm, reason in list_decisions(whole)}


def test_a_route_has_the_arms_that_its_requests_may_take() -> None:
    """Both with a rollout; without one there is nothing but the baseline."""
    assert arms_of(split_route()) == (Arm.BASELINE, Arm.CANDIDATE)
    assert arms_of(PLAIN) == (Arm.BASELINE,)


def test_every_configured_path_has_every_arm() -> None:
    """Paths by route and arm; a route that names none has none yet."""
    whole = table((rollout(),), (split_route("orders", "/a", "/b"), PLAIN, split_route("bare")))

    assert list(list_paths(whole)) == [
        ("orders", "/a", "baseline"),
        ("orders", "/a", "candidate"),
        ("orders", "/b", "baseline"),
        ("orders", "/b", "candidate"),
        ("rest", "/rest", "baseline"),
    ]
    assert list(list_arms(whole)) == [
        ("orders", "baseline"),
        ("orders", "candidate"),
        ("rest", "baseline"),
        ("bare", "baseline"),
        ("bare", "candidate"),
    ]


def test_a_route_without_a_rollout_has_one_reason() -> None:
    """no_rollout, always the baseline."""
    assert decisions(table((), (PLAIN,))) == {("baseline", "no_rollout")}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"killed": True}, "kill_switch"), ({"mode": Mode.OFF}, "off"), ({"mode": Mode.SHADOW}, "shadow")],
)
def test_what_is_held_has_one_reason(fields: dict[str, Any], reason: str) -> None:
    """Whatever else is configured, a held rollout sends everything to the baseline."""
    whole = table((rollout(cohorts=(cohort("beta", percent=5.0),), **fields),), (split_route(),), health=HEALTH)

    assert decisions(whole) == {("baseline", reason)}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (MissingKey.BASELINE, {("baseline", "missing_key")}),
        (MissingKey.RANDOM, {("baseline", "missing_key"), ("candidate", "missing_key")}),
        (MissingKey.COOKIE, set()),
    ],
)
def test_a_missing_key_is_a_reason_where_no_key_is_issued(choice: MissingKey, expected: set[tuple[str, str]]) -> None:
    """Requests without a key stay, are spread by chance, or get a key and are split like others."""
    split = {("baseline", "split"), ("candidate", "split")}

    assert decisions(table((rollout(on_missing_key=choice),), (split_route(),))) == expected | split


def test_cohorts_overrides_and_health_checks_add_their_reasons() -> None:
    """A cohort with an arm has that one, a floor both; unhealthy only keeps from the candidate."""
    cohorts = (cohort("staff", arm=Arm.CANDIDATE), cohort("bank", arm=Arm.BASELINE), cohort("beta", percent=50.0))
    whole = table((rollout(cohorts=cohorts),), (split_route(),), override=Override((), "secret"), health=HEALTH)
    plain = decisions(table((rollout(),), (split_route(),)))

    assert decisions(whole) - plain == {
        ("baseline", "override"),
        ("candidate", "override"),
        ("baseline", "unhealthy"),
        ("candidate", "cohort:staff"),
        ("baseline", "cohort:bank"),
        ("baseline", "cohort:beta"),
        ("candidate", "cohort:beta"),
    }


@pytest.mark.parametrize("held", list(Held))
def test_a_held_rollout_leaves_the_baseline_and_overrides(held: Held) -> None:
    """Nobody else can reach the candidate."""
    whole = table((rollout(held=held),), (split_route(),), override=Override((), "secret"), health=HEALTH)

    assert decisions(whole) == {("baseline", "override"), ("candidate", "override"), ("baseline", str(held))}


def test_a_journal_adds_its_reason() -> None:
    """Writes that it can't have go to the baseline."""
    journal = Journal(frozenset({"POST"}), 1000, 60.0, 1 << 20, drops_when_full=True)
    whole = table((rollout(),), (replace(split_route(), journal=journal),))

    assert decisions(whole) - decisions(table((rollout(),), (split_route(),))) == {("baseline", "journal")}


def test_a_breaker_adds_its_reason_and_a_failover_its_own() -> None:
    """A status stands for itself; routes without either have none."""
    failover = Failover(frozenset({"connect", "reset"}), frozenset({503}), frozenset({"GET"}), 20.0, 0)
    route = replace(split_route(), breaker=Breaker(10, 10.0), failover=failover)
    whole = table((rollout(),), (route, PLAIN))

    assert decisions(whole) - decisions(table((rollout(),), (split_route(), PLAIN))) == {("baseline", "breaker")}
    assert [*list_failovers(whole)] == [("orders", "connect"), ("orders", "reset"), ("orders", "503")]


@pytest.mark.parametrize("choice", list(MissingKey))
@pytest.mark.parametrize("fields", [{}, {"killed": True}, {"mode": Mode.SHADOW}])
def test_every_decision_that_is_made_was_foreseen(fields: dict[str, Any], choice: MissingKey) -> None:
    """The decider gives no arm and reason that the list does not have."""
    cohorts = (cohort("staff", arm=Arm.CANDIDATE), cohort("beta", percent=50.0))
    whole = table(
        (rollout(cohorts=cohorts, on_missing_key=choice, **fields),),
        (split_route(), PLAIN),
        override=Override((), "secret"),
        health=HEALTH,
    )
    chances = iter(range(1000))
    decider = Decider(whole, chance=lambda: next(chances) % 10 / 10, new_key=lambda: b"%032d" % next(chances))
    heads = [
        parse_request(b"GET %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (path, fields_sent))
        for path in (b"/orders/1", b"/else")
        for fields_sent in (b"", b"X-Tenant-ID: acme\r\n", *(b"X-User-ID: %d\r\n" % user for user in range(20)))
    ]
    made = [
        decider.decide(head, "127.0.0.1", override=override, down=down)
        for head in heads
        for override in (None, Arm.CANDIDATE, Arm.BASELINE)
        for down in (frozenset[str](), frozenset({"new"}))
    ]

    assert {(each.entry.route.name, str(each.arm), each.reason) for each in made} <= set(list_decisions(whole))
