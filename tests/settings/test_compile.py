from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.core import types
from gateway.core.shadowing import Compare, Journal, Shadow, Tolerance
from gateway.core.tokens import TokenPolicy
from gateway.core.types import Arm, Hash, HeaderPattern, KeyKind, KeySource, MissingKey, Mode
from gateway.settings.compile import Switches, compile_table
from gateway.settings.load import load_file, load_text
from tests.core.signing import make_key, publish

SAMPLES = sorted((Path(__file__).parents[2] / "config").rglob("*.yaml"))
TEXT = """\
version: 1
server:
  trusted_proxies: 10.0.0.1
  override: {from: [10.0.0.0/8], token: secret}
  expose: true
  access_log: all
  limits: {body: 1MiB}
  timeouts: {drain: 5s}
backends:
  legacy: [http://127.0.0.1:9001, https://a]
  new:
    {endpoints: http://127.0.0.1:9002, health: {interval: 1s}, eject: {for: 1m}, connections: 7, tls: {verify: false}}
rollouts:
  fade:
    mode: live
    key: [header:X-User-ID+path:tenant, client_ip]
    on_missing_key: cookie
    cohorts:
      - {name: staff, arm: candidate, when: {header:X-Role: [staff, "admin-*"], client_ip: 10.*}}
      - {name: beta, percent: 50%, when: {cookie:beta: "1"}}
    percent: 20
routes:
  - name: a
    match: {path: ["/a/{tenant}/**"], host: "*.Example.com", methods: GET, headers: {X-Beta: "1"}}
    baseline: legacy
    candidate: new
    rollout: fade
    paths: "/a/{tenant}"
    rewrite: {path: "/b/{tenant}/**", headers: {set: {X-A: b}, remove: X-C}}
  - name: b
    match: [/b, /c]
    baseline: new
    candidate: legacy
    rollout: {key: client_ip, hash: unleash, salt: s}
    failover: {on: [connect, 503], methods: PUT, buffer: 1KiB}
    breaker: off
    shadow:
      percent: 5%
      methods: [GET, POST]
      direction: both
      body: 64KiB
      concurrency: 8
      timeout: 2s
      compare:
        status: false
        headers: ETag
        ignore: [$.at]
        unordered: $.items
        tolerance: {$.price: 0.01, $..score: 1%}
        noise: 3%
        redact: $..email
        samples: 2
    journal: {methods: POST, body: 1KiB, keep: 1h, size: 2MiB, when_full: drop}
  - {name: rest, match: /**, backend: legacy, rewrite: {path: /x/**}}
"""


def compile_text(switches: Switches | None = None) -> types.Table:
    """The table of the text above."""
    loaded = load_text(TEXT, "gateway.yaml", {}, Path())
    return compile_table(loaded.config, loaded.revision, switches or Switches(), Path())


def test_the_server_becomes_its_policy() -> None:
    """What a reload changes is in the table, in seconds, bytes and canonical networks."""
    server = compile_text().server

    assert (server.trusted_proxies, server.override) == (("10.0.0.1/32",), types.Override(("10.0.0.0/8",), "secret"))
    assert (server.expose, server.access_log) == (True, types.AccessLog.ALL)
    assert server.limits == types.Limits(32768, 100, 1 << 20, 10000)
    assert server.timeouts == types.ClientTimeouts(10, 75, 5)


def test_backends_become_endpoints_with_all_defaults() -> None:
    """Short and long form end in the same kind of value."""
    legacy, new = compile_text().backends

    assert [endpoint.authority for endpoint in legacy.endpoints] == ["127.0.0.1:9001", "a"]
    assert (legacy.health, legacy.eject, legacy.connections) == (None, types.Eject(5, 30), 1024)
    assert new.health == types.Health("/healthz", 1, 2, 3, 2)
    assert (new.eject, new.tls, new.connections) == (types.Eject(5, 60), types.BackendTls(None, verify=False), 7)
    assert new.timeouts == types.BackendTimeouts(1, 30, 60, 3600)


def test_rollouts_are_collected_from_both_places() -> None:
    """Those under `rollouts` come first, one written within a route has the route's name."""
    fade, inline = compile_text().rollouts

    assert (fade.name, fade.salt, fade.hash, fade.percent, fade.mode) == ("fade", "fade", Hash.MURMUR3, 20, Mode.LIVE)
    assert fade.on_missing_key is MissingKey.COOKIE
    assert fade.key == (
        (KeySource(KeyKind.HEADER, "X-User-ID"), KeySource(KeyKind.PATH, "tenant")),
        (KeySource(KeyKind.CLIENT_IP),),
    )
    assert (inline.name, inline.salt, inline.hash, inline.percent) == ("b", "s", Hash.UNLEASH, 0)


def test_cohorts_keep_their_order_and_conditions() -> None:
    """One has an arm, the other a floor."""
    staff, beta = compile_text().rollouts[0].cohorts

    assert (staff.arm, staff.percent, beta.arm, beta.percent) == (Arm.CANDIDATE, None, None, 50)
    assert [condition.patterns for condition in staff.when] == [("staff", "admin-*"), ("10.*",)]


