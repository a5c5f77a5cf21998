"""Incidents: what is recorded of a rollback at the moment of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.figures import Batch, Figures
from gateway.control.history import History
from gateway.control.incidents import MOST_PATHS, Incidents, look_back, rank
from gateway.control.mismatches import Mismatches
from gateway.control.samples import Samples
from gateway.core.failures import FailedRequest
from gateway.core.lifecycle import Progress, State
from gateway.core.shadowing import Journal
from gateway.store.records import Incident
from tests.admin.desk import counted
from tests.control.found import PRICE, field, path, sample, table
from tests.control.rollbacks import AT, JUDGEMENT, TEXT, arm, checkout, happened, incident, rollback, row
from tests.telemetry.scene import split_route

ROUTES = (split_route("orders", "/orders/{id}", "/orders/quiet", rollout_name="checkout"),)


class Scene:
    """What incidents are made from, some of everything."""

    def __init__(self) -> None:
        self.figures = Figures(AT - 3600)
        self.samples, self.mismatches, self.history = Samples(), Mismatches(), History()
        self.start(lambda: AT)

    def start(self, now: Callable[[], float]) -> None:
        """By a clock."""
        self.incidents = Incidents(self.figures, self.samples, self.mismatches.paths, self.history, now, lambda: AT)

    def count(self, ago: float, *reported: Any) -> None:
        self.figures.record(Batch(1, self.figures.last_of(1) + 1, AT - ago, reported))


async def test_an_incident_says_what_fired_where_and_from_what_share() -> None:
    """The rule, its values in the API's units, the stage, and the percentage before."""
    recorded = await Scene().incidents.record(checkout(), ROUTES, rollback())

    assert (recorded.id[:28], recorded.time) == ("20261121-101500-000-checkout", "2026-11-21T10:15:00.000Z")
    assert (recorded.rollout, recorded.rule) == ("checkout", f"{TEXT}, route orders")
    assert (recorded.stage, recorded.percent_before) == (2, 50.0)
    assert recorded.values["value"] == 0.24
    assert recorded.values["requests"] == {"candidate": 1200, "baseline": 1234}


async def test_the_figures_are_those_of_the_rules_window_and_of_the_rollouts_routes() -> None:
    """Both arms; requests whose arm somebody chose are not among them, as rules do not look at them."""
    scene = Scene()
    scene.count(700, counted("/orders/{id}", "candidate", [1] * 99, route="orders"))
    scene.count(599, counted("/orders/{id}", "candidate", [100] * 4, route="orders", errors=3))
    scene.count(1, counted("/orders/{id}", "baseline", [50] * 8, route="orders"))
    scene.count(1, counted("/orders/{id}", "candidate", [7] * 5, route="orders", is_forced=True))
    scene.count(1, counted("/else", "candidate", [7], route="else"))
    (shown,) = (await scene.incidents.record(checkout(), ROUTES, rollback())).paths

    assert (shown["route"], shown["path"]) == ("orders", "/orders/{id}")
    candidate, baseline = msgspec.convert([shown["candidate"], shown["baseline"]], list[dict[str, float]])
    assert (candidate["requests"], candidate["errors"], candidate["error_rate"]) == (4, 3, 0.75)
    assert (baseline["requests"], baseline["errors"]) == (8, 0)


@pytest.mark.parametrize("journal", [None, Journal(frozenset({"POST"}), 1024, 60.0, 4096, drops_when_full=False)])
async def test_an_incident_knows_whether_writes_were_kept(journal: Journal | None) -> None:
    """Then the baseline may lack some."""
    routes = [msgspec.structs.replace(route, journal=journal) for route in ROUTES]

    assert (await Scene().incidents.record(checkout(), routes, rollback())).has_journal is (journal is not None)


async def test_an_incident_says_over_how_long_its_figures_are() -> None:
    """The rule's window and at least five minutes, but never behind what rules looked at."""
    ten = await Scene().incidents.record(checkout(), ROUTES, rollback())
    five = await Scene().incidents.record(checkout(), ROUTES, rollback(None))
    young = Progress(state=State.RUNNING, stage=1, stage_percent=50.0, watched_since=AT - 45)
    short = await Scene().incidents.record(checkout(), ROUTES, rollback(before=young))

    assert [each.window_s for each in (ten, five, short)] == [600, 300, 45]


async def test_samples_and_events_of_the_rollout_are_in_it() -> None:
    """IDs that logs know, and what led there."""
    scene = Scene()
    scene.samples.take(
        [
            FailedRequest(AT - 5, "id-1", "orders", "/orders/{id}", "GET", 502, "reset"),
            FailedRequest(AT - 5000, "id-0", "orders", "/orders/{id}", "GET", 502, "reset"),
            FailedRequest(AT - 5, "id-2", "else", "/", "GET", 502, "reset"),
        ]
    )
    for number in range(25):
        scene.history.hear(happened(number=number))
    scene.history.hear(happened(rollout="search", number=99))
    recorded = await scene.incidents.record(checkout(), ROUTES, rollback())

    assert [sample["request_id"] for sample in recorded.samples] == ["id-1"]
    assert recorded.samples[0]["time"] == "2026-11-21T10:14:55.000Z"
    assert [event["id"] for event in recorded.events] == list(range(5, 25))


async def test_a_persons_rollback_is_an_incident_without_a_rule() -> None:
    """It says why instead."""
    recorded = await Scene().incidents.record(checkout(), ROUTES, rollback(None))

    assert (recorded.rule, recorded.values) == (None, {"by": "ada", "reason": "customers complain"})


