"""Incidents: the record of a rollback, made at the moment of it, while the figures are still there.

What fired and the numbers that it rests on; every path that both arms served, the worst first; a few of the requests
that failed, by the IDs that logs know; and what happened before. Nobody should have to reconstruct that at night.

Recording must not delay the rollback: what takes time, adding up the figures of many paths, happens in a thread and for
at most `SUM_SECONDS`; an incident without rows is better than a minute more of errors.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from gateway.control.findings import find_samples, show_epoch
from gateway.control.paths import PathView, excess_errors, slowness, view_paths
from gateway.control.readings import list_values, unit_of
from gateway.core.lifecycle import share_of
from gateway.core.progress import SHADOW
from gateway.store.records import Incident

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from gateway.control.figures import Figures
    from gateway.control.findings import Difference
    from gateway.control.history import History
    from gateway.control.samples import Samples
    from gateway.core.failures import FailedRequest
    from gateway.core.lifecycle import Transition
    from gateway.core.tallies import PathTally
    from gateway.core.types import Rollout, Route
    from gateway.core.windows import Windows
    from gateway.store.records import Event

LEAST_WINDOW_SECONDS: Final = 300.0
"""Figures of a rule's five seconds alone would show little of what led there."""
MOST_PATHS: Final = 20
MOST_DIFFERENCES: Final = 10
"""Samples of answers that differed."""
SUM_SECONDS: Final = 0.3

log = structlog.get_logger()


class Seen(NamedTuple):
    """What there was to see when a rollout was rolled back."""

    rows: Sequence[PathView]
    failed: Sequence[FailedRequest]
    events: Sequence[Event]
    """What happened before, the oldest first."""
    differed: Sequence[Difference] = ()
    has_journal: bool = False
    """Whether writes that only the candidate took were kept."""
    seconds: float | None = None
    """Over how many seconds ``rows`` are."""


class Incidents:
    """Makes them.

    ``found`` says what comparing has found on routes. ``now`` gives the time of day, ``steady`` the time that figures
    are recorded by: both Unix time.
    """

    def __init__(
        self,
        figures: Figures,
        samples: Samples,
        found: Callable[[Collection[str]], list[PathTally]],
        history: History,
        now: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self.windows: Callable[[], Windows] = lambda: figures.windows
        """Where rules find what they go by."""
        self._figures = figures
        self._samples = samples
        self._found = found
        self._history = history
        self._now = now
        self._steady = steady

    async def record(self, rollout: Rollout, routes: Sequence[Route], transition: Transition) -> Incident:
        """The record of a rollback of ``rollout``, which is the file's, with the ``routes`` that share it."""
        now = self._now()
        seconds = min(look_back(rollout, transition), max(0.0, now - transition.before.watched_since))
        rows, differed = await self._look(routes, seconds, transition)
        failed = self._samples.find({route.name for route in routes}, now - seconds)
        has_journal = any(route.journal is not None for route in routes)
        seen = Seen(rows, failed, self._history.events(rollout.name), differed, has_journal, seconds)
        return build_incident(make_name(rollout.name, now), rollout, transition, seen, now)

    async def _look(
        self, routes: Sequence[Route], seconds: float, transition: Transition
    ) -> tuple[list[PathView], list[Difference]]:
        """What the paths did on both arms over so many seconds until now, and what differed since the stage began."""
        names = {route.name for route in routes}
        found, begun = self._found(names), transition.before.stage_since
        now = self._steady()
        since = int(now - seconds)  # with the whole second: what broke in a rollout's first one is what it is about
        lasted = max(1.0, now - max(since, self._figures.started_at))
        windows = self.windows()

        def add_up() -> tuple[list[PathView], list[Difference]]:
            cells = windows.sum(since, now, lambda subject: subject.route in names and not subject.is_forced)
            return view_paths(routes, cells, lasted), find_samples(found, begun, MOST_DIFFERENCES)

        try:
            async with asyncio.timeout(SUM_SECONDS):
                return await asyncio.to_thread(add_up)
        except TimeoutError:
            log.warning("incident_incomplete", reason="adding up the paths' figures took too long")
            return [], []


def make_name(rollout: str, now: float) -> str:
    """Readable, and sorted by time to the millisecond; chance keeps it apart even from another gateway's."""
    whole, milliseconds = divmod(int(now * 1000), 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y%m%d-%H%M%S}-{milliseconds:03}-{rollout}-{secrets.token_hex(2)}"


def build_incident(name: str, rollout: Rollout, transition: Transition, seen: Seen, now: float) -> Incident:
    """Put together what is known of a rollback at ``now``, in seconds since the epoch."""
    judgement = transition.judgement
    rule = judgement.rule if judgement is not None else None
    return Incident(
        id=name,
        rollout=rollout.name,
        rule=rule,
        time=show_epoch(now),
        stage=transition.before.stage + 1 if rollout.plan.stages else None,
        percent_before=share_of(rollout, transition.before),
        values=_list_values(transition),
        paths=[msgspec.to_builtins(row) for row in rank(seen.rows, rule)],
        samples=[*map(describe, seen.failed), *map(describe_difference, seen.differed)],
        events=[msgspec.to_builtins(event) for event in seen.events],
        has_journal=seen.has_journal,
        window_s=None if seen.seconds is None else round(seen.seconds, 1),
    )


def _list_values(transition: Transition) -> dict[str, object]:
    """What a rule rests on, or who went back and why; and where to, unless it is nowhere."""
    to: dict[str, object] = {"to": SHADOW} if transition.after.to_shadow else {}
    if transition.judgement is not None:
        return list_values(transition.judgement) | to
    return {"by": transition.name, "reason": transition.reason} | to


def rank(rows: Sequence[PathView], rule: str | None) -> list[PathView]:
    """The paths that the candidate served, the worst first: by excess errors or, for latencies, by slowness."""
    served = [row for row in rows if row.candidate is not None and (row.candidate.requests or row.candidate.kept_away)]
    first, second = (slowness, excess_errors) if unit_of(rule or "") == "ms" else (excess_errors, slowness)
    return sorted(served, key=lambda row: (-first(row), -second(row)))[:MOST_PATHS]


def look_back(rollout: Rollout, transition: Transition) -> float:
    """Over how many seconds an incident's figures are: the rule's window, and at least five minutes."""
    if transition.judgement is None:
        return LEAST_WINDOW_SECONDS
    plan = rollout.plan
    guards = [*plan.guards, *(guard for stage in plan.stages for guard in stage.guards)]
    name = transition.judgement.rule
    windows = [guard.when.window_seconds for guard in guards if name.startswith(guard.when.text)]
    return max([LEAST_WINDOW_SECONDS, *windows])


def describe(request: FailedRequest) -> dict[str, object]:
    """A sample, as incidents show it."""
    return {**msgspec.structs.asdict(request), "time": show_epoch(request.time)}


def describe_difference(difference: Difference) -> dict[str, object]:
    """A difference that comparing found, as incidents show it. It was redacted when it was found."""
    finding, sample = difference
    return {
        "time": show_epoch(sample.time),
        "request_id": sample.request_id,
        "route": finding.path.route,
        "path": finding.path.path,
        "kind": finding.kind,
        "field": finding.field,
        "baseline": sample.baseline,
        "candidate": sample.candidate,
    }
