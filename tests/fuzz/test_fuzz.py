"""Hostile byte streams against the whole data plane; ``python -m bench.fuzz`` sends many more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.exchange import Exchange
from tests.fuzz import streams
from tests.fuzz.backends import try_backend
from tests.fuzz.clients import try_client
from tests.fuzz.theatre import Finding, Outcome, Theatre, theatre
from tests.fuzz.trial import play

SEED = 20_000
STREAMS = 3000

TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(str.encode)
VALUES = st.binary(max_size=20).map(lambda value: bytes(byte for byte in value if byte > 0x20 and byte != 0x7F))
BODIES = st.binary(max_size=60)

GET = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"


@pytest.fixture
async def place() -> AsyncIterator[Theatre]:
    async with theatre() as ready:
        yield ready


@pytest.fixture(scope="module")
def trials() -> Iterator[tuple[Theatre, asyncio.Runner]]:
    """One data plane for all examples of the properties, in a loop of their own."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        yield runner.run(stack.enter_async_context(theatre())), runner
        runner.run(stack.aclose())


async def test_no_hostile_stream_is_misread(place: Theatre) -> None:
    """Streams of a fixed seed, from clients and from backends: none raises, hangs, or passes what is ambiguous."""
    outcomes = Counter([await play(place, Random(SEED + number)) for number in range(STREAMS)])

    assert outcomes.total() == STREAMS
    # The streams are worth sending: each kind of end is reached on each side.
    assert {outcome for _, outcome in outcomes} == {*Outcome}
    assert min(outcomes.values()) > STREAMS // 200


@st.composite
def valid_requests(draw: st.DrawFn) -> bytes:
    """A request that nobody could misread."""
    names = [b"x-" + name for name in draw(st.lists(TOKENS, max_size=4))]
    fields = [b"%b: %b\r\n" % (name, draw(VALUES)) for name in names]
    body, framing = draw(framed_bodies())
    fields.insert(draw(st.integers(0, len(fields))), b"Host: example.com\r\n")
    fields.insert(draw(st.integers(0, len(fields))), framing)
    method = draw(st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH"]))
    return b"%b /%b HTTP/1.1\r\n%b\r\n%b" % (method, draw(TOKENS), b"".join(fields), body)


@st.composite
def framed_bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A body as it is sent, and the field that says how."""
    pieces = draw(st.lists(BODIES.filter(bool), max_size=3))
    if draw(st.booleans()):
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return chunks + b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n"
    body = b"".join(pieces)
    return body, b"Content-Length: %d\r\n" % len(body) if body else b""


@given(requests=st.lists(valid_requests(), min_size=1, max_size=4), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_valid_requests_pass_however_they_are_cut(
    trials: tuple[Theatre, asyncio.Runner], requests: list[bytes], cuts: list[int]
) -> None:
    """Being strict is easy for who refuses everything: what is valid reaches the backend, as it was sent."""
    place, runner = trials
    stream = b"".join(requests)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in pairwise(places)]

    assert runner.run(try_client(place, pieces)) is Outcome.PASSED


@given(request=valid_requests(), changes=st.lists(st.sampled_from(streams.MUTATIONS), max_size=4), dice=st.randoms())
def test_a_request_that_is_nearly_the_last_one_is_judged_anew(
    trials: tuple[Theatre, asyncio.Runner],
    request: bytes,
    changes: list[Callable[[Random, bytes], bytes]],
    dice: Random,
) -> None:
    """What is remembered of one request never lends its good name to another."""
    place, runner = trials
    changed = request
    for change in changes:
        changed = change(dice, changed) or changed

    runner.run(try_client(place, [request, request, changed]))


@pytest.mark.parametrize("end", [b"XY", b"\0\0", b"\n\r", b"\n\n", b"  ", b"\r\x02", b"\r\r\n", b"\n"])
async def test_a_request_line_ends_with_cr_lf_even_before_fields_that_are_known(place: Theatre, end: bytes) -> None:
    """The end of the line is looked at, not skipped."""
    pieces = [GET, GET, GET.replace(b"\r\n", end, 1)]

    assert await try_client(place, pieces) in {Outcome.REFUSED, Outcome.WAITED}


@pytest.mark.parametrize("start", [b"\n", b"\r", b"\n\n", b"\r\n\n", b"\r\r\n"])
async def test_nothing_stands_before_a_method(place: Theatre, start: bytes) -> None:
    """Stray line ends, which llhttp skips; sent on, they would put the backend out of step."""
    assert await try_client(place, [GET + start + GET]) is Outcome.REFUSED


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
async def test_a_body_that_never_comes_is_not_waited_for_for_ever(place: Theatre, framing: bytes) -> None:
    """Not a byte of it: the connection ends with ``timeouts.idle`` all the same."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n"

    assert await try_client(place, [head]) is Outcome.WAITED


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 O\x7fK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\0\0X: 1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_broken_answer_is_kept_from_the_client(place: Theatre, answer: bytes) -> None:
    """Control characters in a reason, a coding on HTTP/1.0, a status that is none: 502."""
    assert await try_backend(place, [answer], "get", "stay") is Outcome.REFUSED


async def test_thousands_of_interim_responses_at_once_are_only_passed_on(place: Theatre) -> None:
    """They are read one after the other, not one within the other."""
    answer = b"HTTP/1.1 102 Processing\r\n\r\n" * 5000 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    assert await try_backend(place, [answer], "get", "stay") is Outcome.PASSED


async def test_the_trials_would_notice(place: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data plane that loses a byte of a body does not get through."""
    pass_on = Exchange.on_request_body

    def lose_a_byte(exchange: Exchange, payload: bytes, *, is_done: bool, trailers: bytes = b"") -> None:
        pass_on(exchange, payload[1:], is_done=is_done, trailers=trailers)

    monkeypatch.setattr(Exchange, "on_request_body", lose_a_byte)
    upload = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

    with pytest.raises(Finding, match="another body"):
        await try_client(place, [upload])
