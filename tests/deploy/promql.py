"""What a PromQL expression asks for: its metrics, the labels that it picks them by, and those that it groups by."""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.telemetry.catalogue import CATALOGUE, LABELS, Metric

METRICS = {metric.name: metric for metrics in CATALOGUE.values() for metric in metrics}
OF_TARGETS = frozenset({"job", "instance"})
"""Labels that Prometheus itself gives to all that it scrapes."""
OPEN = frozenset({"route", "path", "backend", "method", "code", "rollout", "rule", "endpoint"})
"""Labels whose values users choose; those of all others are named by the catalogue."""

_PARTS = ("_bucket", "_sum", "_count")
_SELECTOR = re.compile(r"\b([a-z_]*crossfade_[a-z_]+|up)\b(?:\{(.*?)\})?(?=[\s\[),*/]|$)")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


class Selector(NamedTuple):
    """A metric as an expression picks it."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator, value."""


def list_selectors(expression: str) -> list[Selector]:
    """Every metric that an expression names."""
    return [Selector(name, tuple(_MATCHER.findall(inner))) for name, inner in _SELECTOR.findall(expression)]


def list_faults(expression: str) -> list[str]:
    """What an expression asks for that the catalogue does not have: metrics, labels, and values of labels."""
    selectors = list_selectors(expression)
    known = [(each, find_metric(each.name)) for each in selectors]
    faults = [f"no metric {each.name}" for each, metric in known if metric is None and each.name != "up"]
    for each, metric in known:
        if metric is not None:
            faults += _list_faults_of(each, metric)
    groups = {label.strip() for group in _GROUPING.findall(expression) for label in group.split(",")}
    offered = OF_TARGETS.union(*(labels_of(each.name, metric) for each, metric in known if metric is not None))
    return [*faults, *(f"no label {label} to group by" for label in sorted(groups - offered))]


def find_metric(name: str) -> Metric | None:
    """The catalogue's, of a histogram by any of its parts."""
    for part in _PARTS:
        histogram = METRICS.get(name.removesuffix(part))
        if histogram is not None and (histogram.kind == "histogram") == name.endswith(_PARTS):
            return histogram
    return None


def labels_of(name: str, metric: Metric) -> frozenset[str]:
    """What the series of this name have."""
    return OF_TARGETS.union(metric.labels, ["le"] if name.endswith("_bucket") else [])


def _list_faults_of(selector: Selector, metric: Metric) -> list[str]:
    faults = []
    for label, operator, value in selector.matchers:
        if label not in labels_of(selector.name, metric):
            faults.append(f"{selector.name} has no label {label}")
        elif label in LABELS and label not in OPEN and not value.startswith("$"):
            alternatives = value.split("|") if "~" in operator else [value]
            faults += [f"{label} is never {each}" for each in alternatives if f"`{each}`" not in LABELS[label]]
    return faults
