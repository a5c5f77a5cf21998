"""What comparing has found, as rows: for the API, for the event that says what holds up a plan, and for incidents.

A finding is a field of a path that differed in one kind. The worst are those whose differences count most often; what
is taken for noise comes last, as it counts no more.
"""

from __future__ import annotations

from datetime import UTC, datetime
from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from gateway.core.noise import is_noise, is_noisy
from gateway.core.tallies import FieldTally, PathTally, Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from gateway.core.figures import PathFigures, Subject

_SKIPPED: Final = "skipped"

_MOST_WEIGHED: Final = 200
"""Findings for each of which the evidence is weighed when the worst are looked for, at up to a millisecond each."""


class Finding(NamedTuple):
    """One field of a path that differed in one kind."""

    path: PathTally
    field: str
    kind: str
    tally: FieldTally

    @property
    def is_noise(self) -> bool:
        """Whether its differences do not count, by all that is known. It takes a moment to tell."""
        return is_noise(self.path, self.field, self.kind)

    @property
    def badness(self) -> tuple[float, float]:
        """How often it counted, and how often it differed."""
        compared = self.path.compared or 1
        return self.tally.counted / compared, self.tally.count / compared


class MismatchSample(msgspec.Struct, frozen=True):
    """One difference as it was seen, redacted and cut to a bound."""

    request_id: str
    """As logs and backends know it: its `X-Request-ID`."""
    time: str
    """RFC 3339, UTC."""
    baseline: object
    candidate: object


class MismatchView(msgspec.Struct, frozen=True):
    """A field of a path that differed in one kind."""

    route: str
    path: str
    """A template, never a raw path."""
    field: str
    """JSONPath with indexes as `[*]` for what is in a body, `$` for the whole of it; `status`, or a header's name."""
    kind: str
    """`status`, `header`, `missing`, `extra`, `type`, `value`, `order`, `length` or `body`."""
    count: int
    """Comparisons in which it differed so."""
    compared: int
    """Comparisons on this path."""
    rate: float | None
    """The one by the other, 0 to 1; null when nothing was compared."""
    noise: bool
    """Whether its differences do not count, as two answers of the baseline differ so as often."""
    noise_rate: float | None
    """How often they do, 0 to 1; null when the baseline was never asked twice."""
    samples: list[MismatchSample]
    """The newest, the last one first."""
    counted: int
    """Of `count` those that counted as mismatches."""
    first_seen: str | None
    """RFC 3339, UTC; null for what differed between answers of the baseline only."""
    last_seen: str | None


class CopyTotals(msgspec.Struct, frozen=True):
    """What came of all copies since the gateway started: of a fleet's, those of the one that is asked."""

    match: int
    mismatch: int
    noise: int
    """Those that differed in nothing but noise."""
    error: int
    """Those of which one side failed."""
    skipped: dict[str, int]
    """Those that were not made or not compared, by reason."""


class Difference(NamedTuple):
    """A sample, with where it was found."""

    finding: Finding
    sample: Sample


def list_findings(paths: Iterable[PathTally]) -> Iterator[Finding]:
    """Every field and kind of these paths."""
    for path in paths:
        for (field, kind), tally in path.fields.items():
            yield Finding(path, field, kind, tally)


def rank(paths: Iterable[PathTally]) -> list[Finding]:
    """All findings: those that count, the worst first, then quiet ones that never counted, then noise.

    Of many it takes a while: it is for a thread.
    """
    return sorted(list_findings(paths), key=lambda finding: (_group(finding), _place(finding)))


def _group(finding: Finding) -> int:
    """Most noise has never counted: its evidence need not be weighed."""
    if finding.tally.counted:
        return 2 if finding.is_noise else 0
    return 2 if is_noisy(finding.path, finding.field, finding.kind) else 1


def _place(finding: Finding) -> tuple[float, float, str, str, str, str]:
    counted, differed = finding.badness
    return -counted, -differed, finding.path.route, finding.path.path, finding.field, finding.kind


def find_worst(paths: Iterable[PathTally], most: int) -> list[Finding]:
    """Some findings that count now, the worst first."""
    counted = (finding for finding in list_findings(paths) if finding.tally.counted)
    worst: list[Finding] = []
    for finding in nsmallest(_MOST_WEIGHED, counted, key=_place):
        if len(worst) == most:
            break
        if not finding.is_noise:
            worst.append(finding)
    return worst


def find_samples(paths: Iterable[PathTally], since: float, most: int) -> list[Difference]:
    """Of findings that count now, samples seen at ``since`` or later, the newest first.

    Of each finding one at the most while others have any, so that the busiest does not push out the rest.
    """
    turns: list[tuple[int, float, Difference]] = []
    for finding in find_worst(paths, most):
        newest = [sample for sample in reversed(finding.tally.samples) if sample.time >= since]
        turns += [(-turn, sample.time, Difference(finding, sample)) for turn, sample in enumerate(newest)]
    chosen = [difference for _, _, difference in nlargest(most, turns, key=lambda each: each[:2])]
    return sorted(chosen, key=lambda difference: -difference.sample.time)


def view_finding(finding: Finding) -> MismatchView:
    """A finding as the API shows it."""
    path, tally = finding.path, finding.tally
    return MismatchView(
        route=path.route,
        path=path.path,
        field=finding.field,
        kind=finding.kind,
        count=tally.count,
        compared=path.compared,
        rate=tally.count / path.compared if path.compared else None,
        noise=finding.is_noise,
        noise_rate=tally.noisy / path.twins if path.twins else None,
        samples=[_view_sample(sample) for sample in reversed(tally.samples)],
        counted=tally.counted,
        first_seen=show_epoch(tally.first_at) if tally.first_at else None,
        last_seen=show_epoch(tally.last_at) if tally.last_at else None,
    )


def _view_sample(sample: Sample) -> MismatchSample:
    return MismatchSample(sample.request_id, show_epoch(sample.time), sample.baseline, sample.candidate)


def say_finding(finding: Finding) -> str:
    """For a person: ``$.items[*].price value (412 of 18,000 on /orders/{id})``."""
    tally, path = finding.tally, finding.path
    return f"{finding.field} {finding.kind} ({tally.counted:,} of {path.compared:,} on {path.path})"


def sum_copies(totals: Mapping[Subject, PathFigures], routes: Collection[str]) -> CopyTotals:
    """What came of the copies of these routes."""
    results = {"match": 0, "mismatch": 0, "noise": 0, "error": 0}
    skipped: dict[str, int] = {}
    for subject, figures in totals.items():
        for (result, reason), count in figures.copies.items() if subject.route in routes else ():
            if result == _SKIPPED:
                skipped[reason] = skipped.get(reason, 0) + count
            else:
                results[result] += count
    return CopyTotals(**results, skipped=skipped)


def show_epoch(seconds: float) -> str:
    """RFC 3339, in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
