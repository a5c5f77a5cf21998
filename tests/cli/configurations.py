"""A small configuration for tests of commands, and how it gets into a file."""

from __future__ import annotations

from pathlib import Path

SHOP = """\
version: 1
backends:
  legacy: http://127.0.0.1:9001
  new: http://127.0.0.1:9002
rollouts:
  checkout:
    mode: live
    key: [header:X-User-ID, cookie:session]
    percent: 5
routes:
  - name: orders
    match: /api/orders/**
    baseline: legacy
    candidate: new
    rollout: checkout
    rewrite: {path: /v2/orders/**, arm: candidate}
  - name: rest
    match: {host: "*.example.com"}
    backend: legacy
"""


def write(folder: Path, text: str, name: str = "gateway.yaml") -> Path:
    """The configuration as a file."""
    path = folder / name
    path.write_text(text)
    return path
