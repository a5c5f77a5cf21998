"""The gateway at a glance, in words."""

from __future__ import annotations

import msgspec
import pytest

from gateway.admin.configuration import ConfigView, ProblemView
from gateway.admin.fleet import FleetLine, StoreView
from gateway.admin.rollouts import RolloutList
from gateway.admin.status import BackendView, EndpointView, StatusView, TokensView, WorkerView
from gateway.cli.status import (
    draw_backends,
    draw_head,
    draw_refusal,
    draw_restart,
    draw_rollout,
    draw_rollouts,
    draw_rules,
    draw_workers,
    list_waits,
)
from gateway.core.fleet import Role
from tests.cli.views import FIXED, planned, rule

STATUS = StatusView(
    version="0.1.0",
    revision="abc",
    uptime_s=125.0,
    ready=True,
    workers=[WorkerView(7, "abc", 3, 1)],
    backends=[BackendView("new", [EndpointView("http://a", healthy=False), EndpointView("http://b", healthy=None)])],
    store=StoreView("sqlite", True, "/var/crossfade.db", None),
    rollouts=[],
)
CONFIG = ConfigView("abc", "2026-01-01T12:00:00Z", "g.yaml", "", last_reload_ok=True, problems=[], waits_for_restart=[])


def test_the_head_says_whether_it_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    """And since when, by which configuration."""
    draw_head(STATUS)

    assert capsys.readouterr().out == (
        "crossfade 0.1.0, ready, up 2 min 5 s, revision abc\nstore sqlite, /var/crossfade.db, ok\n"
    )


def test_a_store_that_cannot_be_used_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """With its file, the reason, and what follows from it."""
    store = StoreView("sqlite", False, "/var/crossfade.db", "unable to open database file")
    draw_head(StatusView("0.1.0", "abc", 1.0, False, [], [], store, []))

    assert "not ready" in (out := capsys.readouterr().out)
    said = "can't be used (unable to open database file): nothing but a rollback can be done until it can"
    assert f"store sqlite, /var/crossfade.db, {said}\n" in out


def test_the_head_says_how_the_fleet_stands(capsys: pytest.CaptureFixture[str]) -> None:
    """Who leads, that it is degraded, and that not all have the same configuration: a line each."""
    line = FleetLine("one-a1", Role.DEGRADED, None, 1, ["abc", "def"])
    store = StoreView("redis", False, "redis://store:6379", "no answer in time")
    draw_head(
        msgspec.structs.replace(
            STATUS, fleet=line, store=store, degraded="nothing is heard of the store (no answer in time)"
        )
    )

    assert capsys.readouterr().out.splitlines()[1:] == [
        "store redis, redis://store:6379, can't be used",
        "fleet: one-a1 is degraded, and hears nothing of the others",
        "degraded: nothing is heard of the store (no answer in time)",
        "2 configurations are in force: abc, def; only the leader's file moves rollouts",
    ]


def test_each_endpoint_and_each_worker_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody has checked is not called healthy."""
    draw_backends(STATUS)
    draw_workers(STATUS)

    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines() if line][1:3] == [
        ["new", "http://a", "unhealthy"],
        ["new", "http://b", "not", "checked"],
    ]
    assert ["7", "3", "1", "abc"] in [line.split() for line in out.splitlines()]


def test_a_rollout_shows_its_stage_and_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    """With how long its hold still is."""
    draw_rollouts(RolloutList([FIXED, planned(2)], None))

    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert rows[1] == ["checkout", "running", "5", "%", "file", "–", "–", "live", "orders"]
    assert " ".join(rows[2]) == "checkout running 25 % plan 2 of 3 hold (1 min 30 s) live orders"


def test_who_must_act_is_said() -> None:
    """Or until when nobody can."""
    back = msgspec.structs.replace(planned(), state="rolled_back", stage=None)
    cooling = msgspec.structs.replace(back, cooldown_until="2026-01-02T12:00:00Z")

    assert list(list_waits(msgspec.structs.replace(back, state="pending"))) == ["start"]
    assert list(list_waits(back)) == ["resume"]
    assert list(list_waits(cooling)) == ["its cooldown, until 2026-01-02T12:00:00Z"]
    assert list(list_waits(msgspec.structs.replace(FIXED, state="paused"))) == ["resume"]
    assert list(list_waits(planned(state="completed"))) == []


def test_rules_that_are_not_ok_are_shown_with_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """What is well needs nobody's eye."""
    broken = rule(
        id="p99 > 300ms", when="p99 > 300ms", verdict="broken", reason="broken", value=480.0, bound=300.0, needs=None
    )
    draw_rules(RolloutList([planned(rules=[rule(), rule(verdict="ok"), broken])], None))

    lines = [line for line in capsys.readouterr().out.splitlines() if line][1:]
    assert len(lines) == 2
    assert "too few requests in its window: about 17 more requests are needed" in lines[0]
    assert lines[1].split()[-5:-1] == ["480", "ms", "300", "ms"]


