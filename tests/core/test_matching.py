"""The index against the plain reading of its promise: routes in order, the first match serves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.matching import RouteIndex
from gateway.core.paths import split_path
from gateway.core.types import HeaderPattern, Match
from gateway.errors import BadRequest
from tests.core.asking import ask

Asked = tuple[str, str, str, str]
HOSTS = ["a.test", "b.test", "x.a.test", "y.x.a.test", "test"]
SEGMENTS = ["a", "b", "c"]

paths = st.lists(st.sampled_from([*SEGMENTS, "", "%61"]), max_size=4).map(lambda parts: "/" + "/".join(parts))
patterns = st.tuples(
    st.lists(st.sampled_from([*SEGMENTS, "*", "{id}"]), max_size=3), st.sampled_from([[], ["**"], [""]])
).map(lambda parts: "/" + "/".join([*parts[0], *parts[1]]))
hosts = st.sampled_from([*HOSTS, "*.test", "*.a.test", "*.x.a.test"])
matches = st.builds(
    Match,
    paths=st.lists(patterns, min_size=1, max_size=2).map(tuple),
    hosts=st.lists(hosts, max_size=2).map(tuple),
    methods=st.sampled_from([(), ("GET",), ("GET", "POST"), ("DELETE",)]),
    headers=st.sampled_from([(), (HeaderPattern("x-beta", ("1", "b*")),)]),
)
requests = st.tuples(
    st.sampled_from(["GET", "POST", "HEAD"]), st.sampled_from(HOSTS), paths, st.sampled_from(["", "1", "bank", "2"])
)


def scan(table: list[Match], asked: Asked) -> int | None:
    """What the index must answer: each route tried in its turn."""
    return next((order for order, match in enumerate(table) if is_matched(match, asked)), None)


def is_matched(match: Match, asked: Asked) -> bool:
    """Every restriction of one route, word for word."""
    method, host, path, beta = asked
    segments = [segment.decode() for segment in split_path(path.encode())]
    return (
        any(is_path_matched(pattern[1:].split("/"), segments) for pattern in match.paths)
        and (not match.hosts or any(host == own or (own[0] == "*" and host.endswith(own[1:])) for own in match.hosts))
        and (not match.methods or method in match.methods)
        and (not match.headers or beta == "1" or beta.startswith("b"))
    )


def is_path_matched(pattern: list[str], segments: list[str]) -> bool:
    """Segment by segment."""
    if pattern == ["**"]:
        return True
    if not pattern or not segments:
        return not pattern and not segments
    fits = bool(segments[0]) if pattern[0] in {"*", "{id}"} else pattern[0] == segments[0]
    return fits and is_path_matched(pattern[1:], segments[1:])


@given(st.lists(matches, max_size=12), st.lists(requests, min_size=1, max_size=8))
def test_the_index_answers_as_trying_each_route_in_turn_would(table: list[Match], asked: list[Asked]) -> None:
    """On any table and any request."""
    index = RouteIndex((match, order) for order, match in enumerate(table))

    for one in asked:
        method, host, path, beta = one
        found = index.match(ask(path, *([f"X-Beta: {beta}"] if beta else []), method=method, host=host))

        assert (found and found[0]) == scan(table, one)


def test_captures_are_decoded_segments() -> None:
    """``{name}`` becomes available under its name, an encoded slash included."""
    index = RouteIndex([(Match(("/t/{tenant}/*/{item}",)), "route")])

    found = index.match(ask("/t/ac%2Fme/x/caf%C3%A9"))

    assert found is not None
    assert dict(found[1]) == {"tenant": b"ac/me", "item": "caf\u00e9".encode()}


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("API.example.com:8080", "exact"),
        ("api.example.com.", "exact"),
        ("x.y.example.com", "wild"),
        ("example.com", "any"),
        ("badexample.com", "any"),
        ("[::1]:80", "any"),
    ],
)
def test_hosts_are_compared_without_case_port_and_final_dot(host: str, target: str) -> None:
    """A wildcard stands for every name below its domain, not for the domain itself."""
    table = [(Match(hosts=("api.example.com",)), "exact"), (Match(hosts=("*.example.com",)), "wild"), (Match(), "any")]

    found = RouteIndex(table).match(ask("/", host=host))

    assert found is not None
    assert found[0] == target


def test_get_does_not_include_head() -> None:
    """Methods are what is listed, nothing more."""
    index = RouteIndex([(Match(methods=("GET",)), "route")])

    assert index.match(ask("/", method="GET"))
    assert index.match(ask("/", method="HEAD")) is None


def test_a_climbing_path_is_refused_before_any_route_is_tried() -> None:
    """Also when a route would take every path."""
    with pytest.raises(BadRequest):
        RouteIndex([(Match(), "route")]).match(ask("/a/../../b"))


def count_calls(act: Callable[[], object]) -> int:
    """How many functions, Python's and C's, are called while acting."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(before)
    return calls


def build_index(routes: int, *, by_host: bool) -> RouteIndex[int]:
    """Routes that differ in path and, perhaps, in host."""
    return RouteIndex(
        (Match((f"/api/r{number}/**",), (f"h{number}.test",) if by_host else ()), number) for number in range(routes)
    )


@pytest.mark.parametrize("by_host", [False, True])
def test_ten_thousand_routes_take_no_more_steps_than_ten(by_host: bool) -> None:
    """The last of many routes is found by exactly as many calls as the last of few."""
    few, many = build_index(10, by_host=by_host), build_index(10_000, by_host=by_host)
    near, far = ask("/api/r9/x", host="h9.test"), ask("/api/r9999/x", host="h9999.test")

    assert count_calls(lambda: many.match(far)) == count_calls(lambda: few.match(near))
    assert many.match(far) == (9999, {})
