"""What the store keeps, as values."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from gateway.core.tallies import PathTally

EVENTS_KEPT: Final = 100_000
"""The newest; with a reload a minute that is more than two months."""

INCIDENTS_KEPT: Final = 1000
"""The newest; each takes some 20 KiB."""


class Actor(msgspec.Struct, frozen=True):
    """Who or what did something."""

    type: Literal["operator", "rule", "plan", "file"]
    name: str


class Standing(msgspec.Struct, frozen=True):
    """Where a rollout stood."""

    state: str
    percent: float


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, rename={"before": "from", "after": "to"}):
    """Something that changed, before it is recorded."""

    time: str
    """RFC 3339, UTC."""
    rollout: str | None
    """None for what concerns the whole gateway."""
    kind: str
    actor: Actor
    before: Standing | None
    after: Standing | None
    reason: str
    inputs: dict[str, object]
    """The values that it rests on."""
    revision: str
    """Of the configuration in force."""


class Event(NewEvent, frozen=True, kw_only=True, rename={"before": "from", "after": "to"}):
    """Something that changed."""

    id: int
    """Grows from event to event, and is never used twice."""


def forget_id(event: Event) -> NewEvent:
    """The event as it was before it was recorded."""
    return NewEvent(**{name: getattr(event, name) for name in NewEvent.__struct_fields__})


class PathRecord(msgspec.Struct, frozen=True, array_like=True):
    """What comparing has found on one path."""

    policy: str
    """Names the `compare` by which it was found: what another finds is another record."""
    seen_at: float
    """When the path was compared last, in seconds since the epoch."""
    tally: PathTally


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """The record that is kept of a rollback. Percentages are 0 to 100, rates 0 to 1, latencies milliseconds."""

    id: str
    """Readable, sortable by time, and used once."""
    rollout: str
    rule: str | None
    """The guard that fired; None where a person went back."""
    time: str
    """RFC 3339, UTC."""
    stage: int | None
    """From 1; None for a fixed percentage."""
    percent_before: float
    values: dict[str, object]
    """What the rule rests on."""
    paths: list[dict[str, object]]
    """Both arms' figures per path, the worst first."""
    samples: list[dict[str, object]] = []
    """Requests that the candidate failed, and answers that differed."""
    events: list[dict[str, object]] = []
    """What led there."""
    has_journal: bool = False
    """Whether a route of the rollout had a `journal`: the baseline may lack writes that only the candidate took."""
    window_s: float | None = None
    """Over how many seconds before it the figures of ``paths`` are; None where that was not recorded."""
