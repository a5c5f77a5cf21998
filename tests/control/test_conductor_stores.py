"""What keeps users from harm happens whatever the store does, and what the store knows comes first again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.control.figures import Figures
from gateway.core.lifecycle import Action, Progress, State
from gateway.core.plans import Do, Stage
from gateway.errors import WrongAction
from gateway.store.records import Event, Incident, NewEvent
from gateway.store.sqlite import SqliteStore
from tests.control.gateway import ADA, Gateway


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the store is."""
    return tmp_path


class StuckStore(SqliteStore):
    """A disk that stands still for as long as it is told to."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.moves = asyncio.Event()
        self.moves.set()

    async def commit(
        self,
        rollout: str,
        progress: Progress,
        event: NewEvent,
        incident: Incident | None = None,
        *,
        fence: int | None = None,
    ) -> Event:
        """As soon as it moves."""
        await self.moves.wait()
        return await super().commit(rollout, progress, event, incident, fence=fence)


async def test_a_rollback_overtakes_what_waits_for_a_disk_that_stands_still(folder: Path) -> None:
    """An operator's percentage, of which nothing is in force then, or later."""
    gateway = Gateway(folder, ("error_rate > 20% for 5s", Do.ROLLBACK))
    gateway.store = store = StuckStore(str(folder / "state.db"))
    gateway.start()
    await gateway.begin()
    await gateway.live(2)
    store.moves.clear()
    wish = asyncio.ensure_future(gateway.rollouts.act("shop", Action.SET, reason="", actor=ADA, percent=80))
    await asyncio.sleep(0)

    await gateway.live(1, errors=100)
    assert gateway.share == 0

    store.moves.set()
    assert (await wish).state == "rolled_back"
    await gateway.live(3)
    assert gateway.share == 0
    assert (await store.progresses())["shop"].state is State.ROLLED_BACK
    await gateway.end()


async def test_a_plan_that_waits_for_the_disk_blinds_nobody(folder: Path) -> None:
    """The guard goes on, and acts."""
    gateway = Gateway(folder, ("error_rate > 20% for 5s", Do.ROLLBACK), stages=(Stage(5, hold_seconds=2), Stage(50)))
    gateway.store = store = StuckStore(str(folder / "state.db"))
    gateway.start()
    await gateway.begin()
    store.moves.clear()
    await gateway.live(4)
    assert gateway.share == 5

    await gateway.live(2, errors=100)
    assert gateway.share == 0

    store.moves.set()
    await gateway.live(2)
    assert gateway.share == 0
    await gateway.end()
    assert gateway.kinds == ["rollback"]


async def test_a_store_that_comes_late_says_what_was(tmp_path: Path) -> None:
    """Rolled back stays rolled back, though the file says that the plan starts by itself."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    gateway = Gateway(folder, ("error_rate > 20% for 5s", Do.ROLLBACK))
    await gateway.begin()
    await gateway.live(1, errors=100)
    assert gateway.kinds == ["rollback"]
    await gateway.end()

    folder.rename(tmp_path / "away")
    gateway.store, gateway.figures = SqliteStore(str(folder / "state.db")), Figures(gateway.wall)
    gateway.start()
    await gateway.begin()
    await gateway.live(7)
    assert gateway.share == 5
    (tmp_path / "away").rename(folder)
    await gateway.live(12)
    with pytest.raises(WrongAction, match="is rolled back: pause is possible only"):
        await gateway.rollouts.act("shop", Action.PAUSE, reason="", actor=ADA)

    assert gateway.share == 0
    await gateway.end()


async def test_an_edit_counts_from_the_moment_that_it_is_in_force(tmp_path: Path) -> None:
    """Whatever the store does: what was before it is not held against the candidate, and it is told later."""
    folder = tmp_path / "later"
    gateway = Gateway(folder, ("error_rate > 5% for 1m", Do.ROLLBACK), stages=())
    await gateway.begin()
    await gateway.live(10)
    before = gateway.conductor.rules("shop")[0].judgement.candidate_requests

    gateway.percent = 50.0
    gateway.publish()
    await gateway.live(1)

    assert (before, gateway.conductor.rules("shop")[0].judgement.candidate_requests) == (1000, 100)
    folder.mkdir()
    await gateway.end()
    assert gateway.kinds == ["edit"]
    store = SqliteStore(str(folder / "state.db"))
    assert (await store.events())[-1].kind == "edit"
    await store.close()
