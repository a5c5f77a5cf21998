"""Who may choose the arm of a request."""

from __future__ import annotations

import pytest

from gateway.core.overrides import Overrides
from gateway.core.types import Arm, Override
from tests.core.asking import BASELINE, CANDIDATE, ask

OVERRIDES = Overrides(Override(("10.0.0.0/8",), "s3cret"))


@pytest.mark.parametrize(
    ("fields", "peer", "arm"),
    [
        (("X-Crossfade-Arm: candidate",), "10.1.1.1", CANDIDATE),
        (("X-Crossfade-Arm: Baseline",), "10.1.1.1", BASELINE),
        (("X-Crossfade-Arm: candidate",), "11.1.1.1", None),
        (("X-Crossfade-Arm: candidate", "X-Crossfade-Token: s3cret"), "11.1.1.1", CANDIDATE),
        (("X-Crossfade-Arm: candidate", "X-Crossfade-Token: wrong"), "11.1.1.1", None),
        (("X-Crossfade-Arm: candidate", "X-Forwarded-For: 10.1.1.1"), "11.1.1.1", None),
        (("X-Crossfade-Arm: both",), "10.1.1.1", None),
        ((), "10.1.1.1", None),
    ],
)
def test_an_override_needs_the_right_peer_or_the_token(fields: tuple[str, ...], peer: str, arm: Arm | None) -> None:
    """Anybody else's header is as if it were not there."""
    assert OVERRIDES.read(ask("/", *fields), peer) is arm


def test_no_token_configured_lets_nobody_in() -> None:
    """An empty token is none, not one that everybody knows."""
    request = ask("/", "X-Crossfade-Arm: candidate", "X-Crossfade-Token: ")

    assert Overrides(Override((), "")).read(request, "127.0.0.1") is None
