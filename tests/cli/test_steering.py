"""The commands that drive a rollout say in one line what was and what is."""

from __future__ import annotations

import msgspec
import pytest

from gateway.cli.main import STEERING, main
from gateway.cli.steering import COMMANDS, say_standing, tell_step
from gateway.core.progress import Action
from tests.cli.views import FIXED, planned


def test_every_action_on_a_rollout_has_its_command() -> None:
    """But for a percentage, which is set and unset."""
    assert set(COMMANDS) == set(STEERING) == set(Action) - {"set", "unset"}


def test_a_step_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """State, share and stage, before and after."""
    tell_step(planned(1), planned(2))

    assert tuple(capsys.readouterr()) == (
        "checkout: running at 5 %, stage 1 of 3 -> running at 25 %, stage 2 of 3\n",
        "",
    )


def test_a_standing_without_a_stage_has_state_and_share() -> None:
    """Fixed percentages, and rollouts that were rolled back; an operator's percentage is named."""
    back = msgspec.structs.replace(planned(), state="rolled_back", percent=0.0, stage=None)

    assert say_standing(FIXED) == "running at 5 %"
    assert say_standing(back) == "rolled back at 0 %"
    assert say_standing(msgspec.structs.replace(back, to_shadow=True)) == "rolled back at 0 %, copies go on"
    assert say_standing(planned(percent=7.0, source="operator")) == "running at 7 % (operator), stage 2 of 3"


def test_a_rollback_says_how_long_it_cools_down(capsys: pytest.CaptureFixture[str]) -> None:
    """And what to do about it."""
    tell_step(planned(), planned(state="rolled_back", cooldown_until="2026-01-02T12:00:00Z"))

    assert "until 2026-01-02T12:00:00Z; `crossfade resume --force`" in capsys.readouterr().err


def test_a_rollback_says_how_the_baseline_gets_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    """Where writes were kept, and only once."""
    back = planned(state="rolled_back", has_journal=True)
    tell_step(planned(has_journal=True), back)
    said = capsys.readouterr().err
    for before, after in (
        (back, back),
        (planned(1), planned(has_journal=True)),
        (planned(), planned(state="rolled_back")),
    ):
        tell_step(before, after)

    assert said.startswith(
        "writes that only the candidate took: `crossfade reconcile checkout`; in a fleet, on each gateway"
    )
    assert "reconcile" not in capsys.readouterr().err


def test_what_keeps_the_candidate_from_answering_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Else an operator who has started a plan waits for users in vain."""
    tell_step(planned(1), planned(1, mode="shadow"))
    tell_step(planned(1), planned(1, percent=0.0, source="switch"))

    warnings = capsys.readouterr().err.splitlines()
    assert [("mode shadow" in line, "has the last word" in line) for line in warnings] == [(True, False), (False, True)]


@pytest.mark.parametrize("arguments", [["start"], ["pause", "checkout", "--to", "shadow"], ["rollback", "a", "--to=b"]])
def test_what_an_action_does_not_know_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Before anybody is asked."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "Usage: crossfade" in capsys.readouterr().err
