"""`crossfade start`: a plan begins with its first stage."""

from __future__ import annotations

from gateway.cli.steering import build

command = build(
    "start",
    "Begin ROLLOUT's plan with its first stage.",
)
