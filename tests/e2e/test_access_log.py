"""The access log as the real gateway writes it: one line for each request, however it ends, and never a raw key."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import servers
from tests.e2e.exposition import total
from tests.e2e.figure_load import FigureLoad, mix
from tests.e2e.figure_load import configure as configure_figures
from tests.e2e.gateway import Gateway
from tests.e2e.obedient import obedient
from tests.e2e.scripted import Scripted, scripted
from tests.e2e.wire import Client, connected

FIELDS = {
    "time",
    "request_id",
    "trace_id",
    "route",
    "path",
    "target",
    "method",
    "status",
    "arm",
    "reason",
    "bucket",
    "backend",
    "endpoint",
    "duration_ms",
    "header_ms",
    "bytes",
    "error",
}
LOG_SECONDS = 1.5
"""How long a line may have waited, on a busy machine, in a worker that is killed."""

NEVER_A_REQUEST = {"route", "path", "target", "method", "arm", "reason", "bucket", "backend", "endpoint", "trace_id"}

CONFIGURATION = """\
version: 1
server:
  listen: 127.0.0.1:0
  workers: 1
  access_log: {access_log}
  limits: {{header_bytes: 2KiB, body: 1KiB}}
  timeouts: {{header: 1s, drain: 300ms}}
admin: {{listen: 127.0.0.1:0}}
backends:
  shop: {shop}
  hasty: {{endpoints: {shop}, timeouts: {{response: 300ms, idle: 300ms}}}}
  narrow: {{endpoints: {shop}, connections: 1, timeouts: {{connect: 100ms}}}}
  dead: http://127.0.0.1:{dead}
