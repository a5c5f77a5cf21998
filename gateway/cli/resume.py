"""`crossfade resume`: a plan goes on, or begins anew after a rollback."""

from __future__ import annotations

from gateway.cli.steering import build

command = build(
    "resume",
    "Go on with ROLLOUT after a pause; after a rollback, begin anew once its cooldown is over.",
)
