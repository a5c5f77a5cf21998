"""What is said about the metrics, once and completely."""

from __future__ import annotations

import re

import pytest

from gateway.core.figures import COMPARED, ERROR_KINDS
from gateway.telemetry.catalogue import CATALOGUE, LABELS, Metric
from gateway.telemetry.families import RELOAD_RESULTS, REPLICA_STATES, ROLES, ROLLOUT_STATES, SIDES, WORKER_STATES

METRICS = [metric for metrics in CATALOGUE.values() for metric in metrics]


def test_every_metric_has_a_name_of_its_own() -> None:
    """Two metrics of one name would be one to Prometheus."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_say_the_type(metric: Metric) -> None:
    """Counters end in _total, information in _info, and nothing else does."""
    assert re.fullmatch(r"crossfade(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.name.endswith("_info") == (metric.kind == "info")


def test_every_label_is_explained_and_every_explanation_is_used() -> None:
    """The page leaves no label in the dark, and has none that is gone."""
    assert {label for metric in METRICS for label in metric.labels} == LABELS.keys()


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ("kind", ERROR_KINDS),
        ("state", (*ROLLOUT_STATES, *WORKER_STATES, *REPLICA_STATES)),
        ("result", (*RELOAD_RESULTS, *COMPARED, "error", "skipped")),
        ("side", SIDES),
        ("role", ROLES),
    ],
)
def test_labels_of_a_fixed_set_name_each_value(label: str, values: tuple[str, ...]) -> None:
    """A value that the code gives and the page does not name would be a riddle."""
    assert set(re.findall(r"`([^`]+)`", LABELS[label])) == set(values)
