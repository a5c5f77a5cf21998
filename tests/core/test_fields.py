"""Fields are read once, and derived only where reading them anew would give the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.fields import Fields, host_of, read_fields
from gateway.core.heads import RequestHead, parse_request, repeat_request
from gateway.errors import BadRequest, HeadTooLarge

NAMES = [b"X-User-ID", b"x-user-id", b"Cookie", b"Accept", b"X-Request-ID", b"X-Forwarded-For", b"Connection", b"Via"]
ACTED_ON = [b"Host", b"Content-Length", b"Transfer-Encoding", b"Upgrade", b"X-Crossfade-Arm", b"Expect"]
VALUES = [b" 1", b" 2", b" a long one", b"", b"  padded\t", b" keep-alive", b" close, via", b" \xe9"]
HOSTILE = [b" a\r\nEvil: 1", b" a\nb", b" a\rb", b" a\0b", b" a\r\n\r\nGET / HTTP/1.1", b" \x7f"]

Lines = list[tuple[bytes, bytes]]

plain_lines = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=6)


def fields(*lines: str, is_http11: bool = True) -> Fields:
    """The fields of a request with these lines."""
    return read_fields("".join(f"\r\n{line}" for line in lines).encode() + b"\r\n\r\n", is_http11=is_http11)


def head(lines: Lines) -> bytes:
    """A request with these lines behind its Host."""
    return b"GET /a?b HTTP/1.1\r\nHost: a.b\r\n" + b"".join(b"%b:%b\r\n" % line for line in lines) + b"\r\n"


def facts(request: RequestHead) -> dict[str, object]:
    """Everything that anybody can learn of a request."""
    known = request.fields
    names = {name.lower() for name in NAMES + ACTED_ON}
    return {
        "line": (request.method, request.target, request.path, request.query),
        "raw": (known.raw, known.lines, known.names, known.cuts, known.acted_on),
        "framing": (known.content_length, known.chunked, known.expects_continue, known.keep_alive, known.is_http11),
        "routing": (known.authority, known.host, known.upgrade, known.request_id, known.arm_override),
        "forwarded": known.forwarded,
        "passed_on": (known.passed_on(), known.passed_on_without({b"cookie"})),
        "first": {name: known.first(name) for name in names},
        "all": {name: known.all(name) for name in names},
    }


def parse(raw: bytes) -> RequestHead | None:
    """What parsing anew says; None for a refusal, or for more than one head."""
    if raw.index(b"\r\n\r\n") + 4 != len(raw):
        return None
    try:
        return parse_request(raw)
    except (BadRequest, HeadTooLarge):
        return None


@st.composite
def conversations(draw: st.DrawFn) -> list[Lines]:
    """What one client sends, request after request: mostly the same, with a change here and there."""
    lines: Lines = draw(plain_lines.filter(bool))
    requests = [lines]
    for _ in range(draw(st.integers(1, 6))):
        lines = [*lines]
        at = draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(["value", "value", "value", "hostile", "name", "add", "remove", "nothing"]))
        if change == "value":
            lines[at] = (lines[at][0], draw(st.sampled_from(VALUES)))
        elif change == "hostile":
            lines[at] = (lines[at][0], draw(st.sampled_from(HOSTILE)))
        elif change == "name":
            lines[at] = (draw(st.sampled_from(NAMES + ACTED_ON)), lines[at][1])
        elif change == "add":
            lines.insert(at, (draw(st.sampled_from(NAMES + ACTED_ON)), draw(st.sampled_from(VALUES))))
        elif change == "remove" and len(lines) > 1:
            del lines[at]
        requests.append(lines)
    return requests


@given(conversations(), st.booleans())
def test_a_derived_request_is_what_parsing_it_says(requests: list[Lines], looks_up: bool) -> None:
    """Whatever changes between two: derived fields say the same as fresh ones, and none are made of bad bytes."""
    known: Fields | None = None
    for raw in map(head, requests):
        parsed = parse(raw)
        derived = repeat_request(raw, known) if known is not None else None

        assert derived is None or (parsed is not None and facts(derived) == facts(parsed))
        if parsed is not None:
            known = (derived or parsed).fields
            if looks_up:
                known.first(b"x-user-id")


@given(st.lists(st.sampled_from(VALUES + HOSTILE), min_size=4, max_size=10))
def test_a_value_that_varies_alone_is_filled_in(values: list[bytes]) -> None:
    """The shortcut for one varying value gives what parsing gives, and takes no value that could hold a line."""
    known = parse_request(head([(b"Accept", b" x"), (b"X-User-ID", b" 0"), (b"Via", b" y")])).fields
    for value in [b" 7", b" 8", *values]:
        raw = head([(b"Accept", b" x"), (b"X-User-ID", value), (b"Via", b" y")])
        parsed, derived = parse(raw), repeat_request(raw, known)

        assert derived is not None or value in HOSTILE
        assert derived is None or (parsed is not None and facts(derived) == facts(parsed))
        if derived is not None:
            known = derived.fields


def test_the_same_bytes_are_the_same_fields() -> None:
    """A repeated head costs no new fields."""
    raw = head([(b"X-User-ID", b" 7")])
    known = parse_request(raw).fields

    again = repeat_request(raw, known)

    assert again is not None
    assert again.fields is known


@pytest.mark.parametrize("value", ["a.b", "A.b:8080", "[::1]:80", "xn--a", "10.0.0.1"])
def test_a_valid_host_is_kept_as_it_came(value: str) -> None:
    """The authority is what backends get; case and port stay."""
    assert fields(f"Host: {value}").authority == value.encode()


@pytest.mark.parametrize("lines", [[], ["Host: a", "Host: a"], ["Host: "], ["Host: a b"], ["Host: a,b"], ["Host: u@h"]])
def test_a_host_that_is_missing_repeated_or_no_authority_is_refused(lines: list[str]) -> None:
    """RFC 9112, section 3.2: exactly one, and valid."""
    with pytest.raises(BadRequest):
        fields(*lines)


def test_http_1_0_may_do_without_a_host() -> None:
    """It did not know the field."""
    assert fields(is_http11=False).authority == b""


@pytest.mark.parametrize(
    ("authority", "host"), [(b"A.B:80", b"a.b"), (b"a", b"a"), (b"[::1]:8", b"[::1]"), (b"[::1]", b"[::1]"), (b"", b"")]
)
def test_the_host_is_lower_case_and_without_its_port(authority: bytes, host: bytes) -> None:
    """Routes are matched by it."""
    assert host_of(authority) == host


def test_what_is_hop_by_hop_or_ours_is_not_passed_on() -> None:
    """RFC 9110, section 7.6.1, what Connection names, and what only the gateway may say."""
    read = fields(
        "Host: a",
        "Connection: close, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: 5",
        "TE: trailers",
        "Proxy-Connection: x",
        "Upgrade: h2c",
        "X-Crossfade-Arm: candidate",
        "X-Crossfade-Anything: 1",
        "X-Forwarded-For: 1.2.3.4",
        "X-Request-ID: 7",
        "x-B: 1",
        "X-b: 2",
    )

    assert read.passed_on() == b"\r\nHost: a\r\nx-B: 1\r\nX-b: 2"


def test_connection_can_not_take_away_what_routing_and_framing_rest_on() -> None:
    """A client that names Host or Content-Length as hop-by-hop is not obeyed."""
    read = fields("Host: a", "Content-Length: 3", "Cookie: b", "Connection: host, content-length, cookie")

    assert read.passed_on() == b"\r\nHost: a\r\nContent-Length: 3\r\nCookie: b"


@pytest.mark.parametrize(
    ("lines", "upgrade"),
    [
        (["Connection: Upgrade", "Upgrade: websocket"], b"websocket"),
        (["Connection: keep-alive, upgrade", "Upgrade: websocket"], b"websocket"),
        (["Upgrade: websocket"], b""),
        (["Connection: Upgrade", "Upgrade: websocket", "Content-Length: 3"], b""),
        (["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"], b""),
        (["Connection: Upgrade", "Upgrade: websocket, h2c"], b""),
    ],
)
def test_an_upgrade_counts_only_where_it_is_safe(lines: list[str], upgrade: bytes) -> None:
    """Named by Connection, without a body, and not to HTTP/2, which would open a tunnel around the gateway."""
    assert fields("Host: a", *lines).upgrade == upgrade


@pytest.mark.parametrize("line", ["Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Expect: tea"])
def test_codings_and_expectations_that_we_do_not_know_are_refused(line: str) -> None:
    """Passing on what we can't frame would make two messages of one."""
    with pytest.raises(BadRequest):
        fields("Host: a", line)


