from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.differences import ABSENT, Kind
from gateway.core.shadowing import Compare, Reply
from gateway.shadow.comparison import Comparison
from tests.shadow.pairs import POLICY, pair, reply

COMPARISON = Comparison(POLICY)

ORDER: dict[str, Any] = {
    "id": 7,
    "price": 10.0,
    "name": "café",
    "note": None,
    "done": True,
    "tags": ["a", "b", "b"],
    "lines": [{"sku": "x", "count": 1, "score": 100}, {"sku": "y", "count": 2, "score": 50}],
    "timestamp": 1,
}


def dump(value: object) -> bytes:
    return json.dumps(value).encode()


def find(baseline: Reply, other: Reply, **changes: Any) -> list[tuple[str, Kind]]:
    """Field and kind of all that differs."""
    found = COMPARISON.compare(pair(baseline, other, **changes))
    return [(difference.field, difference.kind) for difference in found]


def change(**members: Any) -> dict[str, Any]:
    return {**ORDER, **members}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in ORDER.items() if name not in names}


LINES = ORDER["lines"]

DIFFERENT = {
    "missing": (without("name"), "$.name", Kind.MISSING),
    "missing in an array": (change(lines=[{"sku": "x", "score": 100}, LINES[1]]), "$.lines[*].count", Kind.MISSING),
    "extra": (change(color="red"), "$.color", Kind.EXTRA),
    "extra with an odd name": (change(**{"odd name": 1}), "$['odd name']", Kind.EXTRA),
    "type: string for number": (change(id="7"), "$.id", Kind.TYPE),
    "type: true is no 1": (change(done=1), "$.done", Kind.TYPE),
    "type: value for null": (change(note="x"), "$.note", Kind.TYPE),
    "null versus absent": (without("note"), "$.note", Kind.MISSING),
    "value": (change(id=8), "$.id", Kind.VALUE),
    "value in an array": (change(lines=[LINES[0], {**LINES[1], "count": 3}]), "$.lines[*].count", Kind.VALUE),
    "order": (change(lines=LINES[::-1]), "$.lines", Kind.ORDER),
    "length": (change(lines=LINES[:1]), "$.lines", Kind.LENGTH),
    "beyond the tolerance": (change(price=10.011), "$.price", Kind.VALUE),
    "beyond the relative tolerance": (
        change(lines=[{**LINES[0], "score": 101.1}, LINES[1]]),
        "$.lines[*].score",
        Kind.VALUE,
    ),
    "unicode forms": (change(name="cafe\u0301"), "$.name", Kind.VALUE),
    "duplicates in a multiset": (change(tags=["b", "a", "a"]), "$.tags[*]", Kind.VALUE),
    "one too many in a multiset": (change(tags=["a", "b", "b", "b"]), "$.tags", Kind.LENGTH),
    "whole body of another type": ([ORDER], "$", Kind.TYPE),
}

ALIKE = {
    "1 and 1.0": change(id=7.0),
    "the tolerance's edge": change(price=10.01),
    "the relative tolerance's edge": change(lines=[{**LINES[0], "score": 101}, LINES[1]]),
    "a shuffled multiset": change(tags=["b", "a", "b"]),
    "an ignored member": change(timestamp=2),
    "an ignored member that is missing": without("timestamp"),
    "an ignored member that is extra": change(lines=[{**LINES[0], "request_id": "r"}, LINES[1]]),
    "members in another order": dict(reversed(ORDER.items())),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_planted_difference_is_named_with_its_path_and_nothing_else_is(name: str) -> None:
    """One cause, one difference, whatever its kind."""
    body, field, kind = DIFFERENT[name]

    assert find(reply(dump(ORDER)), reply(dump(body))) == [(field, kind)]


@pytest.mark.parametrize("name", ALIKE)
def test_what_is_the_same_in_other_words_is_no_difference(name: str) -> None:
    """JSON is compared by what it says."""
    assert find(reply(dump(ORDER)), reply(dump(ALIKE[name]))) == []


def test_a_name_that_comes_twice_is_found() -> None:
    """Whichever of the two values a client takes."""
    assert find(reply(b'{"a": 1}'), reply(b'{"a": 2, "a": 1}')) == [("$.a", Kind.TYPE)]


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        ("Location: /a", "Location: /b", "Location"),
        ("cache-control: public", "X: y", "Cache-Control"),
        ("X: y", "CACHE-CONTROL: no-store", "Cache-Control"),
        ("Content-Type: application/json", "Content-Type: application/problem+json", "Content-Type"),
    ],
)
def test_a_header_that_differs_is_named_as_configured(first: str, second: str, field: str) -> None:
    """Also where one side lacks it."""
    assert find(reply(b"{}", first), reply(b"{}", second)) == [(field, Kind.HEADER)]


