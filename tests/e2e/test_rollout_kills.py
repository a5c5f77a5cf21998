"""Whatever is killed in the middle of a transition, a rollout is on one of its two sides."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Start
from tests.e2e.killing import CONFIGURATION, Killing
from tests.e2e.servers import Server


@pytest.mark.parametrize("seed", [1, 2])
def test_no_kill_leaves_a_third_state(start_gateway: Start, nginx: Server, seed: int) -> None:
    """The log has all that was confirmed, without a gap, and ends where the rollout and its users are."""
    killing = Killing(start_gateway(CONFIGURATION.format(url=nginx.url)), seed)
    killing.run(8)

    assert killing.killed.total() == 8
    assert 8 < killing.confirmed <= killing.transitions
