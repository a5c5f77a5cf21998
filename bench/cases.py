"""What is asked of every proxy: the cases of the comparison, by name."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load. The other fields are what differs from a small GET over 64 connections."""

    name: str
    title: str
    headers: int = 12
    """2: Host and the user's key; 12: as a browser sends them."""
    method: str = "GET"
    path: str = "/api/orders/7"
    body_bytes: int = 0
    answer_bytes: int = 0
    """Of a download; 0 for the small JSON answer. Downloads are counted by bytes, not by answers that are complete."""
    connections: int = 64
    routes: int = 0
    """How many routes the proxy knows, all in use; 0: one route for everything."""
    tls: bool = False
    least_seconds: float = 0
    """A turn lasts at least so long, where a shorter one would say little."""
    pause_ms: int = 0
    """How long a connection waits on average before each request; 0: the load is a closed loop."""

    @property
    def users(self) -> int:
        """Different users among the requests, bounded because wrk holds each one's request in memory."""
        return max(4, min(1000, 16 * MIB // max(1, self.body_bytes)))


CASES = {
    case.name: case
    for case in (
        Case("get-2", "GET, 2 headers", headers=2),
        Case("get-12", "GET, 12 headers"),
        Case("post-1k", "POST 1 KiB", method="POST", path="/post", body_bytes=KIB),
        Case("post-100k", "POST 100 KiB", method="POST", path="/post", body_bytes=100 * KIB),
        Case("download-1m", "download 1 MiB", path="/files/1mib", answer_bytes=MIB, connections=8),
        Case("download-1g", "download 1 GiB", path="/files/1gib", answer_bytes=GIB, connections=2, least_seconds=8),
        Case("connections-1024", "GET, 1,024 connections", connections=1024, least_seconds=6),
        Case("routes-10", "GET, 10 routes", routes=10),
        Case("routes-10000", "GET, 10,000 routes", routes=10_000),
        Case("tls", "GET over TLS", tls=True),
    )
}
