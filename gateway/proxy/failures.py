"""A few of the requests that the candidate failed, until they are taken away: samples, not a log.

When everything fails there are thousands a second. Of each path and kind of error the first few between two reports are
kept, which costs the others a look-up.
"""

from __future__ import annotations

from collections import Counter
from time import time
from typing import TYPE_CHECKING, Final

from gateway.core.failures import FailedRequest
from gateway.core.figures import CLIENT_GONE

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange

# Between two reports, a quarter of a second apart.
_MOST_ALIKE: Final = 2
_MOST_HELD: Final = 100


class Failures:
    """See the module. Both bounds are per report."""

    __slots__ = ("_alike", "_held")

    def __init__(self) -> None:
        self._alike: Counter[tuple[str, str, str]] = Counter()
        self._held: list[FailedRequest] = []

    def note(self, exchange: Exchange, path: str, kind: str) -> None:
        """Hold on to a request that is over, if there is room; it is under the template ``path``."""
        decision = exchange.decision
        assert decision is not None
        route = decision.entry.route.name
        alike = (route, path, kind)
        if len(self._held) >= _MOST_HELD or self._alike[alike] >= _MOST_ALIKE:
            return
        self._alike[alike] += 1
        request_id, method = exchange.request_id.decode("latin-1"), exchange.request.method.decode("latin-1")
        status = exchange.status or CLIENT_GONE
        is_failed_over = exchange.failed is not None
        self._held.append(FailedRequest(time(), request_id, route, path, method, status, kind, is_failed_over))

    def take(self) -> tuple[FailedRequest, ...]:
        """Those since the last call."""
        if not self._held:
            return ()
        taken = tuple(self._held)
        self._held, self._alike = [], Counter()
        return taken
