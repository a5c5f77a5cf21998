"""Two answers to the same request, and what differs between them.

The status, the headers that are chosen, and the bodies, by what they are (`gateway.shadow.media`). Bodies are left
alone where the statuses are of different classes (2xx and 5xx): the page of an error is another as a matter of course,
and its fields would be named in vain. Answers that by definition have no body have none to compare (RFC 9110, sections
9.3.2, 15.3.5 and 15.4.5).

Codings, boundaries, charsets, spacing and the order of members are ways to say the same. What cannot be read as what it
claims to be is compared as bytes, of which only length and hash are ever told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.core.differences import ABSENT, Difference, Kind, Rules, find_differences
from gateway.shadow.content_types import read_content_type
from gateway.shadow.decoding import decode, read_codings
from gateway.shadow.heads import read_fields
from gateway.shadow.markup import ORDER
from gateway.shadow.media import Document, Media, read_document, seal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.core.shadowing import Compare, Pair

WHOLE: Final = "$"
STATUS: Final = "status"

_LONGEST_FIELD: Final = 300
"""In characters; names of members are whatever a backend makes of them."""

_BODILESS: Final = frozenset({204, 304})

# Lists that mean the same in any order and case (RFC 9110, sections 10.2.1 and 12.5.5; RFC 9111, section 5.2).
_UNORDERED: Final = frozenset({"allow", "cache-control", "vary"})


class _Body(NamedTuple):
    """One side's, as far as it could be decoded; ``codings`` are those that could not."""

    content: bytes
    codings: tuple[str, ...]
    content_type: str

    def read(self) -> Document:
        """What is in it."""
        if self.codings:
            return Document(Media.BYTES, (self.codings, self.content))
        return read_document(self.content, self.content_type)

    def describe(self, media: Media) -> dict[str, object]:
        """What may be said of a body that is not told."""
        about: dict[str, object] = {"media": str(media), "bytes": len(self.content), "sha256": seal(self.content)}
        if self.codings:
            about["encoding"] = ", ".join(self.codings)
        return about


class Comparison:
    """Compares the pairs of one route."""

    def __init__(self, policy: Compare) -> None:
        self._has_status = policy.status
        self._headers = tuple((name, name.lower()) for name in policy.headers)
        self._has_bodies = WHOLE not in policy.ignore
        self._rules = Rules.of(policy.ignore, policy.unordered, policy.tolerances)

    def compare(self, pair: Pair) -> list[Difference]:
        """What differs, each place once; empty: the answers are equal. Raises nothing, whatever the bytes."""
        baseline, other = pair.baseline, pair.other
        fields = read_fields(baseline.head)
        others = fields if other.head == baseline.head else read_fields(other.head)
        differences = list(self._compare_headers(fields, others))
        if self._has_status and baseline.status != other.status:
            differences.insert(0, Difference(STATUS, Kind.STATUS, baseline.status, other.status))
        if self._may_compare_bodies(pair):
            differences += self._compare_bodies(_unfold(baseline.body, fields), _unfold(other.body, others))
        return differences

    def _may_compare_bodies(self, pair: Pair) -> bool:
        first, second = pair.baseline.status, pair.other.status
        is_alike = not self._has_status or first // 100 == second // 100
        is_there = pair.method != "HEAD" and not _BODILESS & {first, second}
        return self._has_bodies and is_alike and is_there

    def _compare_headers(self, fields: dict[str, str], others: dict[str, str]) -> Iterable[Difference]:
        for name, key in self._headers:
            first, second = fields.get(key), others.get(key)
            if first != second and not _says_same(key, first, second):
                yield Difference(name, Kind.HEADER, _or_absent(first), _or_absent(second))

    def _compare_bodies(self, baseline: _Body, other: _Body) -> list[Difference]:
        if baseline.content == other.content and baseline.codings == other.codings:
            return []
        first, second = _read_alike(baseline, other)
        if first.media is not second.media or first.media is Media.BYTES:
            about = (baseline.describe(first.media), other.describe(second.media))
            return [Difference(WHOLE, Kind.BODY, *about)]
        differences = find_differences(first.value, second.value, self._rules)
        if first.media is Media.XML:
            differences = [difference for difference in differences if not _is_echo(difference)]
        return [_tidy(difference) for difference in differences]


def _unfold(body: bytes, fields: dict[str, str]) -> _Body:
    codings = read_codings(fields.get("content-encoding", ""))
    content_type = fields.get("content-type", "")
    decoded = decode(body, codings) if codings else body
    return _Body(body, codings, content_type) if decoded is None else _Body(decoded, (), content_type)


def _read_alike(baseline: _Body, other: _Body) -> tuple[Document, Document]:
    """Both documents.

    Old services often say of their JSON that it is a text: where one side's is JSON, so is the other's if it can be.
    """
    first, second = baseline.read(), other.read()
    if first.media is Media.JSON and second.media is Media.TEXT:
        return first, _read_json(other, second)
    if second.media is Media.JSON and first.media is Media.TEXT:
        return _read_json(baseline, first), second
    return first, second


def _read_json(body: _Body, document: Document) -> Document:
    parameters = body.content_type.partition(";")[2]
    found = read_document(body.content, f"application/json;{parameters}")
    return found if found.media is Media.JSON else document


def _says_same(key: str, first: str | None, second: str | None) -> bool:
    if first is None or second is None:
        return False
    if key == "content-type":
        return read_content_type(first).meaning == read_content_type(second).meaning
    return key in _UNORDERED and _elements(first) == _elements(second)


def _elements(field: str) -> set[str]:
    return {element.strip().lower() for element in field.split(",")}


def _or_absent(value: str | None) -> object:
    return ABSENT if value is None else value


def _is_echo(difference: Difference) -> bool:
    """Whether it says of the order of children what another says of the children."""
    return ORDER in difference.field and difference.kind is not Kind.ORDER


def _tidy(difference: Difference) -> Difference:
    """With a field that can be kept."""
    if len(difference.field) <= _LONGEST_FIELD:
        return difference
    return difference._replace(field=f"{difference.field[:_LONGEST_FIELD]}…")
