"""A gateway in the middle of its life, as its metrics see it: one of everything."""

from __future__ import annotations

from typing import Any

from gateway.core import types
from gateway.core.figures import Answer, Exemplar, PathFigures, Subject, duration_bucket
from gateway.core.histogram import bucket_of
from gateway.core.shadowing import Compare, Journal, Shadow
from gateway.core.types import Arm, KeyKind, KeySource, MissingKey, Mode
from gateway.telemetry.snapshot import OPERATOR, FleetLevel, RolloutLevel, RuleLevel, Snapshot

STARTED_AT = 1_770_000_000.0
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
ODD_PATH = '/a"quoted"/back\\slash/{id}'

TIMEOUTS = types.BackendTimeouts(connect=1, response=30, idle=60, tunnel=3600)
HEALTH = types.Health("/healthz", interval=5, timeout=2, unhealthy_after=3, healthy_after=2)


def backend(name: str, port: int, health: types.Health | None = None) -> types.Backend:
    endpoint = types.Endpoint(f"http://127.0.0.1:{port}", "127.0.0.1", port)
    return types.Backend(name, (endpoint,), TIMEOUTS, connections=1024, eject=None, health=health)


def rollout(name: str = "shop", **fields: Any) -> types.Rollout:
    given: dict[str, Any] = {
        "mode": Mode.LIVE,
        "key": ((KeySource(KeyKind.HEADER, "X-User-ID"),),),
        "on_missing_key": MissingKey.BASELINE,
        "salt": name,
        "hash": types.Hash.MURMUR3,
        "cohorts": (),
        "percent": 25.0,
    }
    return types.Rollout(name=name, **{**given, **fields})


def cohort(name: str, **fields: Any) -> types.Cohort:
    return types.Cohort(name, (types.Condition(KeySource(KeyKind.HEADER, "X-Tenant-ID"), ("acme",)),), **fields)


def table(
    rollouts: tuple[types.Rollout, ...] = (),
    routes: tuple[types.Route, ...] = (),
    *,
    override: types.Override | None = None,
    health: types.Health | None = None,
) -> types.Table:
    server = types.ServerPolicy(
        trusted_proxies=(),
        override=override or types.Override((), ""),
        expose=False,
        access_log=types.AccessLog.OFF,
        limits=types.Limits(header_bytes=32 << 10, header_count=100, body=0, connections=10_000),
        timeouts=types.ClientTimeouts(header=10, idle=75, drain=30),
    )
    return types.Table("r1", server, (backend("legacy", 9001), backend("new", 9002, health)), rollouts, routes)


def split_route(name: str = "orders", *paths: str, rollout_name: str = "shop", **fields: Any) -> types.Route:
    return types.Route(name, types.Match((f"/{name}/**",)), "legacy", "new", rollout_name, paths, **fields)


JOURNAL = Journal(frozenset({"POST"}), 1 << 18, 3600.0, 1 << 30, drops_when_full=False)


def shadow(**compare: Any) -> Shadow:
    """Ten percent of the reads, compared by status and body, or as is given."""
    policy = Compare(**{"status": True, "headers": (), **compare})
    return Shadow(10.0, frozenset({"GET", "HEAD"}), False, 1 << 18, 64, 10.0, policy)


def figures(
    *answers: tuple[str, str, int, str], latency: float = 0.012, traced: bool = False, **fields: Any
) -> PathFigures:
    """One request for each of ``answers`` (backend, method, code, reason), each so quick."""
    counted = PathFigures(**fields)
    for answer in answers:
        named = Answer(*answer)
        counted.answers[named] = counted.answers.get(named, 0) + 1
        counted.durations[duration_bucket(latency * 2)] += 1
        counted.duration_seconds += latency * 2
        counted.latencies[bucket_of(latency)] = counted.latencies.get(bucket_of(latency), 0) + 1
        counted.latency_seconds += latency
    if traced:
        exemplar = Exemplar(TRACE_ID, latency * 2, STARTED_AT + 7)
        counted.exemplars[duration_bucket(latency * 2)] = exemplar
    return counted


def subject(route: str, path: str, arm: Arm | str, *, is_forced: bool = False) -> Subject:
    return Subject(route, path, str(arm), is_forced)


def snapshot(**fields: Any) -> Snapshot:
    """A gateway that has just started and knows no table; what differs is given."""
    given: dict[str, Any] = {
        "totals": {},
        "table": None,
        "rollouts": [],
        "reloads": {},
        "last_reload_ok": True,
        "revision": "r1",
        "connections": {},
        "in_flight": 0,
        "workers": {},
        "endpoints": {},
        "dropped": {},
        "version": "1.2.3",
        "started_at": STARTED_AT,
    }
    return Snapshot(**{**given, **fields})


def rich_snapshot() -> Snapshot:
    """One of everything, odd labels among them."""
    baseline = ("legacy", "GET", 200, "split")
    candidate = ("new", "GET", 200, "split")
    failed = ("new", "POST", 502, "cohort:beta")
    whole = table(
        (
            rollout(cohorts=(cohort("beta", percent=50.0), cohort('q"uo\\te', arm=Arm.BASELINE))),
            rollout("off", mode=Mode.OFF),
        ),
        (
            split_route("orders", "/orders/{id}", ODD_PATH, shadow=shadow(), journal=JOURNAL),
            split_route("held", "/held", rollout_name="off"),
            types.Route("rest", types.Match(), "legacy"),
        ),
        override=types.Override(("127.0.0.0/8",), ""),
        health=HEALTH,
    )
    totals = {
        subject("orders", "/orders/{id}", Arm.BASELINE): figures(baseline, baseline, client_errors=1),
        subject("orders", "/orders/{id}", Arm.CANDIDATE): figures(
            candidate,
            failed,
            traced=True,
            errors={"reset": 1},
            failovers={"reset": 1},
            copies={("match", ""): 7, ("mismatch", ""): 2, ("skipped", "body_size"): 1},
        ),
        subject("orders", "/orders/{id}", Arm.CANDIDATE, is_forced=True): figures(("new", "GET", 200, "override")),
        subject("orders", ODD_PATH, Arm.BASELINE): figures(baseline, latency=30.0),
        subject("rest", "/line\nfeed/ü", Arm.BASELINE): figures(("legacy", "M-SEARCH", 404, "no_rollout")),
        subject("", "", ""): figures(("", "GET", 404, "")),
    }
    return snapshot(
        totals=totals,
        table=whole,
        rollouts=[RolloutLevel("shop", 25.0, "running"), RolloutLevel("off", 0.0, "running")],
        rules=[
            RuleLevel("shop", "error_rate > 5% for 1m", -1, 0.12, 0.05, is_guard=True),
            RuleLevel("shop", 'sum(up{job="a\\b"}) < 1', 0, None, None, is_guard=False),
        ],
        rollbacks={("shop", "error_rate > 5% for 1m"): 2, ("shop", OPERATOR): 1},
        reloads={"success": 3, "failure": 1},
        last_reload_ok=False,
        connections={"client": 12, "backend": 8},
        in_flight=4,
        workers={"ready": 1, "missing": 1},
        endpoints={"legacy": {"http://127.0.0.1:9001": True}, "new": {"http://[::1]:9002": False}},
        dropped={"access_log": 5, "link": 1},
        journal_bytes={"orders": 1234},
        fleet=FleetLevel({"ready": 2, "silent": 1}, 2, "leader", is_store_up=True),
    )
