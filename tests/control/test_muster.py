"""The fleet as one of its replicas sees it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from gateway.control.configuration import Configuration
from gateway.control.muster import Muster, call_muster, url_of
from gateway.control.roster import Roster
from gateway.core.fleet import Journaled, Role, Seen
from gateway.errors import StoreUnavailable
from gateway.store.sqlite import SqliteStore
from tests.control.members import HER, HIM, ME, membership, presence
from tests.control.texts import GOOD, source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.control.membership import Membership


class Desk:
    """A gateway that is ready, whose store and membership are a test's."""

    def __init__(self, folder: Path, configuration: Configuration) -> None:
        self.store = SqliteStore(str(folder / "state.db"))
        self.configuration = configuration
        self.roster = Roster(1)
        self.roster.published(1, "r1")
        self.roster.applied(self.roster.joined(0, pid=7, revision="", run=7), 1)

    def call(self, known: Membership | None = None, journal: Mapping[str, Journaled] | None = None) -> Muster:
        """The fleet now."""
        return call_muster(self.configuration, self.roster, 100.0, self.store, known, journal)


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A gateway that is ready."""
    configuration = Configuration(source(tmp_path), lambda _table: None, lambda _accepted: None)
    await configuration.take(GOOD.encode(), datetime(2026, 1, 1, tzinfo=UTC))
    made = Desk(tmp_path, configuration)
    yield made
    await made.store.close()


async def test_a_gateway_that_is_alone_is_a_fleet_of_one(desk: Desk) -> None:
    """It leads nobody, follows nobody, and all is well."""
    muster = desk.call()

    assert (muster.role, muster.leader, muster.degraded) == (Role.ALONE, "", None)
    assert [each.replica for each in muster.seen] == [muster.replica]
    assert (muster.states(), muster.revisions()) == ({"ready": 1, "not_ready": 0, "silent": 0}, ["r1"])


async def test_who_is_alone_says_that_its_store_can_not_be_used(desk: Desk, tmp_path: Path) -> None:
    """With the reason, and what follows from it."""
    (tmp_path / "state.db").mkdir()
    with pytest.raises(StoreUnavailable):
        await desk.store.open()

    assert (
        desk.call().degraded
        == "the store can't be used (Is a directory): nothing but a rollback can be done until it can"
    )


async def test_a_replica_sees_the_others_and_itself_as_it_is_now(desk: Desk) -> None:
    """Of itself it knows better than what it said a second ago."""
    known = membership()
    known.seen[0] = Seen(ME, presence("one", revision="old", ready=False, moves=6), 0.2)
    muster = desk.call(known)

    assert [each.replica for each in muster.seen] == [ME, HER, HIM]
    own = muster.seen[0].presence
    assert (own.revision, own.ready, own.host, own.admin, own.moves) == (
        "r1",
        True,
        "one",
        "http://one.internal:9900",
        6,
    )
    assert (muster.leader, muster.fence, muster.degraded) == (HIM, 4, None)


async def test_what_waits_in_its_own_journal_a_replica_knows_best(desk: Desk) -> None:
    """Of the others' it knows what they said; who is alone has one, too."""
    waits = {"checkout": Journaled(writes=3, is_live=False)}
    known = membership()
    known.seen[0] = Seen(ME, presence("one", journal={"search": Journaled(writes=5, is_live=True)}), 0.2)
    known.seen[1] = Seen(HIM, presence("two", journal=waits), 0.9)

    assert [each.presence.journal for each in desk.call(known).seen] == [{}, {}, waits]
    assert [each.presence.journal for each in desk.call(known, waits).seen] == [waits, {}, waits]
    assert desk.call(None, waits).seen[0].presence.journal == waits


async def test_before_its_first_report_a_replica_sees_itself(desk: Desk) -> None:
    """Nobody has heard of it yet, but it is there."""
    assert [each.replica for each in desk.call(membership(seen=[])).seen] == [ME]


async def test_who_was_not_heard_of_for_long_is_silent(desk: Desk) -> None:
    """A hiccup is none; and what configuration a silent one had counts no more."""
    known = membership()
    known.seen[1:] = [Seen(HIM, presence("two", revision="r2"), 5.1), Seen(HER, presence("three", ready=False), 5.0)]
    muster = desk.call(known)

    assert muster.states() == {"ready": 1, "not_ready": 1, "silent": 1}
    assert muster.revisions() == ["r1"]


async def test_different_revisions_are_counted_once_each(desk: Desk) -> None:
    """One that has no configuration yet has no other than the rest."""
    known = membership()
    known.seen[1:] = [Seen(HIM, presence("two", revision="r2"), 0.1), Seen(HER, presence("three", revision=""), 0.1)]

    assert desk.call(known).revisions() == ["r1", "r2"]


async def test_a_degraded_replica_hears_of_nobody(desk: Desk) -> None:
    """It says so, with the reason; the others are shown as they were, and count as silent."""
    fault = f"the store {desk.store.file} can't be used: no answer in time."
    muster = desk.call(membership(role=Role.DEGRADED, fault=fault))

    assert muster.states() == {"ready": 1, "not_ready": 0, "silent": 2}
    assert [each.replica for each in muster.seen] == [ME, HER, HIM]
    assert muster.degraded == (
        "nothing is heard of the store (no answer in time): "
        "plans stand still, guards go by what this gateway alone sees"
    )


async def test_one_that_has_never_read_the_store_says_so(desk: Desk) -> None:
    """A rollout at 0 % is no news of the fleet then."""
    muster = desk.call(membership(role=Role.DEGRADED, fault="no answer in time", moves=-1))

    assert muster.degraded is not None
    assert muster.degraded.endswith("; how rollouts stand was not read from the store yet")


async def test_a_lease_that_has_run_out_makes_no_leader(desk: Desk) -> None:
    """What the store said last is not what holds now."""
    assert desk.call(membership(role=Role.LEADER, leader=ME)).leader == ME
    assert desk.call(membership(role=Role.DEGRADED, leader=ME)).leader == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_who_listens_everywhere_is_reached_by_its_name(host: str) -> None:
    """The same address for each gateway of a fleet would lead to none of them."""
    assert url_of(host, 9900) == f"http://{socket.gethostname()}:9900"


def test_an_address_becomes_a_url() -> None:
    """That of IPv6 in brackets."""
    assert [url_of(host, 9900) for host in ("10.0.0.7", "::1")] == ["http://10.0.0.7:9900", "http://[::1]:9900"]
