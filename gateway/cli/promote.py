"""`crossfade promote`: the next stage is approved."""

from __future__ import annotations

from gateway.cli.steering import build

command = build(
    "promote",
    "Approve ROLLOUT's next stage.",
)
