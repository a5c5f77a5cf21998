"""The part of the running gateway that the API may see and drive, and one call to it."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from aiohttp import web

from gateway.admin.guard import OPEN_PATHS
from gateway.admin.problems import Declined
from gateway.control.muster import call_muster
from gateway.store.records import Actor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from datetime import datetime

    from gateway.control.configuration import Configuration
    from gateway.control.crowds import Crowds
    from gateway.control.figures import Figures
    from gateway.control.membership import Membership
    from gateway.control.mismatches import Mismatches
    from gateway.control.muster import Muster
    from gateway.control.reconciling import Reconciling
    from gateway.control.rollouts import Rollouts
    from gateway.control.roster import Roster
    from gateway.control.rules import RuleState
    from gateway.control.token_keys import TokenKeys
    from gateway.core.tallies import PathTally
    from gateway.core.types import Table
    from gateway.store.interface import Store
    from gateway.store.records import Event
    from gateway.telemetry.snapshot import Snapshot

OPERATOR_HEADER: Final = "X-Crossfade-Operator"
"""By which a caller says who it acts for; the audit log shows it."""

ADMIN_HEADER: Final = "X-Crossfade-Admin"
"""On each answer, with the API's version: by it a client knows that it has not asked another server."""

API_VERSION: Final = "v1"

METRICS_PATH: Final = "/metrics"

APPLY_SECONDS: Final = 10.0
"""How long a change waits for the workers: building the indexes of 10,000 routes takes each about a second."""

_LONGEST_NAME: Final = 100


class _Threads:
    """Of the API's own: whatever it is asked to compute, reloads find one of the loop's free.

    A process that was forked has none of its parent's threads, and makes new ones.
    """

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self.pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="admin")


_threads: Final = _Threads()

_Asked = ParamSpec("_Asked")
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What the API shows and does."""

    configuration: Configuration
    roster: Roster
    rollouts: Rollouts
    rules: Callable[[str], list[RuleState]]
    """What each rule of a rollout said last."""
    figures: Figures
    crowds: Crowds
    reconciling: Reconciling
    mismatches: Mismatches
    store: Store
    reload: Callable[[], Awaitable[bool]]
    """Reads the file now; whether it was good."""
    snapshot: Callable[[], Snapshot]
    """What the metrics are made from."""
    now: Callable[[], datetime]
    """By the clock that the figures are recorded by."""
    membership: Membership | None = None
    """In the fleet; None for a gateway that is alone."""
    token_keys: TokenKeys | None = None

    @property
    def table(self) -> Table:
        """What is in force, the operators' percentages included. Raises Declined (503) before there is one."""
        self.expect_table()
        table = self.rollouts.table
        assert table is not None  # noqa: S101 - it was expected
        return table

    def expect_table(self) -> None:
        """Raises Declined (503) while a new controller does not know yet which rollouts there are."""
        if self.rollouts.table is None:
            raise Declined(503, "no configuration has been compiled yet")

    @property
    def has_read(self) -> bool:
        """Whether a fleet's store was read since the start; until then rollouts stand as remembered, or at 0 %."""
        return self.membership is None or self.membership.moves >= 0

    @property
    def open_paths(self) -> frozenset[str]:
        """What may be asked for without the token."""
        return OPEN_PATHS | {METRICS_PATH} if self._is_metrics_open else OPEN_PATHS

    async def find_paths(self, routes: Collection[str]) -> list[PathTally]:
        """What comparing has found on routes: on all gateways of a fleet."""
        return (
            self.mismatches.paths(routes) if self.membership is None else await self.membership.findings.paths(routes)
        )

    async def clear_mismatches(self, route: str, told: Event) -> None:
        """Begin the record of a route anew, as the event says that was ``told``."""
        if self.membership is None:
            self.mismatches.clear(route, self.now().timestamp())
        else:
            await self.membership.findings.clear(route, told)

    def muster(self) -> Muster:
        """The fleet as this gateway sees it now."""
        started_at = self.figures.started_at
        waiting = self.reconciling.waiting()
        return call_muster(self.configuration, self.roster, started_at, self.store, self.membership, waiting)

    async def wait_until_applied(self) -> None:
        """Until every worker serves the newest table. Raises Declined (503) with who lags after `APPLY_SECONDS`."""
        if not await self.roster.caught_up(self.roster.newest, APPLY_SECONDS):
            raise Declined(503, "; ".join(self.roster.lagging()))

    @property
    def _is_metrics_open(self) -> bool:
        accepted = self.configuration.accepted
        config = accepted.loaded.config if accepted else self.configuration.source.started_with
        return config.admin.metrics == "open"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API, past the guard."""

    control: Control
    request: web.Request

    @property
    def name(self) -> str:
        """What the path names: the ``{name}`` in it, decoded."""
        return self.request.match_info["name"]

    @property
    def operator(self) -> Actor:
        """Who acts: by name if the caller gave a sane one, else by address."""
        name = self.request.headers.get(OPERATOR_HEADER, "").strip()
        is_sane = 0 < len(name) <= _LONGEST_NAME and name.isascii() and name.isprintable()
        return Actor("operator", name if is_sane else self.request.remote or "unknown")


async def compute(function: Callable[_Asked, _Found], *args: _Asked.args, **kwargs: _Asked.kwargs) -> _Found:
    """What takes long enough to be felt, in a thread: the loop goes on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_threads.pool, partial(function, *args, **kwargs))
