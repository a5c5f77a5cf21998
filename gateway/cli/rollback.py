"""`crossfade rollback`: everybody back to the baseline, at once."""

from __future__ import annotations

from gateway.cli.steering import TO, build

command = build(
    "rollback",
    "Take ROLLOUT back to 0 %, at once.",
    TO,
)
