"""What each metric counts, and which of its series are there from the start."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric

from gateway.core.figures import DURATION_BOUNDS, ERROR_KINDS
from gateway.core.types import Arm
from gateway.telemetry.catalogue import CATALOGUE
from gateway.telemetry.families import ROLLOUT_STATES, list_families
from gateway.telemetry.snapshot import RolloutLevel, RuleLevel, Snapshot
from tests.telemetry.scene import (
    TRACE_ID,
    figures,
    rich_snapshot,
    rollout,
    shadow,
    snapshot,
    split_route,
    subject,
    table,
)

SPLIT = ("legacy", "GET", 200, "split")


def samples(taken: Snapshot, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The samples of one name: from the labels, in the order of their names, to the value."""
    every = [sample for family in list_families(taken) for sample in family.samples if sample.name == name]
    found = {tuple(sorted(sample.labels.items())): sample.value for sample in every}
    assert len(found) == len(every), f"{name} has a series twice"
    return found


def value(taken: Snapshot, name: str, **labels: str) -> float:
    """Of the one series with these labels."""
    return samples(taken, name)[tuple(sorted(labels.items()))]


def total(taken: Snapshot, name: str, **labels: str) -> float:
    """Of all series with these labels and others."""
    return sum(value for series, value in samples(taken, name).items() if labels.items() <= dict(series).items())


def test_the_families_are_those_of_the_catalogue() -> None:
    """Every metric, of its type, with its labels, in order; none that the page does not know."""
    families: dict[str, Metric] = {family.name: family for family in list_families(rich_snapshot())}
    metrics = [metric for group in CATALOGUE.values() for metric in group]
    shown = [metric.name.removesuffix("_total").removesuffix("_info") for metric in metrics]

    assert list(families) == shown
    for name, metric in zip(shown, metrics, strict=True):
        assert (families[name].type, families[name].documentation) == (metric.kind, metric.meaning)
        assert families[name].samples, name
        labels = {label for sample in families[name].samples for label in sample.labels} - {"le"}
        assert labels == set(metric.labels), name


def test_requests_are_counted_by_what_answered_them() -> None:
    """One count per request, whatever the reason was and whoever chose the arm."""
    taken = snapshot(
        totals={
            subject("orders", "/", "candidate"): figures(
                ("new", "GET", 200, "split"), ("new", "GET", 200, "cohort:beta"), ("new", "POST", 201, "split")
            ),
            subject("orders", "/", "candidate", is_forced=True): figures(("new", "GET", 200, "override")),
        }
    )
    labels = {"route": "orders", "path": "/", "arm": "candidate", "backend": "new"}

    assert value(taken, "crossfade_requests_total", **labels, method="GET", code="200") == 3
    assert value(taken, "crossfade_requests_total", **labels, method="POST", code="201") == 1
    assert len(samples(taken, "crossfade_requests_total")) == 2


def test_requests_that_no_route_served_have_empty_labels() -> None:
    """They are requests with a duration, but nobody decided about them and no backend failed."""
    taken = snapshot(totals={subject("", "", ""): figures(("", "GET", 404, ""))})
    empty = {"route": "", "path": "", "arm": ""}

    assert value(taken, "crossfade_requests_total", **empty, backend="", method="GET", code="404") == 1
    assert value(taken, "crossfade_request_duration_seconds_count", **empty) == 1
    assert samples(taken, "crossfade_decisions_total") == {}
    assert samples(taken, "crossfade_backend_errors_total") == {}
    assert samples(taken, "crossfade_backend_duration_seconds_count") == {}


def test_decisions_are_counted_over_all_paths() -> None:
    """By route, arm and reason."""
    taken = snapshot(
        totals={
            subject("orders", "/a", "baseline"): figures(SPLIT, SPLIT),
            subject("orders", "/b", "baseline"): figures(SPLIT, ("legacy", "GET", 500, "missing_key")),
        }
    )

    assert value(taken, "crossfade_decisions_total", route="orders", arm="baseline", reason="split") == 3
    assert value(taken, "crossfade_decisions_total", route="orders", arm="baseline", reason="missing_key") == 1


def test_errors_start_at_0_for_every_kind_with_the_path() -> None:
    """The first error of a path that the configuration does not name is an increase, too."""
    taken = snapshot(totals={subject("orders", "/seen", "candidate"): figures(SPLIT, errors={"reset": 2})})
    labels = {"route": "orders", "path": "/seen", "arm": "candidate"}

    for kind in ERROR_KINDS:
        expected = 2 if kind == "reset" else 0
        assert value(taken, "crossfade_backend_errors_total", **labels, kind=kind) == expected