def test_routes_keep_their_order_and_conditions() -> None:
    """Names of hosts and headers are lower-case; a bare value is a list of one."""
    first, second, last = compile_text().routes

    assert first.match == types.Match(
        ("/a/{tenant}/**",), ("*.example.com",), ("GET",), (HeaderPattern("x-beta", ("1",)),)
    )
    assert (first.baseline, first.candidate, first.rollout, first.paths) == ("legacy", "new", "fade", ("/a/{tenant}",))
    assert (second.match.paths, second.rollout) == (("/b", "/c"), "b")
    assert (last.baseline, last.candidate, last.rollout) == ("legacy", None, None)


def test_a_rewrite_is_the_candidates_where_there_is_one() -> None:
    """Without `arm` it means the candidate, and in a route with one backend that backend's requests."""
    first, _, last = compile_text().routes

    assert first.rewrites == (types.Rewrite(Arm.CANDIDATE, "/b/{tenant}/**", (("X-A", "b"),), ("X-C",)),)
    assert last.rewrites == (types.Rewrite(Arm.BASELINE, "/x/**"),)


def test_routes_with_a_candidate_fail_over_and_have_a_breaker() -> None:
    """With `protocol` where `reset` is listed; `off` is none, and so is a route with one backend."""
    first, second, rest = compile_text().routes

    assert first.failover == types.Failover(
        kinds=frozenset({"connect", "timeout", "reset", "protocol"}),
        statuses=frozenset({500, 502, 503, 504}),
        methods=frozenset({"GET", "HEAD", "OPTIONS"}),
        budget=20.0,
        buffer_bytes=65536,
    )
    assert first.breaker == types.Breaker(10, 10.0)
    assert second.failover == types.Failover(frozenset({"connect"}), frozenset({503}), frozenset({"PUT"}), 20.0, 1024)
    assert (second.breaker, rest.failover, rest.breaker) == (None, None, None)


def test_what_is_copied_and_kept_is_in_the_table() -> None:
    """In seconds, bytes and percentages; a relative tolerance is a share of the baseline's number."""
    first, second, rest = compile_text().routes

    assert second.shadow == Shadow(
        percent=5.0,
        methods=frozenset({"GET", "POST"}),
        both=True,
        body_bytes=65536,
        concurrency=8,
        timeout_seconds=2.0,
        compare=Compare(
            status=False,
            headers=("ETag",),
            ignore=("$.at",),
            unordered=("$.items",),
            tolerances=(Tolerance("$.price", 0.01), Tolerance("$..score", 0.01, is_relative=True)),
            noise=3.0,
            redact=("$..email",),
            samples=2,
        ),
    )
    assert second.journal == Journal(frozenset({"POST"}), 1024, 3600.0, 2 << 20, drops_when_full=True)
    assert (first.shadow, first.journal, rest.shadow, rest.journal) == (None,) * 4


def test_switches_are_in_the_table() -> None:
    """A cap bounds the percentage, a rollback is marked."""
    fade, inline = compile_text(Switches(frozenset({"b"}), {"FADE": 3.0})).rollouts

    assert (fade.percent, fade.cap, fade.killed) == (3, 3, False)
    assert (inline.percent, inline.cap, inline.killed) == (0, 100, True)


def test_the_authorities_file_is_absolute(certificates: Path) -> None:
    """Workers find it wherever they run."""
    text = TEXT.replace("tls: {verify: false}", "tls: {ca: ca.pem}")
    loaded = load_text(text, "gateway.yaml", {}, certificates)

    table = compile_table(loaded.config, loaded.revision, Switches(), certificates)

    assert table.backends[1].tls.ca == str(certificates / "ca.pem")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_becomes_a_table_that_can_be_sent(path: Path, certificates: Path) -> None:
    """The table survives the way to a worker unchanged."""
    loaded = load_file(path, {"CERTIFICATES": str(certificates)})
    table = compile_table(loaded.config, loaded.revision, Switches(), path.parent)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(table), type=types.Table) == table
    assert table.revision == loaded.revision


def test_tokens_are_verified_by_the_file(tmp_path: Path) -> None:
    """What `jwt` says, with the keys; nothing of it without."""
    (tmp_path / "keys.json").write_bytes(publish(make_key()))
    jwt = "jwt: {jwks: keys.json, issuer: https://id, audience: shop, leeway: 5s, algorithms: ES256}\n"
    loaded = load_text(TEXT + jwt, "gateway.yaml", {}, tmp_path)
    policy = compile_table(loaded.config, "r", Switches(), tmp_path).tokens

    assert policy is not None
    assert policy == TokenPolicy(
        str(tmp_path / "keys.json"), ("ES256",), policy.keys, "https://id", "shop", 5.0, refresh_seconds=600.0
    )
    assert [key.kid for key in policy.keys] == ["first"]