def test_a_header_that_a_side_lacks_is_absent_there() -> None:
    """Which is another thing than empty."""
    (difference,) = COMPARISON.compare(pair(reply(b"{}", "Location:"), reply(b"{}")))

    assert difference == ("Location", Kind.HEADER, "", ABSENT)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Content-Type: application/json;charset=UTF-8", 'content-type: application/json; charset="utf-8"'),
        ("Cache-Control: public, max-age=60", "Cache-Control: max-age=60,Public"),
        ("Cache-Control: public, no-cache", "Cache-Control: public\r\nCache-Control: no-cache"),
        ("Location:   /a ", "location: /a"),
        ("Server: one", "Server: two"),
    ],
)
def test_headers_that_say_the_same_are_no_difference(first: str, second: str) -> None:
    """Nor are those that nobody asked for."""
    assert find(reply(b"{}", first), reply(b"{}", second)) == []


def test_a_status_of_the_same_class_does_not_hide_the_body() -> None:
    """200 for 201 may come with other differences."""
    assert find(reply(b'{"a":1}'), reply(b'{"a":2}', status=201)) == [("status", Kind.STATUS), ("$.a", Kind.VALUE)]


def test_of_a_failure_only_the_status_is_named() -> None:
    """The page of an error is another as a matter of course; a header that somebody asked for is told."""
    failed = reply(b"<html>", "Content-Type: text/html", status=500)

    assert find(reply(b'{"a":1}'), failed) == [("status", Kind.STATUS), ("Content-Type", Kind.HEADER)]


def test_without_the_status_bodies_are_compared_whatever_it_is() -> None:
    """Who does not look at it wants to know of the rest."""
    comparison = Comparison(Compare(status=False, headers=()))

    found = comparison.compare(pair(reply(b'{"a":1}'), reply(b'{"a":2}', status=404)))

    assert [difference.field for difference in found] == ["$.a"]


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_has_none_to_compare(status: int) -> None:
    """HEAD, 204, 304: whatever came along."""
    assert find(reply(b"1", status=status), reply(b"2", status=status)) == []
    assert find(reply(b"1"), reply(b"2"), method="HEAD") == []


def test_a_body_that_is_ignored_as_a_whole_is_not_looked_at() -> None:
    """``ignore: ["$"]`` is for routes of which only status and headers matter."""
    comparison = Comparison(Compare(status=True, headers=(), ignore=("$",)))

    assert comparison.compare(pair(reply(b"1"), reply(b"<html>", "Content-Type: text/html"))) == []


CODED = {
    "gzip": gzip.compress(dump(ORDER)),
    "deflate": zlib.compress(dump(ORDER)),
    "br": brotli.compress(dump(ORDER)),
    "identity": dump(ORDER),
}


@pytest.mark.parametrize("coding", CODED)
def test_how_a_body_is_encoded_is_no_difference(coding: str) -> None:
    """Unless somebody asks for ``Content-Encoding``."""
    plain, coded = reply(dump(change(id=8))), reply(CODED[coding], f"Content-Encoding: {coding}")

    assert find(reply(dump(ORDER)), coded) == []
    assert find(plain, coded) == [("$.id", Kind.VALUE)]


def test_the_encoding_is_a_difference_where_it_is_compared() -> None:
    """As every other header."""
    comparison = Comparison(Compare(status=True, headers=("Content-Encoding",)))

    (difference,) = comparison.compare(pair(reply(dump(ORDER)), reply(CODED["br"], "Content-Encoding: br")))

    assert difference == ("Content-Encoding", Kind.HEADER, ABSENT, "br")


def test_what_cannot_be_decoded_is_told_by_length_hash_and_coding() -> None:
    """And equals only itself."""
    broken = reply(CODED["gzip"][:-4], "Content-Encoding: gzip")

    (difference,) = COMPARISON.compare(pair(reply(dump(ORDER)), broken))

    assert find(broken, broken) == []
    assert (difference.field, difference.kind) == ("$", Kind.BODY)
    assert isinstance(difference.candidate, dict)
    assert difference.candidate.keys() == {"media", "bytes", "sha256", "encoding"}
    assert difference.candidate["encoding"] == "gzip"


def test_bytes_are_told_by_length_and_hash() -> None:
    """An image is another one, and that is all there is to say."""
    image = "Content-Type: image/png"

    (difference,) = COMPARISON.compare(pair(reply(b"\x89a", image), reply(b"\x89bc", image)))

    assert difference[:2] == ("$", Kind.BODY)
    assert isinstance(difference.baseline, dict)
    assert {**difference.baseline, "sha256": "..."} == {"media": "bytes", "bytes": 2, "sha256": "..."}


def test_bodies_of_two_kinds_are_one_difference() -> None:
    """JSON here and a page there: no path names it better than the top."""
    page = reply(b"<html>\n<p>", "Content-Type: text/html")

    assert find(reply(dump(ORDER)), page) == [("Content-Type", Kind.HEADER), ("$", Kind.BODY)]
    assert find(reply(dump(ORDER)), reply(b"")) == [("$", Kind.BODY)]


def test_json_that_is_called_a_text_is_compared_as_json() -> None:
    """Old services do that; what differs is the type, not the body."""
    old = reply(dump(change(id=8)), "Content-Type: text/html; charset=utf-8")

    assert find(old, reply(dump(ORDER))) == [("Content-Type", Kind.HEADER), ("$.id", Kind.VALUE)]
    assert find(reply(dump(ORDER)), old) == [("Content-Type", Kind.HEADER), ("$.id", Kind.VALUE)]