def test_what_the_configuration_names_starts_at_0() -> None:
    """Durations, errors and decisions of configured paths and arms are there before the first request."""
    taken = snapshot(table=table((rollout(),), (split_route("orders", "/orders/{id}"),)))
    labels = {"route": "orders", "path": "/orders/{id}", "arm": "candidate"}

    assert value(taken, "crossfade_request_duration_seconds_count", **labels) == 0
    assert value(taken, "crossfade_request_duration_seconds_bucket", **labels, le="+Inf") == 0
    assert value(taken, "crossfade_backend_errors_total", **labels, kind="5xx") == 0
    assert value(taken, "crossfade_backend_duration_seconds_count", route="orders", arm="candidate") == 0
    assert value(taken, "crossfade_decisions_total", route="orders", arm="candidate", reason="split") == 0
    assert samples(taken, "crossfade_requests_total") == {}


def test_what_was_counted_takes_the_place_of_the_0() -> None:
    """A configured path that has requests is one series, not two."""
    taken = snapshot(
        table=table((rollout(),), (split_route("orders", "/a"),)),
        totals={subject("orders", "/a", "baseline"): figures(SPLIT)},
    )

    assert total(taken, "crossfade_request_duration_seconds_count") == 1
    assert total(taken, "crossfade_backend_duration_seconds_count", arm="baseline") == 1
    assert total(taken, "crossfade_decisions_total", reason="split") == 1


@given(st.lists(st.floats(0.0001, 60), min_size=1, max_size=30))
def test_buckets_are_cumulated_and_end_with_the_count(seconds: list[float]) -> None:
    """Each bucket has what its bound does not cut off; +Inf has all; the sum is that of the seconds."""
    counted = figures()
    for each in seconds:
        counted.add(figures(SPLIT, latency=each))
    taken = snapshot(totals={subject("orders", "/", "baseline"): counted})
    for name, factor, labels in (
        ("crossfade_request_duration_seconds", 2, {"route": "orders", "path": "/", "arm": "baseline"}),
        ("crossfade_backend_duration_seconds", 1, {"route": "orders", "arm": "baseline"}),
    ):
        bounds = [value(taken, f"{name}_bucket", **labels, le=str(bound)) for bound in DURATION_BOUNDS]

        assert bounds == sorted(bounds)
        assert value(taken, f"{name}_bucket", **labels, le="+Inf") == len(seconds)
        assert value(taken, f"{name}_count", **labels) == len(seconds)
        assert abs(value(taken, f"{name}_sum", **labels) - sum(seconds) * factor) < 1e-6
        # Latencies are known to 1.1 %.
        for bound, count in zip(DURATION_BOUNDS, bounds, strict=True):
            assert sum(each * factor < bound * 0.98 for each in seconds) <= count
            assert count <= sum(each * factor < bound * 1.02 for each in seconds)


def test_the_trace_of_a_request_stands_beside_its_bucket() -> None:
    """The exemplar is the traced request: its trace, its duration and when it was."""
    taken = snapshot(totals={subject("orders", "/", "baseline"): figures(SPLIT, latency=0.012, traced=True)})
    family = next(each for each in list_families(taken) if each.name == "crossfade_request_duration_seconds")
    shown = {sample.labels["le"]: sample.exemplar for sample in family.samples if sample.exemplar}

    assert list(shown) == ["0.025"]
    assert shown["0.025"].labels == {"trace_id": TRACE_ID}
    assert shown["0.025"].value == 0.024


def test_a_rollout_is_in_one_state() -> None:
    """1 for the one, 0 for each of the others; a fixed percentage has no stage."""
    taken = snapshot(rollouts=[RolloutLevel("shop", 12.5, "paused"), RolloutLevel("plan", 5.0, "running", 2)])

    assert value(taken, "crossfade_rollout_percent", rollout="shop") == 12.5
    assert value(taken, "crossfade_rollout_stage", rollout="shop") == 0
    assert value(taken, "crossfade_rollout_stage", rollout="plan") == 2
    for state in ROLLOUT_STATES:
        assert value(taken, "crossfade_rollout_state", rollout="shop", state=state) == (state == "paused")


def test_a_rule_shows_its_verdict_its_value_and_its_bound() -> None:
    """A value that is not known is no 0: it has no sample."""
    rules = [
        RuleLevel("shop", "error_rate > 5% for 1m", -1, 0.12, 0.05, is_guard=True),
        RuleLevel("shop", "p95 < 1.1x baseline", 0, None, None, is_guard=False),
    ]
    taken = snapshot(rules=rules)

    assert [*samples(taken, "crossfade_rule_verdict").values()] == [-1, 0]
    assert value(taken, "crossfade_rule_value", rollout="shop", rule="error_rate > 5% for 1m") == 0.12
    assert [*samples(taken, "crossfade_rule_bound").values()] == [0.05]


