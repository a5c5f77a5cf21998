from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.differences import ABSENT, Difference, Kind
from gateway.core.shadowing import Compare, Reply
from gateway.core.tallies import Sample
from gateway.shadow.comparison import Comparison
from gateway.shadow.masking import REDACTED
from gateway.shadow.redaction import BOUND, PREVIEW, Redaction, split_field
from tests.shadow.pairs import POLICY, pair, reply

REDACTION = Redaction(POLICY)
PAIR = pair(reply(b"1"), reply(b"2"))
SECRET = "hunter2-9f3c"


def keep(value: object, field: str = "$.x", kind: Kind = Kind.VALUE) -> Any:
    """What is kept of the baseline's value."""
    return REDACTION.sample(PAIR, Difference(field, kind, value, ABSENT)).baseline


def sample_all(baseline: Reply, other: Reply, policy: Compare = POLICY) -> list[Sample]:
    """The samples of all that differs between two answers."""
    told = pair(baseline, other)
    redaction = Redaction(policy)
    return [redaction.sample(told, difference) for difference in Comparison(policy).compare(told)]


def test_a_sample_says_of_which_request_it_is_and_when_it_was() -> None:
    """A side that has nothing there has None."""
    sample = REDACTION.sample(PAIR, Difference("$.a", Kind.MISSING, [1], ABSENT))

    assert sample == Sample("r-1", 1_700_000_000.0, [1], None)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (2**64 - 1, 2**64 - 1),
        (2**64, "18446744073709551616"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ("half \ud800", "half \\ud800"),
        ({"a": [1, {"\udfff": 2}]}, {"a": [1, {"\\udfff": 2}]}),
    ],
)
def test_values_are_what_can_be_stored_and_sent(value: object, kept: object) -> None:
    """JSON and MessagePack have neither longer integers nor halves of characters."""
    assert keep(value) == kept
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(keep(value))) == kept


def test_a_long_text_is_cut() -> None:
    """Of what is too long the beginning is kept, and how long it was."""
    assert keep("é" * 5000) == {"truncated": "é" * PREVIEW, "bytes": 10_000}
    assert keep("a" * BOUND) == "a" * BOUND


def test_a_large_container_is_cut_and_costs_no_more_than_what_is_kept() -> None:
    """Objects that would tell of it if they were looked at are not."""

    class Alarm(str):
        __slots__ = ()

        def isascii(self) -> bool:
            raise AssertionError("looked at")

    kept = keep([*range(10_000), Alarm("x")])

    assert kept["items"] == 10_001
    assert kept["truncated"].startswith("[0, 1, 2,")
    assert len(kept["truncated"]) == PREVIEW


def test_a_deep_value_is_cut() -> None:
    """Whatever is nested deeper than anybody reads."""
    value: Any = "core"
    for _ in range(90):
        value = {"a": value}

    assert keep(value)["items"] == 1


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("$.password", "S", REDACTED),
        ("$.a[*].password.first", "S", REDACTED),
        ("$.user", {"token": "S", "name": "n"}, {"token": REDACTED, "name": "n"}),
        ("$", {"user": {"token": "S"}, "n": 1}, {"user": {"token": REDACTED}, "n": 1}),
        ("$", {"list": [{"email": "S"}]}, {"list": [{"email": REDACTED}]}),
        ("$.user.name", "n", "n"),
        ("$.headers", {"Cookie": "S", "Accept": "a"}, {"Cookie": REDACTED, "Accept": "a"}),
        ("$.next", "/x?token=S&a=1", f"/x?token={REDACTED}&a=1"),
        ("$[*]", "my email is S", REDACTED),
        ("$", ["a line", "email S"], ["a line", REDACTED]),
        ("$.email[*]", "S", REDACTED),
        ("$.email[*].content", "S", REDACTED),
        ("$['odd name']", "n", "n"),
        ("$.cut off…", "S", REDACTED),
    ],
)  # fmt: skip
def test_what_must_not_be_stored_is_redacted_where_it_is_and_inside_what_holds_it(
    field: str, value: object, kept: object
) -> None:
    """Also when it is not the secret that differs, but something around it."""
    assert keep(value, field) == kept


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("Location", "/x?token=S&a=1", f"/x?token={REDACTED}&a=1"),
        ("Location", "/plain", "/plain"),
        ("Set-Cookie", "S", REDACTED),
        ("cookie", "S", REDACTED),
        ("Authorization", "S", REDACTED),
        ("X-Echo", "a; password=S", f"a; password={REDACTED}"),
        ("Token", "S", REDACTED),
    ],
)
def test_headers_are_redacted_by_name_and_queries_in_them(field: str, value: str, kept: str) -> None:
    """Cookies and credentials always."""
    assert keep(value, field, Kind.HEADER) == kept


def test_numbers_of_status_and_length_and_hashes_are_kept_as_they_are() -> None:
    """There is nothing to hide in them."""
    seal = {"media": "bytes", "bytes": 1, "sha256": "00"}

    assert keep(500, "status", Kind.STATUS) == 500
    assert keep(3, "$.items", Kind.LENGTH) == 3
    assert keep(seal, "$", Kind.BODY) == seal


