"""The configurations that the processes' tests run with."""

from __future__ import annotations

from typing import Protocol


class Served(Protocol):
    """Whatever answers at a URL."""

    @property
    def url(self) -> str:
        """As a configuration names it."""


def split(baseline: Served, candidate: Served, percent: float = 0, workers: int = 2, drain: str = "10s") -> str:
    """Everything split by user between two servers."""
    return f"""\
version: 1
server: {{listen: 127.0.0.1:0, workers: {workers}, timeouts: {{drain: {drain}}}, expose: true}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {baseline.url}, new: {candidate.url}}}
rollouts: {{shop: {{key: [header:X-User-ID, client_ip], percent: {percent}}}}}
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""