def test_rollbacks_start_at_0_for_each_guard_and_the_operator() -> None:
    """So that the first one is seen as an increase; gates roll nothing back."""
    rules = [
        RuleLevel("shop", "errors > 5", 1, 0, 5, is_guard=True),
        RuleLevel("shop", "p95 < 1.1x baseline", 1, None, None, is_guard=False),
    ]
    taken = snapshot(rollouts=[RolloutLevel("shop", 5.0, "running")], rules=rules, rollbacks={("gone", "p99 > 1s"): 2})

    assert samples(taken, "crossfade_rollbacks_total") == {
        (("rollout", "gone"), ("rule", "p99 > 1s")): 2,
        (("rollout", "shop"), ("rule", "errors > 5")): 0,
        (("rollout", "shop"), ("rule", "operator")): 0,
    }


def test_an_empty_gateway_has_its_own_series() -> None:
    """Before there is a table or a request, what can be told of the processes is."""
    taken = snapshot()

    assert value(taken, "crossfade_config_reloads_total", result="failure") == 0
    assert value(taken, "crossfade_connections", side="backend") == 0
    assert value(taken, "crossfade_workers", state="missing") == 0
    assert value(taken, "crossfade_spans_dropped_total") == 0
    assert value(taken, "crossfade_build_info", version="1.2.3") == 1


def test_what_the_processes_report_is_shown() -> None:
    """Reloads, connections, workers, endpoints and losses are what the snapshot says."""
    taken = rich_snapshot()

    assert value(taken, "crossfade_config_reloads_total", result="success") == 3
    assert value(taken, "crossfade_config_last_reload_successful") == 0
    assert value(taken, "crossfade_config_info", revision="r1") == 1
    assert value(taken, "crossfade_connections", side="client") == 12
    assert value(taken, "crossfade_requests_in_flight") == 4
    assert value(taken, "crossfade_workers", state="ready") == 1
    assert value(taken, "crossfade_backend_healthy", backend="new", endpoint="http://[::1]:9002") == 0
    assert value(taken, "crossfade_backend_healthy", backend="legacy", endpoint="http://127.0.0.1:9001") == 1
    assert value(taken, "crossfade_access_log_dropped_total") == 5
    assert value(taken, "crossfade_link_dropped_total") == 1
    assert value(taken, "crossfade_journal_bytes", route="orders") == 1234
    assert value(taken, "crossfade_journal_limit_bytes", route="orders") == 1 << 30
    assert value(taken, "crossfade_start_time_seconds") == 1_770_000_000


def test_a_fleet_is_shown_by_its_replicas_and_this_one_s_role() -> None:
    """Every state and every role has a series, so that none appears from nowhere."""
    taken = rich_snapshot()

    assert samples(taken, "crossfade_fleet_replicas") == {
        (("state", "ready"),): 2,
        (("state", "not_ready"),): 0,
        (("state", "silent"),): 1,
    }
    roles = {"alone": 0, "leader": 1, "follower": 0, "degraded": 0}
    assert samples(taken, "crossfade_fleet_role") == {(("role", role),): is_it for role, is_it in roles.items()}
    assert value(taken, "crossfade_fleet_revisions") == 2
    assert value(taken, "crossfade_store_up") == 1


def test_routes_that_are_gone_keep_what_they_counted() -> None:
    """Counters do not vanish with the reload that drops their route, as long as they are in the totals."""
    taken = snapshot(table=table(), totals={subject("gone", "/", Arm.BASELINE): figures(SPLIT)})

    assert total(taken, "crossfade_requests_total", route="gone") == 1


def test_copies_are_counted_by_what_came_of_them() -> None:
    """By path, result and reason, whichever arm they went to; what may come of comparing starts at 0."""
    taken = snapshot(
        table=table((rollout(),), (split_route("orders", "/a", shadow=shadow()), split_route("plain", "/b"))),
        totals={
            subject("orders", "/a", "candidate"): figures(copies={("mismatch", ""): 2, ("skipped", "breaker"): 1}),
            subject("orders", "/a", "baseline"): figures(copies={("skipped", "breaker"): 3}),
            subject("orders", "/seen", "candidate"): figures(copies={("error", "timeout"): 1}),
        },
    )
    counts = {
        (labels["path"], labels["result"], labels["reason"]): value
        for labels, value in ((dict(key), count) for key, count in samples(taken, "crossfade_shadow_total").items())
    }

    assert counts == {
        ("/a", "match", ""): 0,
        ("/a", "mismatch", ""): 2,
        ("/a", "noise", ""): 0,
        ("/a", "skipped", "breaker"): 4,
        ("/seen", "error", "timeout"): 1,
    }
