"""A call knows who makes it, and what it may see."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.admin.control import OPERATOR_HEADER, compute
from gateway.admin.problems import Declined
from tests.admin.desk import desk
from tests.control.texts import GOOD

PERCENT = "/api/v1/rollouts/shop/percent"


@pytest.mark.parametrize(
    ("shown", "name"),
    [("ada", "ada"), ("", "127.0.0.1"), ("x" * 101, "127.0.0.1"), ("\u00fcmit", "127.0.0.1")],
)
async def test_the_audit_log_has_the_name_that_a_caller_gives_or_its_address(
    tmp_path: Path, shown: str, name: str
) -> None:
    """A name that is not sane is none."""
    async with desk(tmp_path) as (made, client):
        await client.put(PERCENT, json={"percent": 7}, headers={OPERATOR_HEADER: shown} if shown else {})

        (event,) = await made.store.events(rollout="shop")
        assert (event.actor.type, event.actor.name) == ("operator", name)


async def test_before_the_first_configuration_there_is_no_table(tmp_path: Path) -> None:
    """503, not a crash."""
    async with desk(tmp_path, None) as (made, client):
        with pytest.raises(Declined, match="no configuration"):
            _ = made.control.table
        assert (await client.get("/api/v1/routes")).status == 503


async def test_metrics_are_open_when_the_configuration_in_force_says_so(tmp_path: Path) -> None:
    """A reload changes that, too."""
    async with desk(tmp_path) as (made, _):
        assert "/metrics" not in made.control.open_paths
        await made.load(GOOD.replace("admin: {", "admin: {metrics: open, "))
        assert "/metrics" in made.control.open_paths


async def test_a_worker_that_lags_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changed something learns that it is not everywhere yet."""
    monkeypatch.setattr("gateway.admin.control.APPLY_SECONDS", 0.01)
    async with desk(tmp_path) as (made, client):
        made.applies = False
        reply = await client.put(PERCENT, json={"percent": 7})

        assert reply.status == 503
        assert "worker 0 does not serve the newest table yet" in reply.json["detail"]
        assert made.rollouts.state("shop").percent == 7


async def test_what_takes_long_is_computed_off_the_loop() -> None:
    """With its arguments, and its errors."""
    assert await compute(max, 1, 2) == 2
    with pytest.raises(ZeroDivisionError):
        await compute(divmod, 1, 0)
