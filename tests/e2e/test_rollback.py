"""A candidate that turns bad under load loses all its users, by itself, and they notice nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.exposition import scrape, sum_by
from tests.e2e.fickle import Fickle, Mood, fickle
from tests.e2e.gateway import Gateway
from tests.e2e.load import Load

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2}}
admin: {{listen: 127.0.0.1:0}}
backends:
  legacy: {legacy}
  new: {{endpoints: {new}, timeouts: {{response: {patience}, idle: {patience}}}}}
rollouts: {{shop: {{key: header:X-User-ID, percent: 50{guard}}}}}
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""
CLIENTS, PAUSE_SECONDS = 8, 0.015
FULL_WINDOW_REQUESTS = 2000
"""At this load as many as the shortest rule of the default guard looks back."""
UNDER_WAY_REQUESTS = 400
"""Until so many were answered, requests that began before a rollback may end."""
FEW = 20
"""More than are under way at once, and less than a failing candidate would cost."""

MEDIAN = "p50 > 2x baseline for 1m"
"""Told from noise within seconds; of a 99th percentile only one request in a hundred speaks."""
UNHURRIED_SECONDS = 0.015
"""Long enough for a busy machine's own delays to be small beside it."""

Pair = tuple[Fickle, Fickle]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The baseline and the candidate, both well."""
    with fickle() as legacy, fickle() as new:
        yield legacy, new


def begin(start_gateway: Start, pair: Pair, guard: str = "", patience: str = "30s") -> tuple[Gateway, Load]:
    """A gateway that has half the users on the candidate, with the default guard, and its load."""
    legacy, new = pair
    gateway = start_gateway(CONFIGURATION.format(legacy=legacy.url, new=new.url, guard=guard, patience=patience))
    return gateway, Load(gateway.port, "/api/orders/7", CLIENTS, PAUSE_SECONDS)


def await_rollback(gateway: Gateway) -> dict[str, Any]:
    """The event, once everybody was taken back."""
    gateway.wait_until(lambda: gateway.ask("/api/v1/rollouts/shop")[1]["state"] == "rolled_back", 60)
    gateway.wait_until(lambda: events(gateway, "rollback"))
    (event,) = events(gateway, "rollback")
    return event


def events(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    """The audit log's, of one kind."""
    return [event for event in gateway.ask("/api/v1/events?rollout=shop")[1]["items"] if event["kind"] == kind]


def assert_nobody_asks(new: Fickle, load: Load) -> None:
    """When what was under way has ended, not one request reaches the candidate."""
    load.wait_for_answers(UNDER_WAY_REQUESTS)
    asked = len(new.asked_at)
    load.wait_for_answers(UNDER_WAY_REQUESTS)
    assert len(new.asked_at) == asked


@pytest.mark.parametrize("healthy", [1, FULL_WINDOW_REQUESTS])
def test_no_user_sees_an_error_of_a_candidate_that_fails_everything(
    start_gateway: Start, pair: Pair, healthy: int
) -> None:
    """Failover, then the breaker, then the rollback: from a fresh start and after a full window of healthy traffic."""
    _, new = pair
    gateway, load = begin(start_gateway, pair)
    with load:
        load.wait_for_answers(healthy)
        new.turn(Mood.FAILING)
        event = await_rollback(gateway)
        assert_nobody_asks(new, load)

    assert load.failures == []
    assert (event["actor"]["type"], event["from"]["percent"], event["to"]["percent"]) == ("rule", 50, 0)
    assert event["actor"]["name"].startswith("error_rate")
    reasons = {reason for (reason,) in sum_by(scrape(gateway)["crossfade_failovers"], "_total", "reason")}
    assert {"500"} <= reasons <= {"500", "connect"}  # who is busy may be late to accept


@pytest.mark.parametrize(
    ("mood", "kind"),
    [(Mood.REFUSING, "connect"), (Mood.SILENT, "timeout"), (Mood.GARBLED, "protocol")],
)
def test_whatever_fails_before_an_answer_costs_nobody_a_request(
    start_gateway: Start, pair: Pair, mood: Mood, kind: str
) -> None:
    """Refused, hanging or garbled: rolled back, and counted as what it was."""
    _, new = pair
    gateway, load = begin(start_gateway, pair, patience="500ms" if mood is Mood.SILENT else "30s")
    with load:
        load.wait_for_answers(FULL_WINDOW_REQUESTS // 4)
        new.turn(mood)
        event = await_rollback(gateway)
        assert_nobody_asks(new, load)

    assert load.failures == []
    assert event["actor"]["type"] == "rule"
    assert sum_by(scrape(gateway)["crossfade_backend_errors"], "_total", "arm", "kind")[("candidate", kind)] > 0


def test_only_answers_that_had_begun_are_lost_when_bodies_break_off(start_gateway: Start, pair: Pair) -> None:
    """What was sent cannot be taken back; it is cut, never completed with something else, and it is few."""
    _, new = pair
    gateway, load = begin(start_gateway, pair)
    with load:
        load.wait_for_answers(FULL_WINDOW_REQUESTS // 4)
        new.turn(Mood.CUTTING)
        event = await_rollback(gateway)
        assert_nobody_asks(new, load)

    assert event["actor"]["name"].startswith("error_rate")
    assert all(failure.startswith("IncompleteRead(50 bytes read") for failure in load.failures)
    assert 0 < len(load.failures) <= 2 * FEW + CLIENTS  # each worker's breaker opens after ten
    assert sum_by(scrape(gateway)["crossfade_backend_errors"], "_total", "arm", "kind")[("candidate", "reset")] > 0


def test_a_candidate_that_gets_ten_times_slower_is_left(start_gateway: Start, pair: Pair) -> None:
    """By the latency's rule; everybody is answered meanwhile, and it is no error of a backend."""
    legacy, new = pair
    legacy.seconds = new.seconds = UNHURRIED_SECONDS
    gateway, load = begin(start_gateway, pair, f", guard: [{MEDIAN}]")
    with load:
        load.wait_for_answers(FULL_WINDOW_REQUESTS // 4)
        new.turn(Mood.SLOW)
        event = await_rollback(gateway)
        assert_nobody_asks(new, load)

    assert load.failures == []
    assert event["actor"]["name"] == MEDIAN
    kinds = {kind for (kind,) in sum_by(scrape(gateway)["crossfade_backend_errors"], "_total", "kind")}
    assert kinds <= {"connect"}  # who is busy may be late to accept


def test_what_hits_both_arms_alike_is_not_the_candidates_fault(start_gateway: Start, pair: Pair) -> None:
    """A shared database is down: nobody is moved, relative rules are quiet, and people are told why."""
    legacy, new = pair
    gateway, load = begin(start_gateway, pair)
    with load:
        load.wait_for_answers(FULL_WINDOW_REQUESTS // 4)
        legacy.turn(Mood.FAILING)
        new.turn(Mood.FAILING)
        gateway.wait_until(lambda: events(gateway, "notify"), 60)
        shown = gateway.ask("/api/v1/rollouts/shop")[1]

    assert {event["inputs"]["reason"] for event in events(gateway, "notify")} == {"both_arms"}
    assert all(event["reason"].startswith("both_arms: the baseline breaks ") for event in events(gateway, "notify"))
    assert (shown["state"], shown["percent"]) == ("running", 50)
    assert [rule["when"] for rule in shown["rules"] if rule["verdict"] == "broken"] == []
    assert events(gateway, "rollback") == []
