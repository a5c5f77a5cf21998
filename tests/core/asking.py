"""Requests and tables in a line, for tests that ask what becomes of them."""

from __future__ import annotations

from typing import Any

from gateway.core.heads import RequestHead, parse_request
from gateway.core.types import (
    AccessLog,
    Arm,
    ClientTimeouts,
    Hash,
    KeyChain,
    KeyKind,
    KeySource,
    Limits,
    Match,
    MissingKey,
    Mode,
    Override,
    Rollout,
    Route,
    ServerPolicy,
    Table,
)

USER = KeySource(KeyKind.HEADER, "X-User-ID")
PEER = "203.0.113.9"


def ask(target: str | bytes = "/", *fields: str, method: str = "GET", host: str = "example.com") -> RequestHead:
    """A request as the parser gives it to the decision; fields are lines: ``X-User-ID: 7``."""
    raw = target if isinstance(target, bytes) else target.encode()
    lines = "".join(f"{field}\r\n" for field in (f"Host: {host}", *fields))
    return parse_request(method.encode() + b" " + raw + b" HTTP/1.1\r\n" + lines.encode() + b"\r\n")


def source(text: str) -> KeySource:
    """``header:X-User-ID`` as the configuration writes it."""
    kind, _, name = text.partition(":")
    return KeySource(KeyKind(kind), name)


def chain(*alternatives: str) -> KeyChain:
    """Alternatives in order, ``a+b`` for joint ones."""
    return tuple(tuple(source(part) for part in alternative.split("+")) for alternative in alternatives)


def rollout(percent: float = 50, **changes: Any) -> Rollout:
    """A live rollout by ``X-User-ID``."""
    fields: dict[str, Any] = {
        "name": "checkout",
        "mode": Mode.LIVE,
        "key": ((USER,),),
        "on_missing_key": MissingKey.BASELINE,
        "salt": "checkout",
        "hash": Hash.MURMUR3,
        "cohorts": (),
        "percent": percent,
    }
    return Rollout(**fields | changes)


def route(name: str = "orders", path: str = "/**", **changes: Any) -> Route:
    """A route of that rollout."""
    fields: dict[str, Any] = {
        "name": name,
        "match": Match((path,)),
        "baseline": "legacy",
        "candidate": "new",
        "rollout": "checkout",
    }
    return Route(**fields | changes)


def table(*routes: Route, rollouts: tuple[Rollout, ...] = (), override: Override | None = None) -> Table:
    """A table of these routes, behind a proxy on the loopback."""
    policy = ServerPolicy(
        ("127.0.0.0/8",),
        override or Override((), ""),
        expose=False,
        access_log=AccessLog.OFF,
        limits=Limits(32768, 100, 0, 100),
        timeouts=ClientTimeouts(1, 1, 1),
    )
    return Table("test", policy, (), rollouts or (rollout(),), routes)


BASELINE, CANDIDATE = Arm.BASELINE, Arm.CANDIDATE
