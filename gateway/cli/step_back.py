"""`crossfade step-back`: back to the stage before."""

from __future__ import annotations

from gateway.cli.steering import build

command = build(
    "step-back",
    "Take ROLLOUT back to the stage before; from the first stage, or a fixed percentage, to 0 %.",
)
