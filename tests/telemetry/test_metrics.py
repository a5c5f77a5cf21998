"""What Prometheus gets: both formats, judged by Prometheus' own tool and by parsers that are not ours."""

from __future__ import annotations

import subprocess
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from gateway.telemetry.families import list_families
from gateway.telemetry.metrics import OPENMETRICS_TYPE, TEXT_TYPE, expose, prefers_openmetrics
from tests.telemetry.scene import ODD_PATH, TRACE_ID, figures, rich_snapshot, snapshot, subject

SPLIT = ("legacy", "GET", 200, "split")
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_TEXT = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.2"


def values(families: list[Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample's value by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_promtool_has_nothing_to_say() -> None:
    """Debian's promtool finds the text valid and to Prometheus' conventions, odd labels and all."""
    body, _ = expose(rich_snapshot())
    outcome = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)

    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, b"", b"")


def test_the_text_says_what_the_families_say() -> None:
    """A parser reads every series and value back, quotes, backslashes and line feeds in labels included."""
    taken = rich_snapshot()
    body, content_type = expose(taken)

    assert content_type == TEXT_TYPE
    assert values(list(parse_text(body.decode()))) == values(list(list_families(taken)))


def test_openmetrics_says_the_same() -> None:
    """A strict parser reads the same series and values from the other format."""
    taken = rich_snapshot()
    body, content_type = expose(taken, PROMETHEUS_2)

    assert content_type == OPENMETRICS_TYPE
    assert values(list(parse_openmetrics(body.decode()))) == values(list(list_families(taken)))
    assert body.endswith(b"# EOF\n")


def test_openmetrics_carries_the_traces() -> None:
    """The exemplar stands beside the bucket that its request fell into, and within its bounds."""
    body, _ = expose(rich_snapshot(), OPENMETRICS_TYPE)
    families = {family.name: family for family in parse_openmetrics(body.decode())}
    durations = families["crossfade_request_duration_seconds"]
    traced = [sample for sample in durations.samples if sample.exemplar]

    assert durations.unit == "seconds"
    assert [(sample.labels["le"], sample.exemplar.labels["trace_id"]) for sample in traced if sample.exemplar] == [
        ("0.025", TRACE_ID)
    ]
    assert TRACE_ID.encode() not in expose(rich_snapshot())[0]


def test_odd_labels_come_through() -> None:
    """What a configuration may name a path is what Prometheus shows."""
    body, _ = expose(rich_snapshot())
    paths = {sample.labels.get("path") for family in parse_text(body.decode()) for sample in family.samples}

    assert {ODD_PATH, "/line\nfeed/ü"} <= paths


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.text('ab"\\\n{},= #', max_size=20))
def test_any_label_can_be_read_back(route: str, path: str) -> None:
    """No name breaks out of its quotes in either format."""
    totals = {subject(route, path, "baseline"): figures(SPLIT, traced=True)}
    for accept, parse in (("", parse_text), (OPENMETRICS_TYPE, parse_openmetrics)):
        body, _ = expose(snapshot(totals=totals), accept)
        requests = next(each for each in parse(body.decode()) if each.name == "crossfade_requests")

        assert [(sample.labels["route"], sample.labels["path"]) for sample in requests.samples] == [(route, path)]


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2,
        PROMETHEUS_3,
        "application/openmetrics-text",
        "Application/OpenMetrics-Text; Version=1.0.0",
        "text/plain;q=0.5, application/openmetrics-text;q=0.5",
        "text/*;q=0.2, application/openmetrics-text; version=1.0.0; charset=utf-8; q=0.9",
    ],
)
def test_who_prefers_openmetrics_gets_it(accept: str) -> None:
    """Prometheus does, and whoever names it at least as gladly as text."""
    assert prefers_openmetrics(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/plain;version=0.0.4",
        PROMETHEUS_3_TEXT,
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;version=0.0.1,text/plain;q=0.1",
        "application/openmetrics-text;q=high",
        "application/*",
        ",;,=;q",
    ],
)
def test_everybody_else_gets_text(accept: str) -> None:
    """Browsers, curl, older versions and nonsense: the plain format, which everything reads."""
    assert not prefers_openmetrics(accept)


def test_rendering_goes_on_while_requests_are_counted() -> None:
    """A thread renders the figures as they were, though the loop changes each of them meanwhile."""
    totals = {subject("orders", f"/{number}", "baseline"): figures(SPLIT) for number in range(200)}
    taken = snapshot(totals=totals)
    rendered: list[bytes] = []
    thread = threading.Thread(target=lambda: rendered.append(expose(taken)[0]))
    thread.start()
    extra = 0
    while thread.is_alive():
        extra += 1
        for each in totals.values():
            each.add(figures(("legacy", "GET", 200 + extra % 300, "split"), latency=extra / 1000 % 50))
        totals[subject("orders", f"/later-{extra}", "baseline")] = figures(SPLIT)
    thread.join()
    requests = next(each for each in parse_text(rendered[0].decode()) if each.name == "crossfade_requests")

    assert [sample.value for sample in requests.samples] == [1.0] * 200