rollouts: {{shop: {{key: [header:X-User-ID, cookie:session], percent: 100}}}}
routes:
  - {{name: shop, match: {{host: shop, path: /**}}, backend: shop}}
  - {{name: hasty, match: {{host: hasty, path: /**}}, backend: hasty}}
  - {{name: narrow, match: {{host: narrow, path: /**}}, backend: narrow}}
  - {{name: dead, match: {{host: dead, path: /**}}, backend: dead}}
  - {{name: split, match: {{host: split, path: /**}}, baseline: dead, candidate: shop, rollout: shop}}
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Scripted]:
    """The backend behind every route but one."""
    with scripted() as server:
        yield server


def configure(shop: Scripted, access_log: str = "all") -> str:
    """Routes by host, one of them with short time-outs, through one worker."""
    return CONFIGURATION.format(shop=shop.url, dead=servers.free_port(), access_log=access_log)


@pytest.fixture(scope="module")
def gateway(shop: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that logs every request."""
    with Gateway(configure(shop), tmp_path_factory.mktemp("logging")) as running:
        yield running
        shop.let_go.set()


def lines(gateway: Gateway) -> list[dict[str, Any]]:
    """The whole log so far."""
    text = gateway.stdout.read_text()
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def line_of(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The one line of a request, once it is there."""
    gateway.wait_until(lambda: any(line["request_id"] == request_id for line in lines(gateway)))
    (line,) = (line for line in lines(gateway) if line["request_id"] == request_id)
    return line


def request(host: str, path: str, request_id: str, *fields: str, method: str = "GET") -> bytes:
    """A request that names itself."""
    rest = "".join(f"{field}\r\n" for field in fields)
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Request-ID: {request_id}\r\n{rest}\r\n".encode()


def ask(gateway: Gateway, host: str, path: str, request_id: str, *fields: str) -> dict[str, Any]:
    """The line about a request that is sent on a connection of its own, and read to the end of what comes."""
    with connected(gateway) as client:
        client.send(request(host, path, request_id, *fields, "Connection: close"))
        with contextlib.suppress(ConnectionResetError):
            client.read_rest()
    return line_of(gateway, request_id)


def is_asked(shop: Scripted, request_id: bytes) -> bool:
    """Whether a request has come to the backend."""
    return any(request_id in asked for asked in shop.asked)


def test_a_good_request_has_every_field(gateway: Gateway, shop: Scripted) -> None:
    """Who asked for what, where it went and why, how long it took, how much came: all of it, under fixed names."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    line = ask(gateway, "split", "/orders/81?page=2", "good-1", "X-User-ID: alice", f"traceparent: {trace}")

    assert set(line) == FIELDS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert (line["route"], line["path"], line["target"]) == ("split", "/orders/{id}", "/orders/81")
    assert (line["method"], line["status"], line["error"]) == ("GET", 200, None)
    assert (line["arm"], line["reason"]) == ("candidate", "split")
    assert 0 <= line["bucket"] < 100
    assert (line["backend"], line["endpoint"]) == ("shop", shop.url)
    assert 0 < line["header_ms"] <= line["duration_ms"]
    assert line["bytes"] == len(next(asked for asked in shop.asked if b"good-1" in asked))


def test_a_key_is_logged_as_its_bucket_and_never_raw(gateway: Gateway) -> None:
    """Neither a header nor a cookie nor a query that names a user is in any log; the same user has the same bucket."""
    with connected(gateway) as client:
        client.ask(request("split", "/a", "key-1", "X-User-ID: secret-user"))
        client.ask(request("split", "/b", "key-2", "X-User-ID: secret-user", "Authorization: Bearer secret-token"))
        client.ask(request("split", "/c?user=secret-query", "key-3", "Cookie: session=secret-cookie"))
        client.ask(request("split", "/d", "key-4"))
    buckets = [line_of(gateway, f"key-{number}")["bucket"] for number in range(1, 5)]

    assert buckets[0] == buckets[1] is not None
    assert buckets[2] not in {buckets[0], None}
    assert buckets[3] is None
    assert line_of(gateway, "key-4")["reason"] == "missing_key"
    assert "secret" not in gateway.stdout.read_text() + gateway.stderr.read_text()


def test_requests_of_one_connection_have_a_line_each(gateway: Gateway) -> None:
    """Pipelined requests are told apart by their IDs, in their order."""
    with connected(gateway) as client:
        client.send(b"".join(request("shop", f"/many/{number}", f"many-{number}") for number in range(20)))
        for _ in range(20):
            client.read()
    line_of(gateway, "many-19")
    mine = [line["target"] for line in lines(gateway) if line["request_id"].startswith("many-")]

    assert mine == [f"/many/{number}" for number in range(20)]


@pytest.mark.parametrize(
    ("host", "path", "status", "error"),
    [
        ("dead", "/", 502, "connect"),
        ("hasty", "/silence", 504, "timeout"),
        ("shop", "/nothing", 502, "reset"),
        ("shop", "/garbage", 502, "protocol"),
        ("shop", "/cut", 200, "reset"),
        ("shop", "/cut-chunks", 200, "reset"),
        ("hasty", "/stall", 200, "timeout"),
        ("nobody", "/", 404, "no_route"),
        ("shop", "/204", 204, None),
        ("shop", "/304", 304, None),
        ("shop", "/chunked", 200, None),
        ("shop", "/until-close", 200, None),
    ],
)
def test_every_way_to_fail_has_its_name(gateway: Gateway, host: str, path: str, status: int, error: str | None) -> None:
    """The status is the client's, the error what went wrong; an answer that was cut keeps the status it began with."""
    line = ask(gateway, host, path, f"fail-{host}{path.replace('/', '-')}")

    assert (line["status"], line["error"]) == (status, error)
    assert set(line) == FIELDS
    assert (line["route"] is None) == (error == "no_route")
    assert (line["header_ms"] is None) == (status in {404, 502, 504})
    assert line["duration_ms"] >= (line["header_ms"] or 0)


def test_a_backend_without_a_free_connection_is_named(gateway: Gateway, shop: Scripted) -> None:
    """The second request finds the only connection busy and is refused by the gateway."""
    shop.let_go.clear()
    with connected(gateway) as first:
        first.send(request("narrow", "/held", "narrow-1"))
        gateway.wait_until(lambda: is_asked(shop, b"narrow-1"))
        line = ask(gateway, "narrow", "/other", "narrow-2")
        shop.let_go.set()
        first.read()

    assert (line["status"], line["error"], line["backend"]) == (503, "overloaded", "narrow")
    assert (line["endpoint"], line["header_ms"]) == (None, None)
    assert line_of(gateway, "narrow-1")["error"] is None


def test_a_body_over_the_limit_is_logged_with_its_request(gateway: Gateway) -> None:
    """413 comes before any backend is asked, and the line says which request it was."""
    with connected(gateway) as client:
        client.send(b"POST /big HTTP/1.1\r\nHost: shop\r\nX-Request-ID: big-1\r\nContent-Length: 2000\r\n\r\n")
        assert client.read(b"POST").first == b"413"
    line = line_of(gateway, "big-1")

    assert (line["status"], line["error"], line["method"], line["target"]) == (413, "body_too_large", "POST", "/big")
    assert line["endpoint"] is None


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        (b"GET / HTTP/1.1\r\nHost: shop\r\nHost: shop\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: shop\r\nX-Long: " + b"x" * 4000 + b"\r\n\r\n", 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nHo", 408, "request_timeout"),
    ],
)
def test_bytes_that_never_became_a_request_have_a_line(gateway: Gateway, sent: bytes, status: int, error: str) -> None:
    """The ID in the problem document finds it; of the request only what its first line says is known."""
    with connected(gateway) as client:
        client.send(sent)
        answer = client.read()
    line = line_of(gateway, json.loads(answer.body)["request_id"])

    assert int(answer.first) == status
    assert (line["status"], line["error"]) == (status, error)
    assert set(line) == FIELDS
    assert {name for name in NEVER_A_REQUEST if line[name] is not None} <= {"method", "target"}
    assert (line["method"], line["target"]) == (("GET", "/") if sent.startswith(b"GET") else (None, None))
    assert line["bytes"] == len(answer.body)


def break_off(client: Client) -> None:
    """Reset the connection: to end only one's own direction would be to go on waiting."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def test_a_client_that_leaves_is_a_499(gateway: Gateway, shop: Scripted) -> None:
    """It left before it got an answer: the line says how long it waited, and for whom."""
    shop.let_go.clear()
    with connected(gateway) as client:
        client.send(request("shop", "/held", "left-1"))
        gateway.wait_until(lambda: is_asked(shop, b"left-1"))
        break_off(client)
    line = line_of(gateway, "left-1")
    shop.let_go.set()

    assert (line["status"], line["error"], line["bytes"]) == (499, "client_gone", 0)
    assert (line["route"], line["endpoint"], line["header_ms"]) == ("shop", shop.url, None)


def test_a_client_that_leaves_while_it_is_answered_is_named(gateway: Gateway) -> None:
    """The status had been sent; the error says that the answer did not arrive as a whole."""
    with connected(gateway) as client:
        client.send(request("shop", "/stall", "left-2"))
        wait_for(client, b"abc")
        break_off(client)
    line = line_of(gateway, "left-2")

    assert (line["status"], line["error"]) == (200, "client_gone")


def test_a_tunnel_has_one_line_when_it_is_over(gateway: Gateway) -> None:
    """With what it carried to the client, and for how long it was open."""
    with connected(gateway) as client:
        client.send(request("shop", "/tunnel", "tunnel-1", "Connection: Upgrade", "Upgrade: parrot"))
        wait_for(client, b"hi")
        client.send(b"polly")
        wait_for(client, b"polly")
        assert not any(line["request_id"] == "tunnel-1" for line in lines(gateway))
        client.end()
        client.read_rest()
    line = line_of(gateway, "tunnel-1")

    assert (line["status"], line["error"], line["bytes"]) == (101, None, len(b"hi" + b"polly" + b"bye"))
    assert line["duration_ms"] >= line["header_ms"] > 0


def wait_for(client: Client, end: bytes) -> None:
    """Read on until the bytes that have come end so."""
    received = b""
    while not received.endswith(end):
        part = client.socket.recv(65536)
        assert part, received
        received += part


def test_requests_that_a_drain_cuts_are_named(shop: Scripted, tmp_path: Path) -> None:
    """Whether waiting, being answered or in a tunnel: each has its line before the gateway has ended."""
    shop.let_go.clear()
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(Gateway(configure(shop), tmp_path))
        waiting, answered, tunnel = (stack.enter_context(connected(gateway)) for _ in range(3))
        waiting.send(request("shop", "/held", "cut-1"))
        answered.send(request("shop", "/stall", "cut-2"))
        tunnel.send(request("shop", "/tunnel", "cut-3", "Connection: Upgrade", "Upgrade: parrot"))
        wait_for(answered, b"abc")
        wait_for(tunnel, b"hi")
        gateway.wait_until(lambda: is_asked(shop, b"cut-1"))
        gateway.process.send_signal(signal.SIGTERM)
        assert waiting.read().first == b"503"
        gateway.process.wait(30)
    shop.let_go.set()
    cut = {line["request_id"]: (line["status"], line["error"]) for line in lines(gateway)}

    assert cut == {"cut-1": (503, "stopping"), "cut-2": (200, "stopping"), "cut-3": (101, "stopping")}


@pytest.mark.parametrize(("access_log", "logged"), [("errors", {"log-2", "log-3"}), ("off", set())])
def test_the_log_holds_what_it_is_told_to(shop: Scripted, tmp_path: Path, access_log: str, logged: set[str]) -> None:
    """`errors`: what failed, and what the gateway refused; `off`: nothing."""
    with Gateway(configure(shop, access_log), tmp_path) as gateway:
        for number, (host, path) in enumerate([("shop", "/"), ("shop", "/garbage"), ("nobody", "/")], 1):
            with connected(gateway) as client:
                client.ask(request(host, path, f"log-{number}"))
    assert {line["request_id"] for line in lines(gateway)} == logged


def test_a_reader_that_stops_reading_costs_lines_and_never_requests(tmp_path: Path) -> None:
    """Every request is answered; every line is read whole in the end, or counted as dropped."""
    with contextlib.ExitStack() as stack:
        ports = stack.enter_context(obedient(tmp_path / "obedient"))
        os.mkfifo(tmp_path / "gateway.out")
        reader = os.open(tmp_path / "gateway.out", os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(os.close, reader)
        text = configure_figures(ports).replace("workers: 2, access_log: off", "workers: 1, access_log: all")
        gateway = stack.enter_context(Gateway(text, tmp_path))
        with FigureLoad(gateway.port, mix(15_000), ports) as load:
            pass
        gateway.wait_until(lambda: total(gateway, "crossfade_access_log_dropped"))
        read = read_lines(gateway, reader, 15_000)
        dropped = total(gateway, "crossfade_access_log_dropped")

    assert (load.surprises, len(load.entries), len(read) + dropped) == ([], 15_000, 15_000)
    assert all(set(json.loads(line)) == FIELDS for line in read)


def test_lines_of_several_workers_do_not_mix(tmp_path: Path) -> None:
    """Through one pipe, whole and each once, but for one that a killed worker was writing and what it had not begun."""
    with contextlib.ExitStack() as stack:
        ports = stack.enter_context(obedient(tmp_path / "obedient"))
        os.mkfifo(tmp_path / "gateway.out")
        received = bytearray()
        reading = threading.Thread(target=read_on, args=(tmp_path / "gateway.out", received))
        reading.start()
        text = configure_figures(ports).replace("access_log: off", "access_log: all")
        gateway = stack.enter_context(Gateway(text, tmp_path))
        with FigureLoad(gateway.port, mix(12_000), ports) as load:
            load.wait_for(5_000)
            os.kill(gateway.pids("w0")[0], signal.SIGKILL)
    reading.join()
    written = received.split(b"\n")
    whole = [json.loads(line) for line in written if line.startswith(b"{") and line.endswith(b"}")]
    lost = load.answered_last(LOG_SECONDS).total()

    assert load.surprises == []
    assert len([line for line in written if line]) - len(whole) <= 1
    assert len({line["request_id"] for line in whole}) == len(whole)
    assert len(load.entries) - lost <= len(whole) <= len(load.entries) + len(load.broken)
    assert all(set(line) == FIELDS for line in whole)


def read_on(pipe: Path, received: bytearray) -> None:
    """Everything that comes out of a pipe until nobody writes to it any more."""
    with pipe.open("rb", buffering=0) as stream:
        while part := stream.read(1 << 16):
            received += part


def read_lines(gateway: Gateway, reader: int, count: int) -> list[bytes]:
    """All lines out of a pipe, until there are so many with those that were dropped."""
    received = bytearray()

    def are_all() -> bool:
        with contextlib.suppress(BlockingIOError):
            received.extend(os.read(reader, 1 << 20))
        return received.count(b"\n") + total(gateway, "crossfade_access_log_dropped") >= count

    gateway.wait_until(are_all)
    return received.splitlines()