async def test_two_incidents_of_one_second_have_different_names() -> None:
    """A name is used once."""
    incidents = Scene().incidents
    names = [(await incidents.record(checkout(), ROUTES, rollback())).id for _ in range(3)]

    assert len(set(names)) == 3
    assert all(re.fullmatch(r"20261121-101500-000-checkout-[0-9a-f]{4}", name) for name in names)


async def test_figures_that_take_too_long_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rollback does not wait for its own record."""
    scene, gate = Scene(), threading.Event()
    scene.count(1, counted("/orders/{id}", "candidate", [100], route="orders"))
    monkeypatch.setattr(scene.figures, "windows", type("Slow", (), {"sum": lambda *_args: gate.wait() and {}})())
    recorded = await scene.incidents.record(checkout(), ROUTES, rollback())
    gate.set()

    assert recorded.paths == []


def test_an_incident_survives_the_store() -> None:
    """As JSON and back, whole."""
    recorded = incident()

    assert msgspec.json.decode(msgspec.json.encode(recorded), type=Incident) == recorded


def test_figures_reach_back_over_the_rules_window_and_at_least_five_minutes() -> None:
    """A rule of five seconds alone would show little."""
    quick = msgspec.structs.replace(JUDGEMENT, rule="p99 > 2x baseline for 5s")

    assert look_back(checkout(), rollback()) == 600
    assert look_back(checkout(), rollback(quick)) == 300
    assert look_back(checkout(), rollback(None)) == 300


def test_the_path_with_the_most_errors_too_many_comes_first() -> None:
    """Not the one with the highest rate, nor the one that fails on the baseline as well."""
    rows = [
        row("/both", arm(1000, 500), arm(1000, 500)),
        row("/rare", arm(2, 2)),
        row("/worst", arm(1000, 100)),
        row("/idle", arm()),
    ]

    assert [each.path for each in rank(rows, TEXT)] == ["/worst", "/rare", "/both"]


def test_for_a_rule_about_latency_the_slowest_path_comes_first() -> None:
    """Slow is what is slower than the baseline."""
    rows = [row("/errors", arm(100, 9, 100.0)), row("/slow", arm(100, 0, 900.0)), row("/new", arm(100, 0, None))]

    assert [each.path for each in rank(rows, "p99 > 2x baseline for 5m")] == ["/slow", "/errors", "/new"]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=60), st.sampled_from([None, TEXT]))
def test_a_ranking_is_bounded_and_has_no_path_twice(shares: list[tuple[int, int]], rule: str | None) -> None:
    """Whatever the figures are."""
    rows = [row(f"/{number}", arm(requests, errors)) for number, (requests, errors) in enumerate(shares)]
    ranked = rank(rows, rule)

    assert len({each.path for each in ranked}) == len(ranked) <= MOST_PATHS
    assert all(each.candidate is not None and each.candidate.requests for each in ranked)


async def test_no_figure_reaches_behind_the_last_start() -> None:
    """What happened before it, perhaps another incident, led to nothing now; the two clocks need not agree."""
    scene = Scene()
    scene.start(lambda: AT + 5000.4)
    scene.count(31, counted("/orders/{id}", "candidate", [1] * 99, route="orders", errors=99))
    scene.count(29, counted("/orders/{id}", "candidate", [100] * 4, route="orders", errors=3))
    scene.samples.take([FailedRequest(AT + 4969, "id-0", "orders", "/orders/{id}", "GET", 502, "reset")])
    before = msgspec.structs.replace(rollback().before, watched_since=AT + 4970.4)
    recorded = await scene.incidents.record(checkout(), ROUTES, rollback(before=before))

    (shown,) = recorded.paths
    candidate = msgspec.convert(shown["candidate"], dict[str, float])
    assert (candidate["requests"], candidate["errors"]) == (4, 3)
    assert recorded.samples == []


def test_a_path_from_which_all_were_kept_away_is_among_the_worst() -> None:
    """The candidate served nothing there, which is what is wrong."""
    kept = msgspec.structs.replace(arm(), kept_away=50)

    assert [each.path for each in rank([row("/bad", arm(100, 9)), row("/kept", kept)], TEXT)] == ["/kept", "/bad"]


async def test_answers_that_differed_since_the_stage_began_are_among_the_samples() -> None:
    """Of the rollout's routes, redacted as they were found, after the requests that failed; none of noise."""
    scene = Scene()
    fields = {
        PRICE: field(3, 3, 0, sample(AT - 9000), sample(AT - 600, 9.99, None)),
        ("$.at", "value"): field(9, 9, 20, sample(AT - 1)),
    }
    scene.mismatches.adopt(table("orders", "else"), AT)
    scene.mismatches.take([path(fields, twins=20), path({PRICE: field(1, 1, 0, sample())}, route="else")], AT)
    scene.samples.take([FailedRequest(AT - 5, "id-1", "orders", "/orders/{id}", "GET", 502, "reset")])
    before = msgspec.structs.replace(rollback().before, stage_since=AT - 3600)
    recorded = await scene.incidents.record(checkout(), ROUTES, rollback(before=before))

    assert [each["request_id"] for each in recorded.samples] == ["id-1", f"id-{AT - 600:.10g}"]
    assert recorded.samples[1] == {
        "time": "2026-11-21T10:05:00.000Z",
        "request_id": f"id-{AT - 600:.10g}",
        "route": "orders",
        "path": "/orders/{id}",
        "kind": "value",
        "field": "$.items[*].price",
        "baseline": 9.99,
        "candidate": None,
    }
