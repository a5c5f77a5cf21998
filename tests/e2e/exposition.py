"""What a gateway's ``/metrics`` shows, as a test reads it."""

from __future__ import annotations

import http.client
from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.figure_load import Place

if TYPE_CHECKING:
    from prometheus_client import Metric

    from tests.e2e.gateway import Gateway


def scrape(gateway: Gateway) -> dict[str, Metric]:
    """The families, by name; a counter's is without its ``_total``."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.admin_port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return {family.name: family for family in text_string_to_metric_families(text)}


def sum_by(family: Metric, suffix: str, *labels: str) -> Counter[tuple[str, ...]]:
    """The values of one of a family's series, by some of its labels; those that are 0 are left out."""
    found: Counter[tuple[str, ...]] = Counter()
    for sample in family.samples:
        if sample.name == family.name + suffix:
            found[tuple(sample.labels[label] for label in labels)] += int(sample.value)
    return +found


def total(gateway: Gateway, name: str) -> int:
    """The sum of all series of a counter, named without its ``_total``."""
    return sum_by(scrape(gateway)[name], "_total")[()]


def counted(gateway: Gateway) -> Counter[Place]:
    """The requests, by where they are counted."""
    found = sum_by(scrape(gateway)["crossfade_requests"], "_total", *Place._fields)
    return Counter({Place(*labels[:-1], int(labels[-1])): count for labels, count in found.items()})
