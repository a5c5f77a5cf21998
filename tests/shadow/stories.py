"""Stories told through a comparer: answers as JSON in, what it says of them out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from gateway.core.shadowing import Compare, Pair, Reply, Shadow
from gateway.core.tallies import FieldTally, PathTally
from gateway.core.types import (
    AccessLog,
    ClientTimeouts,
    Limits,
    Match,
    Override,
    Route,
    ServerPolicy,
    Table,
)
from gateway.shadow.comparer import Comparer

HEAD = b"Content-Type: application/json\r\n"
POLICY = Compare(status=True, headers=("Content-Type",), noise=10.0)
SILENT = Compare(status=True, headers=("Content-Type",))
"""Without twins."""


def reply_of(body: Any, status: int = 200) -> Reply:
    """An answer with this body as JSON."""
    return Reply(status, HEAD, json.dumps(body).encode())


def route_of(name: str, policy: Compare | None) -> Route:
    """A route that is copied under this policy; None: it is not."""
    shadow = None
    if policy is not None:
        shadow = Shadow(
            100.0,
            frozenset({"GET"}),
            both=False,
            body_bytes=1 << 18,
            concurrency=64,
            timeout_seconds=10.0,
            compare=policy,
        )
    return Route(name, Match(paths=(f"/{name}/**",)), "legacy", "new", name, shadow=shadow)


def table_of(**policies: Compare | None) -> Table:
    """A table with these routes."""
    server = ServerPolicy(
        trusted_proxies=(),
        override=Override((), ""),
        expose=False,
        access_log=AccessLog.OFF,
        limits=Limits(header_bytes=32 << 10, header_count=100, body=0, connections=100),
        timeouts=ClientTimeouts(header=10, idle=75, drain=30),
    )
    return Table("r1", server, (), (), tuple(route_of(name, policy) for name, policy in policies.items()))


class Story:
    """A comparer, and pairs that come to it one second after the other."""

    def __init__(self, policy: Compare = POLICY) -> None:
        self.comparer = Comparer()
        self.comparer.adopt(table_of(orders=policy))
        self.now = 1_000.0

    def pair(self, baseline: Any, other: Any, **changes: Any) -> None:
        """Two answers; ``changes`` as `Pair` names them."""
        self.now += 0.01
        one, two = (each if isinstance(each, Reply) else reply_of(each) for each in (baseline, other))
        fields = {"route": "orders", "path": "/orders/{id}", "method": "GET", "request_id": f"r-{self.now:.2f}"}
        self.comparer.take(Pair(**{**fields, "time": self.now, "baseline": one, "other": two, **changes}))

    def twin(self, one: Any, two: Any, **changes: Any) -> None:
        """Two answers of the baseline."""
        self.pair(one, two, is_twin=True, **changes)

    def twins(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        """Several of them."""
        for one, two in pairs:
            self.twin(one, two)

    def results(self, path: str = "/orders/{id}") -> dict[str, int]:
        """What came of the path's pairs since the last time: result, or with a reason ``result/reason``."""
        copies: dict[str, int] = {}
        for counted in self.comparer.take_counts():
            assert (counted.subject.arm, counted.subject.is_forced) == ("candidate", False)
            if counted.subject.path == path:
                copies = {f"{result}/{reason}".rstrip("/"): n for (result, reason), n in counted.figures.copies.items()}
        return copies

    def tallies(self) -> dict[str, PathTally]:
        """What was found since the last time, by path."""
        return {tally.path: tally for tally in self.comparer.take_tallies()}

    def fields(self, path: str = "/orders/{id}") -> dict[tuple[str, str], FieldTally]:
        """The same of one path's fields."""
        return self.tallies()[path].fields
