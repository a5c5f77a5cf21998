"""`crossfade pause`: a plan stops where it is; guards go on."""

from __future__ import annotations

from gateway.cli.steering import build

command = build(
    "pause",
    "Stop ROLLOUT's plan where it is: share and cohorts stay, the hold stands still, guards go on.",
)
