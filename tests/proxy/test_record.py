"""An access log line tells what became of a request, and never its key."""

from __future__ import annotations

import json

import pytest

from gateway.core.types import AccessLog, Hash, KeyKind, KeySource, Match, MissingKey, Mode, Rollout, Route
from tests.proxy.pair import ERROR, FAILOVER, Pair
from tests.proxy.wiring import OK, Wires, backend, table

SHOP = Rollout(
    "shop",
    Mode.LIVE,
    ((KeySource(KeyKind.HEADER, "X-User-ID"),),),
    MissingKey.BASELINE,
    "shop",
    Hash.MURMUR3,
    (),
    100.0,
)
ROUTE = Route("orders", Match(("/orders/**",)), "legacy", "new", "shop")


async def test_a_line_tells_what_became_of_a_request(capfd: pytest.CaptureFixture[str]) -> None:
    """Route, template, arm, reason, bucket, status, times and bytes; the key's bucket instead of the key."""
    wires = Wires(table(backend(), backend("new"), routes=(ROUTE,), rollouts=(SHOP,), access_log=AccessLog.ALL))
    wires.plane.generation.pools = dict.fromkeys(wires.plane.generation.pools, wires.pool)
    connection, _ = wires.backend()
    client, _ = wires.client()

    client.data_received(b"GET /orders/81?x=y HTTP/1.1\r\nHost: a\r\nX-User-ID: secret-7\r\n\r\n")
    connection.data_received(OK)
    await wires.plane.drain(0)

    written = capfd.readouterr().out
    line = json.loads(written)
    assert "secret-7" not in written
    assert 0 <= line["bucket"] < 100
    assert line["duration_ms"] >= line["header_ms"] >= 0
    expected = {
        "route": "orders",
        "path": "/orders/{id}",
        "target": "/orders/81",
        "method": "GET",
        "status": 200,
        "arm": "candidate",
        "reason": "split",
        "backend": "new",
        "bytes": 2,
        "error": None,
    }
    assert {name: line[name] for name in expected} == expected


@pytest.mark.parametrize(("status", "is_logged"), [(200, False), (404, False), (500, True)])
async def test_errors_alone_are_logged_where_only_they_are_wanted(
    capfd: pytest.CaptureFixture[str], status: int, is_logged: bool
) -> None:
    """What failed, on either side; not what a backend refuses."""
    wires = Wires(table(access_log=AccessLog.ERRORS))
    connection, _ = wires.backend()
    client, _ = wires.client()

    client.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.data_received(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
    await wires.plane.drain(0)

    written = capfd.readouterr().out
    assert bool(written) is is_logged
    assert not written or json.loads(written)["error"] == "5xx"


async def test_a_failover_is_logged_with_what_the_candidate_did(capfd: pytest.CaptureFixture[str]) -> None:
    """Also where only errors are wanted: the arm and the reason are the decision's, the rest is the baseline's."""
    pair = Pair(failover=FAILOVER, access_log=AccessLog.ERRORS)
    pair.ask()
    pair.candidate.data_received(ERROR)
    pair.baseline.data_received(OK)
    await pair.plane.drain(0)

    line = json.loads(capfd.readouterr().out)
    assert (line["arm"], line["reason"], line["backend"]) == ("candidate", "split", "legacy")
    assert line["endpoint"] == pair.pool_of("legacy").endpoints[0].endpoint.url
    assert (line["status"], line["error"], line["failover"]) == (200, None, "503")


@pytest.mark.parametrize(
    ("head", "method", "target"),
    [
        (b"GET /orders/81?token=x HTTP/1.1\r\n\r\n", "GET", "/orders/81"),
        (b'GET /"\\ HTTP/1.1\r\n\r\n', "GET", '/"\\'),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET", "/"),
        (b"GET /\x1b HTTP/1.1\r\nHost: a\r\n\r\n", None, None),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", None, None),
        (b"\x16\x03\x01\r\n\r\n", None, None),
    ],
)
async def test_a_refusal_is_logged_with_what_can_be_told(
    capfd: pytest.CaptureFixture[str], head: bytes, method: str | None, target: str | None
) -> None:
    """The bytes of the answer's body; method and path where the request line is a plain one, and never a query."""
    wires = Wires(table(access_log=AccessLog.ERRORS))
    client, sent = wires.client()

    client.data_received(head)
    await wires.plane.drain(0)

    line = json.loads(capfd.readouterr().out)
    assert (line["status"], line["error"]) == (400, "bad_request")
    assert (line["method"], line["target"]) == (method, target)
    assert line["bytes"] == len(sent.written.partition(b"\r\n\r\n")[2]) > 0
