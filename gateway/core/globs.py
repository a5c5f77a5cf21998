"""Patterns in which ``*`` stands for any characters, also none: ``bank-*``, ``*.example``, ``a*b*c``.

Values come from clients and may be long, so there is no regular expression here: the parts between the stars are looked
for from left to right, each at its first place, which finds a match whenever there is one and never goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

Test = Callable[[bytes], bool]


def compile_glob(pattern: str) -> Test:
    """A test whether a value matches ``pattern`` as a whole. Letter case counts; the pattern is UTF-8."""
    first, *middle = pattern.encode().split(b"*")
    if not middle:
        return first.__eq__
    last = middle.pop()
    inner = [part for part in middle if part]
    return _compile_ends(first, last) if not inner else _compile_parts(first, inner, last)


def compile_globs(patterns: Iterable[str]) -> Test:
    """A test whether a value matches any of ``patterns``."""
    every = tuple(patterns)
    exact = frozenset(pattern.encode() for pattern in every if "*" not in pattern)
    tests = tuple(compile_glob(pattern) for pattern in every if "*" in pattern)
    if not tests:
        return exact.__contains__
    return lambda value: value in exact or any(test(value) for test in tests)


def _compile_ends(first: bytes, last: bytes) -> Test:
    shortest = len(first) + len(last)
    return lambda value: len(value) >= shortest and value.startswith(first) and value.endswith(last)


def _compile_parts(first: bytes, inner: list[bytes], last: bytes) -> Test:
    ends = _compile_ends(first, last)
    before, after = len(first), len(last)

    def has_parts(value: bytes) -> bool:
        at, end = before, len(value) - after
        for part in inner:
            found = value.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return lambda value: ends(value) and has_parts(value)
