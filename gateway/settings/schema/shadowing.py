"""`shadow` and `journal` of a route: what is copied and compared, and which writes are kept to be replayed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from gateway.core.jsonpaths import check_path
from gateway.core.shadowing import SAFE_METHODS
from gateway.settings.fields import (
    Duration,
    HeaderName,
    Kind,
    Many,
    Percent,
    Section,
    Size,
    Switch,
    text,
    whole_kind,
)
from gateway.settings.names import TOKEN_PATTERN, check_method
from gateway.settings.quantities import format_size, show
from gateway.settings.scalars import settle

LARGEST_BODY_BYTES: Final = 16 << 20
"""Both bodies of a copy are held in memory, those of all copies at a time; a journal's segment holds whole writes."""
SMALLEST_JOURNAL_BYTES: Final = 1 << 20
"""With less it is full before anybody has looked."""
LARGEST_TOLERANCE: Final = 1e15
"""Beyond it neighbouring whole numbers are the same number to many a reader of JSON (RFC 8259, section 6)."""

_SHARE_PATTERN: Final = r"^[0-9]{1,3}(\.[0-9]{1,12})?%$"
_NEVER_COPIED: Final = {
    "CONNECT": "it asks for a tunnel, which has no answer to compare",
    "TRACE": "its answer is the request itself, which differs between the two by what the gateway adds",
}


class Margin(NamedTuple):
    """How far apart two numbers may be."""

    value: float
    """Where it is relative: 0.01 is 1 % of the baseline's number."""
    is_relative: bool


def _check_jsonpath(path: str) -> str:
    if not path.isprintable():
        raise ValueError(f"{show(path)} is not allowed; in a JSONPath write control characters as escapes")
    check_path(path)
    return path


def _check_copied(method: str) -> str:
    if reason := _NEVER_COPIED.get(check_method(method)):
        raise ValueError(f"{show(method)} is never copied: {reason}")
    return method


def _check_write(method: str) -> str:
    if check_method(method) in SAFE_METHODS or method == "CONNECT":
        raise ValueError(f"{show(method)} changes nothing that could be replayed; write POST, PUT, PATCH or DELETE")
    return method


def _check_body_bytes(size: int) -> int:
    if not 1 <= size <= LARGEST_BODY_BYTES:
        raise ValueError(f"must be from 1 to {format_size(LARGEST_BODY_BYTES)}: bodies are held in memory whole")
    return size


def _check_journal_bytes(size: int) -> int:
    if size < SMALLEST_JOURNAL_BYTES:
        raise ValueError(f"must be at least {format_size(SMALLEST_JOURNAL_BYTES)}")
    return size


def parse_margin(value: object) -> Margin:
    """A tolerance: ``0.01`` is absolute, ``1%`` relative. Raises ValueError for anything else."""
    settled = settle(value)
    if isinstance(settled, str) and re.fullmatch(_SHARE_PATTERN, settled):
        return Margin(float(Decimal(settled.removesuffix("%")) / 100), is_relative=True)
    if isinstance(settled, bool) or not isinstance(settled, int | float) or not 0 <= settled <= LARGEST_TOLERANCE:
        raise ValueError(f"{show(value)} is not a tolerance; write how far numbers may be apart: 0.01, or 1% of one")
    return Margin(float(settled), is_relative=False)


def _find_repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return None


_METHOD = Kind("method", {"type": "string", "pattern": TOKEN_PATTERN})
_MARGIN = Kind(
    "number or percentage",
    {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": _SHARE_PATTERN}]},
)

JsonPath = Annotated[str, text(_check_jsonpath), Kind("JSONPath", {"type": "string", "pattern": r"^\$"})]
Tolerated = Annotated[Margin, PlainValidator(parse_margin), _MARGIN]
Copied = Annotated[str, text(_check_copied), _METHOD]
Written = Annotated[str, text(_check_write), _METHOD]
Body = Annotated[Size, AfterValidator(_check_body_bytes)]


class Compare(Section):
    """What counts as a difference between two answers. Both bodies are decoded first; JSON is compared by structure."""

    status: Switch = True
    """Whether the statuses are compared."""
    headers: Many[HeaderName] = ()
    """Headers that are compared; others are not."""
    ignore: Many[JsonPath] = ()
    """What is not looked at, on either side: `$.timestamp`, `$..request_id`."""
    unordered: Many[JsonPath] = ()
    """Arrays whose elements may come in any order."""
    tolerance: dict[JsonPath, Tolerated] = Field(default={})
    """How far apart numbers may be: `0.01`, or `1%` of the baseline's."""
    noise: Percent = 0.0
    """The share of copies (GET and HEAD only) that also go to the baseline a second time. Fields that differ between
    two answers of the baseline are noise and are not counted."""
    redact: Many[JsonPath] = ()
    """What is never stored or logged. The last name of each path counts for headers, query parameters and form fields,
    too. Authorization, Cookie and Set-Cookie are never stored."""
    samples: Annotated[int, *whole_kind(0, 100)] = 5
    """How many are kept of each path and kind of difference."""

    @model_validator(mode="after")
    def _check_headers(self) -> Self:
        if twice := _find_repeated(self.headers):
            raise ValueError(f"`headers` names {show(twice)} twice")
        return self


class Shadow(Section):
    """Requests are copied to the arm that does not answer them, when the user has the answer; the two are compared."""

    percent: Percent = 10.0
    """The share that is copied of the requests that the baseline answers, with `direction: both` of all. Writes that
    are listed are copied whatever the share."""
    methods: Many[Copied] = ("GET", "HEAD")
    """Whose requests are copied. With POST, PUT, PATCH, DELETE both backends take every such write, in order."""
    direction: Literal["candidate", "both"] = "candidate"
    """`both`: requests that the candidate answers are copied to the baseline, too."""
    body: Body = 256 * 1024
    """Larger bodies, either way, are not copied or compared; they are counted as skipped."""
    concurrency: Annotated[int, *whole_kind(1, 10_000)] = 64
    """The most copies at a time, in each worker; more are skipped. Connections to a backend for copies: as many."""
    timeout: Duration = 10.0
    """How long a copy may take."""
    compare: Compare = Compare()
    """What counts as a difference."""

    @model_validator(mode="after")
    def _check_methods(self) -> Self:
        if not self.methods:
            raise ValueError("`methods` must name at least one method")
        return self


class Journal(Section):
    """Writes that the candidate alone answered are kept, so that `crossfade reconcile` can replay them onto the
    baseline after a rollback.
    """

    methods: Many[Written] = ("POST", "PUT", "PATCH", "DELETE")
    """Whose requests are kept."""
    body: Body = 256 * 1024
    """Writes with a larger body go to the baseline."""
    keep: Duration = 7 * 86_400.0
    """How long they are kept."""
    size: Annotated[Size, AfterValidator(_check_journal_bytes)] = 1 << 30
    """The most that the journal of this route may take on disk."""
    when_full: Literal["baseline", "drop"] = "baseline"
    """Where writes go while it is full: to the `baseline`; or to the candidate all the same, not kept but counted."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if not self.methods:
            raise ValueError("`methods` must name at least one method")
        if self.body > self.size:
            raise ValueError(f"`body` {format_size(self.body)} is more than the {format_size(self.size)} of all writes")
        return self
