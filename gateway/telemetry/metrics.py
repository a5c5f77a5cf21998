"""The figures as Prometheus reads them: text format 0.0.4, or OpenMetrics 1.0 where the client prefers it.

OpenMetrics carries exemplars: beside a bucket of durations the trace of a request that fell into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest as render_text
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from gateway.telemetry.families import list_families
from gateway.telemetry.snapshot import RolloutLevel, Snapshot

__all__ = ["OPENMETRICS_TYPE", "TEXT_TYPE", "RolloutLevel", "Snapshot", "expose", "prefers_openmetrics"]

TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_OPENMETRICS: Final = "application/openmetrics-text"
_TEXT_RANGES: Final = ("text/plain", "text/*", "*/*")
"""What text/plain may be asked for by, the most specific first (RFC 9110, section 12.5.1)."""

# With names escaped as if they might be any UTF-8 it looks at each name once, with a pattern; by default, letter by
# letter. For names as ours the outcome is the same, in two thirds of the time.
_render_openmetrics: Final[Callable[[CollectorRegistry], bytes]] = partial(generate_latest, escaping="allow-utf-8")


def expose(snapshot: Snapshot, accept: str = "") -> tuple[bytes, str]:
    """The body and its content type, for a client that sent ``accept`` (empty: no such header).

    Up to a second of computing with tens of thousands of series: for a thread, not for a loop.
    """
    registry = CollectorRegistry()
    registry.register(_SnapshotCollector(snapshot))
    if prefers_openmetrics(accept):
        return _render_openmetrics(registry), OPENMETRICS_TYPE
    return render_text(registry), TEXT_TYPE


def prefers_openmetrics(accept: str) -> bool:
    """Whether a client that sent ``accept`` takes OpenMetrics 1.0 at least as gladly as plain text.

    Only who names it gets it: a wildcard is a browser or curl.
    """
    qualities: dict[str, float] = {}
    for media_range in accept.lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        wishes = dict(parameter.partition("=")[::2] for parameter in parameters)
        if name != _OPENMETRICS or wishes.get("version", "1.0.0") == "1.0.0":
            qualities[name] = max(qualities.get(name, 0.0), _parse_quality(wishes.get("q", "1")))
    plain = next((qualities[name] for name in _TEXT_RANGES if name in qualities), 0.0)
    return qualities.get(_OPENMETRICS, 0.0) >= max(plain, 0.001)


def _parse_quality(text: str) -> float:
    """A weight as RFC 9110, section 12.4.2 has it; what is none counts as refused."""
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


class _SnapshotCollector(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        return list_families(self._snapshot)
