"""Splitting paths and walking patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.paths import PathTree, capture_name, split_path, split_raw_path
from gateway.errors import BadRequest
from tests.core.asking import ask


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        (b"/", [b""]),
        (b"/a/b", [b"a", b"b"]),
        (b"/a/", [b"a", b""]),
        (b"//a", [b"", b"a"]),
        (b"/a%2Fb/c", [b"a/b", b"c"]),
        (b"/%63af%C3%A9", [b"caf\xc3\xa9"]),
        (b"/a/./b/../c", [b"a", b"c"]),
        (b"/a/%2e%2E/b", [b"b"]),
        (b"/a/.", [b"a", b""]),
        (b"/a/..", [b""]),
        (b"/.well-known/x", [b".well-known", b"x"]),
        (b"/a/...", [b"a", b"..."]),
        (b"/a/..%2Fb", [b"a", b"../b"]),
        (b"/100%/zz%zz", [b"100%", b"zz%zz"]),
    ],
)
def test_a_path_is_split_then_decoded(path: bytes, segments: list[bytes]) -> None:
    """An encoded slash stays inside its segment, dot segments are resolved however they are written."""
    assert split_path(path) == segments


@pytest.mark.parametrize("path", [b"/..", b"/../a", b"/a/../../b", b"/%2e%2e/etc", b"/.%2e", b"/./.."])
def test_a_path_that_climbs_above_the_root_is_refused(path: bytes) -> None:
    """Nobody reaches past a route by counting dots."""
    with pytest.raises(BadRequest):
        split_path(path)


@given(st.lists(st.sampled_from([b"a", b"%2e", b".", b"..", b"%2E%2e", b"b%2Fc", b"%41", b"", b"x.y"]), max_size=8))
def test_raw_and_decoded_segments_stand_in_the_same_places(parts: list[bytes]) -> None:
    """A rewrite may carry over the raw segment where the route matched the decoded one."""
    path = b"/" + b"/".join(parts)
    try:
        raw = split_raw_path(path)
    except BadRequest:
        with pytest.raises(BadRequest):
            split_path(path)
        return

    assert [len(segment) for segment in split_path(path)] == [
        len(segment.replace(b"%2F", b"/").replace(b"%41", b"A")) for segment in raw
    ]
    assert not {b".", b".."} & set(split_path(path))


def find(patterns: list[str], path: str) -> str | None:
    """The pattern that wins."""
    tree: PathTree[str] = PathTree()
    for order, pattern in enumerate(patterns):
        tree.add(order, pattern, pattern)
    leaf = tree.find(split_path(path.encode()), ask(path))
    return leaf and leaf.target


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/**", ["/", "/a", "/a/b/"], []),
        ("/a/**", ["/a", "/a/", "/a/b/c"], ["/", "/ab", "/b/a"]),
        ("/a", ["/a", "/%61"], ["/a/", "/a/b", "/A"]),
        ("/a/", ["/a/"], ["/a"]),
        ("/", ["/", "/x/.."], ["/a", "//"]),
        ("/a/*", ["/a/b", "/a/b%2Fc"], ["/a", "/a/", "/a/b/c"]),
        ("/a/{id}/c", ["/a/1/c"], ["/a//c", "/a/1", "/a/1/c/d"]),
        ("/caf\u00e9", ["/caf%C3%A9"], ["/caf"]),
        ("/a%20b", ["/a%20b"], ["/ab"]),
    ],
)
def test_patterns_match_whole_paths(pattern: str, matching: list[str], others: list[str]) -> None:
    """Stars stand for one segment that is not empty, two stars for the rest or nothing; a trailing slash counts."""
    assert [find([pattern], path) for path in matching] == [pattern] * len(matching)
    assert [find([pattern], path) for path in others] == [None] * len(others)


def test_the_first_pattern_in_order_wins() -> None:
    """Not the longest, nor the most literal."""
    assert find(["/a/**", "/a/b"], "/a/b") == "/a/**"
    assert find(["/a/b", "/a/**"], "/a/b") == "/a/b"
    assert find(["/*/b", "/a/*"], "/a/b") == "/*/b"
    assert find(["/a/*/c", "/a/b/**"], "/a/b/d") == "/a/b/**"


def test_braces_name_a_capture() -> None:
    """``{name}`` is a capture; what only looks like one is literal."""
    assert [capture_name(text) for text in ("{id}", "{}", "id", "{id", "**")] == ["id", None, None, None, None]
