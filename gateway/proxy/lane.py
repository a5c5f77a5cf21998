"""The copies of one route to one backend: their connections, their bound, and the breaker that spares a backend which
fails them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.core.figures import ERROR_KINDS
from gateway.core.types import Breaker as BreakerPolicy
from gateway.proxy.breaker import Breaker
from gateway.proxy.copy import Copy
from gateway.proxy.pool import Pool
from gateway.proxy.tee import NO_ROOM

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.decision import Side
    from gateway.core.shadowing import Shadow
    from gateway.core.types import Backend
    from gateway.proxy.exchange import Exchange

_POLICY: Final = BreakerPolicy(consecutive_failures=10, open_seconds=10.0)
"""As a route's breaker, when nothing else is written; of copies only what breaks or hangs counts as failed."""

_UNREAD_BYTES: Final = 128 * 1024
"""The kernel would take megabytes of each answer that has no end, and spend the users' processor time on them."""


class Lane:
    """See the module. It has one policy, and outlives reloads that change neither that nor the backend.

    ``users`` is the pool of the users' requests to the same backend: reading its certificates takes a while.
    """

    def __init__(self, shadow: Shadow, users: Pool) -> None:
        self.shadow = shadow
        self.backend = users.backend
        self.under_way = 0
        """Copies that were sent, and those that wait for their turn."""
        self.pool = Pool(_patient(users.backend, shadow), users.wheel, _UNREAD_BYTES, users.tls)
        self._breaker = Breaker(_POLICY)

    def admit(self, exchange: Exchange, side: Side, *, is_write: bool) -> Copy | str:
        """A copy, which must be sent with `send`; or why there can be none."""
        if self.under_way >= self.shadow.concurrency:
            return NO_ROOM
        copy = Copy(exchange, side, self.pool, self.shadow.body_bytes, is_write=is_write)
        if not self._breaker.admits(copy, self.pool.wheel.now):
            return "breaker"
        self.under_way += 1
        return copy

    def send(self, copy: Copy, on_over: Callable[[Copy], None]) -> None:
        """Send a copy that was admitted; ``on_over`` gets it when it has ended."""

        def end(copy: Copy) -> None:
            self.under_way -= 1
            self._judge(copy)
            on_over(copy)

        copy.begin(self.shadow.timeout_seconds, end)

    def forgo(self, copy: Copy) -> None:
        """A copy that was admitted will not be sent."""
        self.under_way -= 1
        self._breaker.note_end(copy)

    def _judge(self, copy: Copy) -> None:
        if copy.failure in ERROR_KINDS:
            self._breaker.note_failure(copy, self.pool.wheel.now)
            return
        self._breaker.note_beginning(copy)
        self._breaker.note_success(copy.started_at)


def _patient(backend: Backend, shadow: Shadow) -> Backend:
    """The backend as copies see it: with their own patience, and as many connections as there may be copies."""
    seconds = shadow.timeout_seconds
    timeouts = msgspec.structs.replace(
        backend.timeouts, connect=min(backend.timeouts.connect, seconds), response=seconds
    )
    return msgspec.structs.replace(backend, timeouts=timeouts, connections=shadow.concurrency, health=None)
