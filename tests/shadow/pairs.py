"""Pairs of answers, with as little around them as need be."""

from __future__ import annotations

from typing import Any

from gateway.core.shadowing import Compare, Pair, Reply, Tolerance

POLICY = Compare(
    status=True,
    headers=("Content-Type", "Location", "Cache-Control"),
    ignore=("$.timestamp", "$..request_id"),
    unordered=("$.tags",),
    tolerances=(Tolerance("$.price", 0.01), Tolerance("$..score", 0.01, is_relative=True)),
    redact=("$..password", "$..email", "$.user.token"),
)


def reply(body: bytes, *fields: str, status: int = 200) -> Reply:
    """An answer; JSON unless ``fields`` (``Name: value``) say otherwise."""
    lines = [f"HTTP/1.1 {status} Whatever", "Date: Mon, 01 Jan 2024 00:00:00 GMT", *fields]
    if not any(field.lower().startswith("content-type:") for field in fields):
        lines.append("Content-Type: application/json")
    return Reply(status, "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"), body)


def pair(baseline: Reply, other: Reply, **changes: Any) -> Pair:
    """Two answers to the same request."""
    told = {"route": "shop", "path": "/orders/{id}", "method": "GET", "request_id": "r-1", "time": 1_700_000_000.0}
    return Pair(**{**told, **changes}, baseline=baseline, other=other)