@pytest.mark.parametrize(
    ("field", "steps"),
    [
        ("$", ()),
        ("$.a.b_1[*]", ("a", "b_1", None)),
        ("$['odd name'][*]['it\\'s \\\\ \\n\\u0001']", ("odd name", None, "it's \\ \n\x01")),
        ("$.größe", ("größe",)),
        ("$.a…", None),
        ("$['cut", None),
        ("$a", None),
    ],
)
def test_a_field_is_taken_apart_as_it_was_put_together(field: str, steps: tuple[str | None, ...] | None) -> None:
    """What cannot be is not a place of which anything may be said."""
    assert split_field(field) == steps


ENVELOPES = {
    "member": ("application/json", {"user": {"password": SECRET}, "n": 1}),
    "member of a list": ("application/json", [{"password": [SECRET]}, 1]),
    "echoed headers": ("application/json", {"headers": {"cookie": f"a={SECRET}", "AUTHORIZATION": SECRET}}),
    "query in a member": ("application/json", {"self": f"https://x/?a=1&token={SECRET}"}),
    "encoded query": ("application/json", {"self": quote(f"https://x/?a=1&token={SECRET}&b=2")}),
    "JSON in JSON": ("application/json", {"raw": json.dumps({"password": SECRET})}),
    "repeated": ("application/json", f'{{"password": "{SECRET}", "password": "{SECRET}1", "n": 1}}'),
    "form": ("application/x-www-form-urlencoded", f"password={SECRET}&token={SECRET}&n=1"),
    "multipart": (
        "multipart/form-data; boundary=x",
        f'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n{SECRET}\r\n--x--',
    ),
    "XML element": ("application/xml", f"<o><user><password>{SECRET}</password></user></o>"),
    "XML with a document type": ("application/xml", f"<!DOCTYPE o>\n<o>\n<password>{SECRET}</password>\n</o>"),
    "text": ("text/plain", f"hello\npassword = {SECRET} and more\nbye"),
    "page": ("text/html", f"<p>\n<input value={SECRET} type=password>\n</p>"),
    "unreadable": ("application/json", f"{{password: {SECRET}"),
}


@pytest.mark.parametrize("name", ENVELOPES)
@pytest.mark.parametrize("change", ["secret", "neighbour", "status", "other kind"])
def test_a_planted_secret_is_in_no_sample(name: str, change: str) -> None:
    """Whatever it is wrapped in, and whether it differs itself, or what is around it."""
    field, value = ENVELOPES[name]
    text = value if isinstance(value, str) else json.dumps(value)
    first = reply(text.encode(), f"Content-Type: {field}")
    changed = {
        "secret": text.replace(SECRET, f"{SECRET}-new"),
        "neighbour": text.replace("1", "2").replace("hello", "hi").replace("<p>", "<b>"),
        "status": text,
        "other kind": "{}",
    }[change]
    second_field = "application/json" if change == "other kind" else field
    second = reply(changed.encode(), f"Content-Type: {second_field}", status=201 if change == "status" else 200)

    samples = [*sample_all(first, second), *sample_all(second, first)]

    assert SECRET not in json.dumps([msgspec.to_builtins(sample) for sample in samples])


def test_a_secret_in_headers_is_in_no_sample() -> None:
    """All those that are compared are sampled."""
    names = ("Location", "Set-Cookie", "Cookie", "Authorization", "Proxy-Authorization", "Password", "Link")
    policy = Compare(status=True, headers=names, redact=POLICY.redact)
    values = [f"{name}: https://x/?token={SECRET}&b=1; password={SECRET}" for name in ("Location", "Link")]
    values += [f"{name}: {SECRET}" for name in names if name not in ("Location", "Link")]

    samples = sample_all(reply(b"{}", *values), reply(b"{}"), policy)

    assert len(samples) == len(names)
    assert SECRET not in repr(samples)


def test_a_whole_subtree_that_is_missing_is_stored_without_its_secrets() -> None:
    """The parent differs, not the secret."""
    body = json.dumps({"account": {"email": SECRET, "id": 1, "links": [f"/reset?password={SECRET}"]}}).encode()

    (sample,) = sample_all(reply(body), reply(b"{}"))

    assert sample.baseline == {"email": REDACTED, "id": 1, "links": [f"/reset?password={REDACTED}"]}
    assert sample.candidate is None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "password", "ü"]), inner),
    max_leaves=20,
)


@given(values)
def test_any_value_becomes_one_that_can_be_sent(value: object) -> None:
    """And nothing of it is under a name that must not be stored."""
    kept = keep(value)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept)) == kept
    assert len(json.dumps(kept)) < 8 * BOUND
    check(kept)


def check(kept: object) -> None:
    if isinstance(kept, dict):
        assert kept.get("password", REDACTED) == REDACTED
        for member in kept.values():
            check(member)
    if isinstance(kept, list):
        for element in kept:
            check(element)