def test_a_coding_on_http_1_0_is_refused() -> None:
    """HTTP/1.0 has no chunks."""
    with pytest.raises(BadRequest):
        fields("Transfer-Encoding: chunked", is_http11=False)


@pytest.mark.parametrize(
    ("version11", "connection", "keep_alive"),
    [(True, None, True), (True, "close", False), (False, None, False), (False, "keep-alive", True), (True, "x", True)],
)
def test_connections_are_kept_as_version_and_connection_say(
    version11: bool,
    connection: str | None,
    keep_alive: bool,
) -> None:
    """RFC 9112, section 9.3."""
    lines = ["Host: a"] + ([f"Connection: {connection}"] if connection else [])

    assert fields(*lines, is_http11=version11).keep_alive is keep_alive


@pytest.mark.parametrize(("value", "kept"), [("abc-1", b"abc-1"), ("a b", b""), ("x" * 129, b""), ('"quoted"', b"")])
def test_a_request_id_is_kept_only_when_it_is_sane(value: str, kept: bytes) -> None:
    """It is logged and sent on: no spaces, no quotes, no novels."""
    assert fields("Host: a", f"X-Request-ID: {value}").request_id == kept


def test_x_forwarded_for_is_one_list_even_in_several_fields() -> None:
    """RFC 9110, section 5.3; of the others the first counts."""
    read = fields("Host: a", "X-Forwarded-For: 1", "X-Forwarded-Proto: a", "X-Forwarded-For: 2", "X-Forwarded-Proto: b")

    assert read.forwarded == {b"x-forwarded-for": b"1, 2", b"x-forwarded-proto": b"a"}
