"""The fleet on a terminal; against running gateways in the end-to-end tests."""

from __future__ import annotations

import msgspec
import pytest

from gateway.admin.fleet import FleetView, JournalView, ReplicaView, StoreView
from gateway.cli.fleet import (
    draw_head,
    draw_journals,
    draw_remarks,
    draw_replicas,
    draw_switches,
    list_cells,
    say_journal,
    say_part,
    say_silence,
)
from gateway.core.fleet import Role

REPLICA = ReplicaView(
    replica="one-a1",
    host="one",
    admin="http://one.internal:9900",
    version="0.1.0",
    revision="abc",
    role=Role.FOLLOWER,
    ready=True,
    workers=2,
    started_at="2026-01-01T12:00:00.000Z",
    silent_s=0.4,
    behind=0,
)
FLEET = FleetView(
    replica="one-a1",
    role=Role.FOLLOWER,
    leader="two-b2",
    fence=4,
    degraded=None,
    store=StoreView("redis", True, "redis://store:6379", None),
    revisions=["abc"],
    replicas=[REPLICA],
)


def test_the_head_says_who_is_asked_and_who_leads(capsys: pytest.CaptureFixture[str]) -> None:
    """And where they meet."""
    draw_head(FLEET)

    assert capsys.readouterr().out == "one-a1 follows two-b2, lease 4, store redis, redis://store:6379\n"


def test_a_gateway_that_is_alone_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    """It has no lease."""
    draw_head(msgspec.structs.replace(FLEET, role=Role.ALONE, leader=None, fence=0))

    assert capsys.readouterr().out == "one-a1 is alone, store redis, redis://store:6379\n"


def test_each_part_is_said_in_its_words() -> None:
    """That nobody leads is a fault, so it is said, too."""
    assert [
        say_part("a", role, leader) for role, leader in (("leader", "a"), ("follower", None), ("degraded", "b"))
    ] == [
        "a leads",
        "a follows, nobody leads",
        "a is degraded",
    ]


def test_what_is_well_is_not_remarked(capsys: pytest.CaptureFixture[str]) -> None:
    """One configuration everywhere and a store that answers: silence."""
    draw_remarks(["abc"], None)
    assert capsys.readouterr().out == ""

    draw_remarks(["abc", "def"], "nothing is heard of the store")
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_emergency_switches_are_said_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    """They hold on one gateway, and its users are nowhere else to be seen."""
    draw_switches(FLEET)
    assert capsys.readouterr().out == ""

    two, all_of_it = (
        msgspec.structs.replace(REPLICA, replica=name, switches=switches)
        for name, switches in (("two-b2", ["checkout", "search"]), ("three-c3", ["all"]))
    )
    draw_switches(msgspec.structs.replace(FLEET, replicas=[REPLICA, two, all_of_it]))
    assert capsys.readouterr().out == (
        "an emergency switch on two-b2 holds back checkout, search there\n"
        "an emergency switch on three-c3 holds back all rollouts there\n"
    )


def test_what_waits_in_a_journal_is_said_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """As long as the candidate answers users there is nothing to do."""
    draw_journals(FLEET)
    assert capsys.readouterr().out == ""

    waits = [JournalView("checkout", 1204, is_live=False), JournalView("search", 1, is_live=True)]
    two = msgspec.structs.replace(REPLICA, replica="two-b2", admin="http://two:9900", journal=waits)
    draw_journals(msgspec.structs.replace(FLEET, replicas=[REPLICA, two]))
    assert capsys.readouterr().out == (
        "two-b2 has 1,204 writes of checkout to reconcile: crossfade reconcile checkout --admin http://two:9900\n"
    )
    assert say_journal(two, waits[1]) == "two-b2 keeps 1 write of search that only the candidate took"


def test_what_is_in_journals_has_a_column_where_there_is_anything(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever takes a gateway away should know, also while the candidate answers users."""
    waits = [JournalView("checkout", 1204, is_live=True), JournalView("search", 1, is_live=True)]
    two = msgspec.structs.replace(REPLICA, replica="two-b2", journal=waits)
    draw_replicas(msgspec.structs.replace(FLEET, replicas=[REPLICA, two]))

    head, one, other = (line.split() for line in capsys.readouterr().out.splitlines()[1:])
    assert (head[-2].lower(), one[-2], other[-2]) == ("journal", "0", "1,205")


def test_each_replica_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever lags behind, or was not heard of for long, is told from the rest."""
    silent = msgspec.structs.replace(REPLICA, replica="two-b2", silent_s=75.0, behind=3, ready=False, revision="")
    draw_replicas(msgspec.structs.replace(FLEET, replicas=[REPLICA, silent]))

    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [
        "one-a1 follower yes 2 0.1.0 abc 2026-01-01T12:00:00.000Z 0 no http://one.internal:9900",
        "two-b2 follower – – 0.1.0 – 2026-01-01T12:00:00.000Z – for 1 min 15 s http://one.internal:9900",
    ]


def test_how_others_do_is_not_known_to_a_degraded_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    """Of itself it knows, however long nobody has heard of it."""
    own = msgspec.structs.replace(REPLICA, role=Role.DEGRADED, silent_s=60.0, ready=False, behind=3)
    other = msgspec.structs.replace(REPLICA, replica="two-b2", silent_s=None)
    draw_replicas(msgspec.structs.replace(FLEET, role=Role.DEGRADED, replicas=[own, other]))

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line]
    assert lines[1].startswith("one-a1 degraded no 2 ")
    assert lines[2].startswith("two-b2 follower – – ")
    assert lines[3] == "others are shown as they were last heard of"


def test_silence_that_nobody_knows_of_is_not_called_none() -> None:
    """A degraded gateway hears of nobody."""
    assert [say_silence(seconds) for seconds in (None, 5.0, 5.1)] == [None, "no", "for 5 s"]
    assert list_cells(msgspec.structs.replace(REPLICA, silent_s=None), "one-a1")[8] is None
