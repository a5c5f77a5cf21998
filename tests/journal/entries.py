"""Writes as workers keep them, and journals that hold them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gateway.core.shadowing import Journal
from gateway.journal.records import Entry, EntryId, Heading, Taken, encode
from gateway.journal.segments import Growing

POLICY = Journal(
    methods=frozenset({"POST"}), body_bytes=1 << 18, keep_seconds=3600.0, size_bytes=1 << 20, drops_when_full=False
)
HEADING = Heading("orders", "checkout")


def entry(number: int, **changes: Any) -> Entry:
    """The write with this sequence, at so many nanoseconds."""
    fields: dict[str, Any] = {
        "id": EntryId(7, number),
        "time_ns": number,
        "route": "orders",
        "rollout": "checkout",
        "key": number % 3 + 1,
        "request_id": f"request-{number}",
        "method": "POST",
        "target": b"/api/orders",
        "head": b"Host: shop.example\r\nContent-Type: text/plain\r\n",
        "body": b"write %d" % number,
        "status": 201,
    }
    return Entry(**fields | changes)


def taken(number: int, time_ns: int = 0) -> Taken:
    """The baseline has had the write with this sequence."""
    return Taken(EntryId(7, number), time_ns or number)


def fill(directory: Path, *records: Entry | Taken, heading: Heading = HEADING, slot: int = 0) -> Path:
    """A segment with these records, which nobody appends to any more."""
    growing = Growing(directory, heading, records[0].time_ns if records else 1, slot)
    growing.append(b"".join(map(encode, records)))
    growing.close()
    return growing.path


def numbers(entries: Iterable[object]) -> list[int]:
    """The sequences of entries, and of what is noted of them."""
    return [each.id.sequence for each in entries]  # type: ignore[attr-defined]
