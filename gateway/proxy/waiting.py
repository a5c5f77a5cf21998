"""How long requests have been waiting for their backend's header.

A request is counted when it is over. A backend that hangs would look quick until the first time-outs: nothing slow has
ended yet. So what waits long counts with its age so far. The ages are a gauge: each look replaces the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.core.figures import Subject
from gateway.core.histogram import bucket_of
from gateway.proxy.phase import AWAITING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.core.histogram import Buckets
    from gateway.proxy.exchange import Exchange

LEAST_SECONDS: Final = 1.0
"""Who waits for less is as likely as not to be answered before anybody could look."""

_MOST_SUBJECTS: Final = 5000
"""As in a report of counts."""


def measure_waiting(exchanges: Iterable[Exchange], now: float) -> dict[Subject, Buckets]:
    """The ages, over `LEAST_SECONDS`, of the requests that were sent whole and have no header yet.

    ``now`` is of the monotonic clock. Upgrades have no latency. A request that has failed over waits for another arm
    than the one that it is counted for, and how long the candidate took is known already.
    """
    ages: dict[Subject, Buckets] = {}
    for exchange in exchanges:
        age = now - exchange.sent_at
        if exchange.phase is not AWAITING or not exchange.is_request_sent or age <= LEAST_SECONDS:
            continue
        if exchange.failed is not None or exchange.is_upgrade:
            continue
        subject = _subject_of(exchange)
        if subject in ages or len(ages) < _MOST_SUBJECTS:
            buckets = ages.setdefault(subject, {})
            bucket = bucket_of(age)
            buckets[bucket] = buckets.get(bucket, 0) + 1
    return ages


def _subject_of(exchange: Exchange) -> Subject:
    """What the request will be counted under."""
    decision = exchange.decision
    assert decision is not None
    route = decision.entry.route.name
    if exchange.template is None:
        templates = exchange.generation.templates_of(route)
        assert templates is not None
        exchange.template = templates.find(exchange.request)
    return Subject(route, exchange.template, str(decision.arm), decision.reason == "override")
