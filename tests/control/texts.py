"""Small configurations, and where they come from."""

from __future__ import annotations

from pathlib import Path

from gateway.control.configuration import Source
from gateway.settings.compile import Switches
from gateway.settings.load import load_text

GOOD = """\
version: 1
admin: {listen: 127.0.0.1:0, token: "${TOKEN:-}"}
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:2}
rollouts: {shop: {key: client_ip, percent: 5}}
routes: [{name: shop, match: /**, baseline: legacy, candidate: new, rollout: shop}]
"""
OTHER = GOOD.replace("percent: 5", "percent: 6")
BROKEN = GOOD.replace("percent: 5", "percent: 500")


def source(folder: Path, started_with: str = GOOD, **env: str) -> Source:
    """Where the text came from that the gateway was started with."""
    path = folder / "gateway.yaml"
    return Source(path, env, Switches.from_env(env), load_text(started_with, str(path), env, folder).config)
