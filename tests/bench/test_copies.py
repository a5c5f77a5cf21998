"""What the benches of copies rest on, without their load: configurations, pairs, and a candidate that misbehaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from bench import comparing, copies, copying, shadow_faults, unruly
from bench.cases import GIB
from bench.comparing import KINDS, NAME, Kind, pack
from bench.copies import Turn, list_uncompared, steady
from bench.load import Load
from gateway.core.noise import TWINS_NEEDED
from gateway.core.shadowing import Compare, Pair
from gateway.runtime.link import Frames
from gateway.settings.load import load_text
from gateway.shadow.comparer import Comparer
from tests.shadow.stories import table_of

POLICY = Compare(status=True, headers=("Content-Type", "Location", "Cache-Control"), noise=5.0)


def unpack(frame: bytes) -> Pair:
    """What a comparer gets of it."""
    (payload,) = Frames().feed(frame)
    return msgspec.msgpack.decode(payload, type=Pair)


@pytest.mark.parametrize(
    "text",
    [
        shadow_faults.configure(1, 2),
        *(copies.head(1, 2) + copies.route(copying.NAME, "/**", shadow) for shadow in copying.SHADOWS.values()),
        copies.head(1, 2) + copies.route("on", "/large/on/**", comparing.SHADOW),
    ],
)
def test_their_configurations_are_valid(text: str, tmp_path: Path) -> None:
    """And copy everything, where they copy."""
    routes = load_text(text, "gateway.yaml", {}, tmp_path).config.routes

    assert {route.shadow.percent for route in routes if route.shadow is not None} <= {100.0}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_pairs_come_to_the_result_that_they_are_made_for(kind: Kind) -> None:
    """When so many twins have been seen as the bench sends."""
    comparer = Comparer()
    comparer.adopt(table_of(**{NAME: POLICY}))
    for number in range(TWINS_NEEDED):
        comparer.take(unpack(pack(kind, number, is_twin=True)))
    for number in range(5):
        comparer.take(unpack(pack(kind, number)))

    (counted,) = comparer.take_counts()
    assert counted.figures.copies == {(kind.result, ""): 5}


def test_a_turn_tells_pairs_from_what_was_not_compared() -> None:
    """Matches, mismatches and noise are pairs; everything else is named, the most frequent first."""
    outcomes = Counter({"match": 5, "noise": 2, "timeout": 1, "breaker": 3})
    turn = Turn(Load(4, 2.0, 0, 0.1, 0.2, 0), 0.002, 0.0, 0, 0, outcomes)

    assert (turn.compared, turn.worker_us) == (7, pytest.approx(500))
    assert list_uncompared([turn, turn]) == "breaker 6, timeout 2"
    assert list_uncompared([turn._replace(outcomes=Counter({"match": 1}))]) == "none"


def test_a_steady_load_spreads_the_pauses_over_its_connections() -> None:
    """So that all of them together ask so often; without a bound nobody pauses."""
    assert steady("all", "/", 2000).pause_ms == copies.CONNECTIONS // 2
    assert steady("all", "/", 0).pause_ms == 0


async def test_the_unruly_candidate_does_what_the_path_says() -> None:
    """It answers well where it is not told otherwise."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(unruly.Unruly, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def ask(path: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /{path}/orders/7 HTTP/1.1\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        return head

    assert await ask("well") == unruly.RIGHT.partition(b"{")[0]
    assert b"Content-Length: %d\r\n" % GIB in await ask("endless")
    assert b"Content-Encoding: gzip\r\n" in await ask("bomb")
    assert not (await ask("garbage")).startswith(b"HTTP/")
    server.close()