@pytest.mark.parametrize(
    ("field", "first", "second", "expected"),
    [
        ("text/plain", b"a\r\nb\r\nc", b"a\nB\nc", [("$[*]", Kind.VALUE)]),
        ("text/plain", b"a\r\nb", b"a\nb", []),
        ("application/x-www-form-urlencoded", b"a=1&b=2", b"b=2&a=3", [("$.a[*]", Kind.VALUE)]),
        ("application/x-www-form-urlencoded", b"a=%7E&b=2", b"b=2&a=~", []),
        ("application/xml", b"<o><p>1</p><q/></o>", b"<o>\n<q/>\n<p>1</p></o>", [("$.o['#order']", Kind.ORDER)]),
        ("application/xml", b"<o><p>1</p><q/></o>", b"<o><p>1</p></o>", [("$.o.q", Kind.MISSING)]),
        ("application/xml", b"<o><p>1</p><q/></o>", b"<o><p>2</p><q/></o>", [("$.o.p[*]", Kind.VALUE)]),
        ("application/xml", b"<o a='1'><p/></o>", b"<o a='2'><p/></o>", [("$.o['@a']", Kind.VALUE)]),
        ("application/xml", b"<o><p>1</p></o>", b"<?xml version='1.0'?>\n<o>\n <p>1</p></o>", []),
    ],
)
def test_other_media_are_compared_by_structure_too(
    field: str, first: bytes, second: bytes, expected: list[tuple[str, Kind]]
) -> None:
    """Paths name lines, form fields, elements and attributes."""
    assert find(reply(first, f"Content-Type: {field}"), reply(second, f"Content-Type: {field}")) == expected


def test_boundaries_of_multipart_are_no_difference() -> None:
    """They are drawn anew for every body; what stands between them is compared."""

    def form(boundary: str, value: str) -> Reply:
        body = f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n{value}\r\n--{boundary}--\r\n'
        return reply(body.encode(), f"Content-Type: multipart/form-data; boundary={boundary}")

    assert find(form("one", "1"), form("two", "1")) == []
    assert find(form("one", "1"), form("two", "2")) == [("$.a[*].content", Kind.VALUE)]


def test_a_field_is_never_longer_than_can_be_kept() -> None:
    """Names are whatever a backend makes of them."""
    ((field, kind),) = find(reply(dump({"n" * 5000: 1})), reply(b"{}"))

    assert len(field) < 400
    assert kind is Kind.MISSING


@pytest.mark.parametrize("depth", [50, 150, 900, 50_000])
def test_bodies_may_nest_as_deep_as_they_like(depth: int) -> None:
    """A difference is found all the same."""
    first, second = (b"[" * depth + leaf + b"]" * depth for leaf in (b"1", b"2"))

    assert len(find(reply(first), reply(second))) == 1
    assert find(reply(first), reply(first + b" ")) in ([], [("$", Kind.BODY)])


TYPES = [
    "application/json",
    "text/plain",
    "application/xml",
    "multipart/mixed; boundary=x",
    "image/png",
    "é; charset=no",
]
CODINGS = ["gzip", "deflate", "br", "zstd", "no", "gzip, br", "identity"]
bodies = st.binary(max_size=50) | st.sampled_from([*CODED.values(), b"<a>1</a>", b"--x\r\n\r\n\r\n--x--"])
replies = st.builds(
    lambda body, content_type, coding, status: reply(
        body, f"Content-Type: {content_type}", f"Content-Encoding: {coding}", status=status
    ),
    bodies,
    st.sampled_from(TYPES),
    st.sampled_from(CODINGS),
    st.sampled_from([200, 201, 404]),
)


@given(replies, replies)
def test_no_two_answers_whatever_raise(first: Reply, second: Reply) -> None:
    """And what differs one way differs the other way."""
    assert bool(COMPARISON.compare(pair(first, second))) == bool(COMPARISON.compare(pair(second, first)))


@given(replies)
def test_an_answer_equals_itself(answer: Reply) -> None:
    """Also where it cannot be read."""
    assert COMPARISON.compare(pair(answer, answer)) == []


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_heads_of_any_bytes_are_compared(first: bytes, second: bytes) -> None:
    """What is no field is no difference."""
    COMPARISON.compare(pair(Reply(200, first, b""), Reply(200, second, b"")))


def test_the_one_field_that_was_changed_is_found_wherever_it_is() -> None:
    """200 leaves, one of them changed at a time."""
    dice = random.Random(7)
    document = {f"group{group}": [{f"field{number}": number for number in range(20)}] for group in range(10)}
    for _ in range(30):
        group, number = dice.randrange(10), dice.randrange(20)
        changed = json.loads(dump(document))
        changed[f"group{group}"][0][f"field{number}"] = -1

        expected = [(f"$.group{group}[*].field{number}", Kind.VALUE)]
        assert find(reply(dump(document)), reply(dump(changed))) == expected
