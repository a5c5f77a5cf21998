"""The requests that were traced, until they are taken away.

Spans are made of them in the controller: OpenTelemetry's SDK takes about 0.1 ms for a request, which a worker's loop,
and the users behind it, must not wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.core.figures import Exemplar, duration_bucket
from gateway.core.trace_context import Trace, TracedRequest
from gateway.proxy.record import traced_request

if TYPE_CHECKING:
    from gateway.proxy.counting import Counters
    from gateway.proxy.exchange import Exchange

# Between two reports. At 1 % that is 400,000 requests a second.
_MOST_HELD: Final = 1000


class TracedRequests:
    """A bounded list. ``dropped`` counts those that it had no room for."""

    def __init__(self) -> None:
        self.dropped = 0
        self._held: list[TracedRequest] = []

    def note(self, exchange: Exchange, counters: Counters) -> None:
        """Hold on to a request that is over, if it is one of those to be recorded."""
        trace = exchange.trace
        if not isinstance(trace, Trace) or not trace.is_sampled:
            return
        seconds = exchange.settled_at - exchange.started_at
        traced = traced_request(exchange, trace)
        counters.exemplify(exchange, duration_bucket(seconds), Exemplar(traced.trace_id, seconds, traced.ended_at))
        if len(self._held) < _MOST_HELD:
            self._held.append(traced)
        else:
            self.dropped += 1

    def take(self) -> tuple[TracedRequest, ...]:
        """Those since the last call."""
        taken, self._held = tuple(self._held), []
        return taken
