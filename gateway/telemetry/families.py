"""From a snapshot to metric families, as prometheus-client's collectors give them.

With 200 routes of 10 paths there are about 100,000 samples, most of them of histograms; those are made without the
family's own ``add_metric``, which builds the labels of each sample anew. A family is made when its turn comes and
forgotten when it has been rendered: there is never more than one in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.samples import Exemplar, Sample

from gateway.core import figures as core
from gateway.core.figures import DURATION_BOUNDS, ERROR_KINDS, PathFigures
from gateway.core.histogram import Buckets, count_up_to, merge
from gateway.telemetry import catalogue, series
from gateway.telemetry.snapshot import OPERATOR, FleetLevel, Place, RuleLevel, Snapshot

ROLLOUT_STATES: Final = ("pending", "running", "waiting", "paused", "rolled_back", "completed")
WORKER_STATES: Final = ("ready", "lagging", "draining", "missing")
RELOAD_RESULTS: Final = ("success", "failure")
REPLICA_STATES: Final = ("ready", "not_ready", "silent")
ROLES: Final = ("alone", "leader", "follower", "degraded")
SIDES: Final = ("client", "backend")

_BOUNDS: Final = (*map(str, DURATION_BOUNDS), "+Inf")
"""As the label ``le`` has them."""

Labels = dict[str, str]
Places = Mapping[Place, PathFigures]


def list_families(snapshot: Snapshot) -> Iterator[Metric]:
    """All families, in the order of the catalogue."""
    places = snapshot.places()
    yield _requests(places)
    yield _request_durations(snapshot, places)
    yield _backend_durations(snapshot, places)
    yield _backend_errors(snapshot, places)
    yield _failovers(snapshot, places)
    yield _decisions(snapshot, places)
    yield _copies(snapshot, places)
    yield from _rollouts(snapshot)
    yield from _configuration(snapshot)
    yield from _processes(snapshot)
    yield from _fleet(snapshot.fleet)
    yield from _journals(snapshot)
    yield from _losses(snapshot)


# Requests.


def _requests(places: Places) -> Metric:
    family = _counter(catalogue.REQUESTS)
    for (route, path, arm), figures in places.items():
        counts = _count_answers(figures)
        _fill(family, (((route, path, arm, *what), count) for what, count in counts.items()))
    return family


def _count_answers(figures: PathFigures) -> dict[tuple[str, str, str], int]:
    """By backend, method and code, whatever the reason of the decision was."""
    counts: dict[tuple[str, str, str], int] = {}
    for answer, count in figures.answers.items():
        key = (answer.backend, answer.method, str(answer.code))
        counts[key] = counts.get(key, 0) + count
    return counts


def _request_durations(snapshot: Snapshot, places: Places) -> Metric:
    family = _histogram(catalogue.REQUEST_DURATION)
    for (route, path, arm), figures in _begun(snapshot, places).items():
        labels = {"arm": arm, "path": path, "route": route}
        counts = list(accumulate(figures.durations))
        _add_histogram(family, labels, counts, figures.duration_seconds, figures.exemplars)
    return family


def _backend_durations(snapshot: Snapshot, places: Places) -> Metric:
    latencies: dict[tuple[str, str], Buckets] = {}
    seconds: dict[tuple[str, str], float] = {}
    if snapshot.table is not None:
        latencies.update((arm, {}) for arm in series.list_arms(snapshot.table))
    for (route, _, arm), figures in places.items():
        if route:
            merge(latencies.setdefault((route, arm), {}), figures.latencies)
            seconds[route, arm] = seconds.get((route, arm), 0.0) + figures.latency_seconds
    family = _histogram(catalogue.BACKEND_DURATION)
    for (route, arm), buckets in latencies.items():
        counts = [*count_up_to(buckets, DURATION_BOUNDS), sum(buckets.values())]
        _add_histogram(family, {"arm": arm, "route": route}, counts, seconds.get((route, arm), 0.0))
    return family


def _backend_errors(snapshot: Snapshot, places: Places) -> Metric:
    """Every kind of error starts at 0 with its path, for paths that were not configured, too."""
    family = _counter(catalogue.BACKEND_ERRORS)
    for (route, path, arm), figures in _begun(snapshot, places).items():
        if route:
            _fill(family, (((route, path, arm, kind), figures.errors.get(kind, 0)) for kind in ERROR_KINDS))
    return family


def _failovers(snapshot: Snapshot, places: Places) -> Metric:
    counts: dict[tuple[str, str], int] = {}
    if snapshot.table is not None:
        counts.update((failover, 0) for failover in series.list_failovers(snapshot.table))
    for (route, _, _), figures in places.items():
        for reason, count in figures.failovers.items():
            counts[route, reason] = counts.get((route, reason), 0) + count
    return _fill(_counter(catalogue.FAILOVERS), counts.items())


def _decisions(snapshot: Snapshot, places: Places) -> Metric:
    counts: dict[tuple[str, str, str], int] = {}
    if snapshot.table is not None:
        counts.update((decision, 0) for decision in series.list_decisions(snapshot.table))
    for (route, _, arm), figures in places.items():
        for answer, count in figures.answers.items() if route else ():
            key = (route, arm, answer.reason)
            counts[key] = counts.get(key, 0) + count
    return _fill(_counter(catalogue.DECISIONS), counts.items())


def _copies(snapshot: Snapshot, places: Places) -> Metric:
    counts: dict[tuple[str, str, str, str], int] = {}
    if snapshot.table is not None:
        counts.update((copies, 0) for copies in series.list_copies(snapshot.table))
    for (route, path, _), figures in places.items():
        for (result, reason), count in figures.copies.items():
            key = (route, path, result, reason)
            counts[key] = counts.get(key, 0) + count
    return _fill(_counter(catalogue.SHADOW), counts.items())


def _begun(snapshot: Snapshot, places: Places) -> Places:
    """The places that the configuration gives, then the others that there are by now."""
    if snapshot.table is None:
        return places
    return {**{place: PathFigures() for place in series.list_paths(snapshot.table)}, **places}


# Everything else.


def _rollouts(snapshot: Snapshot) -> Iterator[Metric]:
    levels = snapshot.rollouts
    yield _fill(_gauge(catalogue.ROLLOUT_PERCENT), (((level.name,), level.percent) for level in levels))
    yield _fill(_gauge(catalogue.ROLLOUT_STAGE), (((level.name,), level.stage) for level in levels))
    states = (((level.name, state), level.state == state) for level in levels for state in ROLLOUT_STATES)
    yield _fill(_gauge(catalogue.ROLLOUT_STATE), states)
    yield from _rules(snapshot.rules)
    yield _rollbacks(snapshot)


def _rules(rules: Iterable[RuleLevel]) -> Iterator[Metric]:
    """Values that are not known have no sample: a rule that says nothing is not one that reads 0."""
    yield _fill(_gauge(catalogue.RULE_VERDICT), (((each.rollout, each.rule), each.verdict) for each in rules))
    values = (((each.rollout, each.rule), each.value) for each in rules if each.value is not None)
    yield _fill(_gauge(catalogue.RULE_VALUE), values)
    bounds = (((each.rollout, each.rule), each.bound) for each in rules if each.bound is not None)
    yield _fill(_gauge(catalogue.RULE_BOUND), bounds)


def _rollbacks(snapshot: Snapshot) -> Metric:
    """Each guard, and an operator, may be the first to roll back: they start at 0."""
    counts = {(level.name, OPERATOR): 0 for level in snapshot.rollouts}
    counts.update(((each.rollout, each.rule), 0) for each in snapshot.rules if each.is_guard)
    return _fill(_counter(catalogue.ROLLBACKS), (counts | dict(snapshot.rollbacks)).items())


def _configuration(snapshot: Snapshot) -> Iterator[Metric]:
    yield _fill(_counter(catalogue.CONFIG_RELOADS), _named(RELOAD_RESULTS, snapshot.reloads))
    yield _fill(_gauge(catalogue.CONFIG_LAST_RELOAD), [((), snapshot.last_reload_ok)])
    yield _info(catalogue.CONFIG_INFO, snapshot.revision)


def _processes(snapshot: Snapshot) -> Iterator[Metric]:
    yield _fill(_gauge(catalogue.CONNECTIONS), _named(SIDES, snapshot.connections))
    yield _fill(_gauge(catalogue.IN_FLIGHT), [((), snapshot.in_flight)])
    yield _fill(_gauge(catalogue.WORKERS), _named(WORKER_STATES, snapshot.workers))
    endpoints = snapshot.endpoints.items()
    health = (((backend, url), healthy) for backend, urls in endpoints for url, healthy in urls.items())
    yield _fill(_gauge(catalogue.BACKEND_HEALTHY), health)
    yield _info(catalogue.BUILD_INFO, snapshot.version)
    yield _fill(_gauge(catalogue.START_TIME), [((), snapshot.started_at)])


def _fleet(level: FleetLevel | None) -> Iterator[Metric]:
    levels = () if level is None else (level,)
    replicas = (sample for each in levels for sample in _named(REPLICA_STATES, each.replicas))
    yield _fill(_gauge(catalogue.FLEET_REPLICAS), replicas)
    yield _fill(_gauge(catalogue.FLEET_REVISIONS), (((), each.revisions) for each in levels))
    roles = (((role,), each.role == role) for each in levels for role in ROLES)
    yield _fill(_gauge(catalogue.FLEET_ROLE), roles)
    yield _fill(_gauge(catalogue.STORE_UP), (((), each.is_store_up) for each in levels))


def _journals(snapshot: Snapshot) -> Iterator[Metric]:
    routes = snapshot.table.routes if snapshot.table is not None else ()
    kept = {route.name: route.journal.size_bytes for route in routes if route.journal is not None}
    held = (((route,), snapshot.journal_bytes.get(route, 0)) for route in kept)
    yield _fill(_gauge(catalogue.JOURNAL_BYTES), held)
    yield _fill(_gauge(catalogue.JOURNAL_LIMIT), (((route,), limit) for route, limit in kept.items()))


def _losses(snapshot: Snapshot) -> Iterator[Metric]:
    named = {
        "access_log": catalogue.ACCESS_LOG_DROPPED,
        "link": catalogue.LINK_DROPPED,
        "spans": catalogue.SPANS_DROPPED,
        "notices": catalogue.NOTICES_LOST,
        "journal": catalogue.JOURNAL_DROPPED,
    }
    for what, metric in named.items():
        yield _fill(_counter(metric), [((), snapshot.dropped.get(what, 0))])


# Families from the catalogue, and samples into them.


def _counter(metric: catalogue.Metric) -> CounterMetricFamily:
    return CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)


def _gauge(metric: catalogue.Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)


def _histogram(metric: catalogue.Metric) -> HistogramMetricFamily:
    return HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels, unit="seconds")


def _info(metric: catalogue.Metric, value: str) -> InfoMetricFamily:
    (label,) = metric.labels
    return InfoMetricFamily(metric.name.removesuffix("_info"), metric.meaning, {label: value})


def _named(names: Iterable[str], counts: Mapping[str, int]) -> Iterator[tuple[tuple[str], int]]:
    """A value for each of the names, 0 where nothing was counted."""
    return (((name,), counts.get(name, 0)) for name in names)


def _fill(family: CounterMetricFamily | GaugeMetricFamily, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    """Add a sample for each of ``values``: those of the labels, and the number."""
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _add_histogram(
    family: Metric,
    labels: Labels,
    counts: list[int],
    seconds: float,
    exemplars: Mapping[int, core.Exemplar] | None = None,
) -> None:
    """Add the samples of one histogram: ``counts`` are cumulated, the last is of all."""
    name = family.name
    samples = family.samples
    for index, (bound, count) in enumerate(zip(_BOUNDS, counts, strict=True)):
        exemplar = exemplars.get(index) if exemplars else None
        shown = None if exemplar is None else _exemplar(exemplar)
        samples.append(Sample(name + "_bucket", {**labels, "le": bound}, count, None, shown))
    samples.append(Sample(name + "_count", labels, counts[-1]))
    samples.append(Sample(name + "_sum", labels, seconds))


def _exemplar(exemplar: core.Exemplar) -> Exemplar:
    return Exemplar({"trace_id": exemplar.trace_id}, exemplar.seconds, exemplar.at)