def test_one_rollout_is_shown_with_its_version_and_its_rules(capsys: pytest.CaptureFixture[str]) -> None:
    """It is what an action may be tied to, by `--if-version`."""
    gate = rule(kind="gate", do=None, when="mismatch_rate < 1%", reason="little_evidence", needs=1753)
    draw_rollout(planned(version=7, rules=[gate]))

    out = capsys.readouterr().out
    assert out.startswith("checkout, version 7\n")
    assert "hold (1 min 30 s)" in out
    assert "little evidence since the stage began: about 1,753 more comparisons are needed" in out


def test_when_all_rules_are_ok_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Silence is good news."""
    draw_rules(RolloutList([FIXED, planned(rules=[rule(verdict="ok")])], None))

    assert capsys.readouterr().out == ""


def test_a_verdict_is_not_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is there for what the verdict does not say."""
    draw_rules(RolloutList([planned(rules=[rule(verdict="broken", reason="broken", needs=None)])], None))

    assert capsys.readouterr().out.count("broken") == 1


def test_a_configuration_that_was_refused_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """With its first fault, where that is, and how many more there are."""
    problems = [ProblemView(7, 3, "rollouts.shop", "unknown field `plann`"), ProblemView(0, 0, "", "more")]
    draw_refusal(CONFIG)
    draw_refusal(msgspec.structs.replace(CONFIG, last_reload_ok=False, problems=problems))

    assert capsys.readouterr().out == (
        "configuration g.yaml was refused: what was in force stays\n"
        "  line 7, column 3: rollouts.shop: unknown field `plann` (and 1 more)\n"
    )


def test_what_was_not_read_from_the_store_is_not_called_pending_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Starting it is no use: it may be at 50 % everywhere else."""
    unread = msgspec.structs.replace(planned(), state="pending", stage=None, percent=0.0, read=False)
    draw_rollouts(RolloutList([unread], None))

    row = " ".join(capsys.readouterr().out.splitlines()[2].split())
    assert row == "checkout pending, not read from the store yet 0 % plan – the store live orders"


def test_what_a_pause_waits_for_is_said_once() -> None:
    """The gateway says it of a plan's stage."""
    paused = planned(state="paused")
    assert paused.stage is not None
    stage = msgspec.structs.replace(paused.stage, waits_for=["resume"])

    assert list(list_waits(msgspec.structs.replace(paused, stage=stage))) == ["resume"]


def test_what_waits_for_a_restart_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """The revision is that of the new file, and the store is still the old one: somebody has to know why."""
    draw_restart(CONFIG)
    assert capsys.readouterr().out == ""

    draw_restart(msgspec.structs.replace(CONFIG, waits_for_restart=["server.workers", "store"]))
    assert capsys.readouterr().out == "changed in g.yaml, and waiting for a restart: server.workers, store\n"


def test_a_rollback_that_others_do_not_have_yet_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """For as long as it is so, on whichever gateway took it."""
    draw_rollouts(RolloutList([msgspec.structs.replace(FIXED, state="rolled_back", stored=False)], None))

    assert "rolled back, not stored yet" in capsys.readouterr().out


def test_a_rollout_that_is_still_copied_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Rolled back is not always silent for the candidate."""
    draw_rollouts(RolloutList([msgspec.structs.replace(FIXED, state="rolled_back", to_shadow=True)], None))

    assert "rolled back, to shadow" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("keys", "fault", "line"),
    [
        (2, None, "tokens verified by 2 keys of https://id/keys\n"),
        (
            1,
            "refused",
            "keys of tokens, https://id/keys, can't be had (refused): the 1 key from before\n",
        ),
        (0, "timed out", "keys of tokens, https://id/keys, can't be had (timed out): no token is believed\n"),
    ],
)
def test_the_head_says_by_which_keys_tokens_are_verified(
    capsys: pytest.CaptureFixture[str], keys: int, fault: str | None, line: str
) -> None:
    """And what counts while they can't be had."""
    draw_head(msgspec.structs.replace(STATUS, tokens=TokensView("https://id/keys", keys, fault)))

    assert capsys.readouterr().out.endswith("/var/crossfade.db, ok\n" + line)
