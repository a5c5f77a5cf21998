"""The picture in the documents is the gateway's own table."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.control.reference import BEGIN, END, PAGE, draw, list_arrows, main, redraw
from gateway.core.progress import State

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_would_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes the table draws it anew."""
    monkeypatch.chdir(ROOT)

    assert main(["--check"]) == 0


def test_every_state_is_reached_and_left() -> None:
    """But pending is only where plans begin."""
    arrows = list_arrows()

    assert {after for _, after in arrows} == set(State) - {State.PENDING}
    assert {before for before, _ in arrows} == set(State)


def test_a_rollback_is_left_by_a_resume_or_a_retry_only() -> None:
    """What keeps users safe must be seen in the picture."""
    leaving = {after: causes for (before, after), causes in list_arrows().items() if before is State.ROLLED_BACK}

    assert leaving == {State.RUNNING: ["resume", "cooldown over and a retry left"]}


def test_guards_stand_together() -> None:
    """An arrow says in one line which of them lead there."""
    assert "running --> rolled_back: step-back<br/>rollback<br/>a guard, step_back, shadow, rollback\n" in draw()


def test_what_is_written_is_found_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what stands between the marks is touched; a page of old is found out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / PAGE).write_text(f"before\n{BEGIN}yesterday\n{END}after\n")

    assert [main([each]) for each in ("--check", "--write", "--check", "--help")] == [1, 0, 0, 2]
    page = (tmp_path / PAGE).read_text()
    assert (page.startswith("before\n"), page.endswith("after\n"), "yesterday" in page) == (True, True, False)


def test_a_page_without_marks_is_not_guessed_at() -> None:
    """Somebody has to say where the picture belongs."""
    with pytest.raises(ValueError, match="where the picture begins"):
        redraw("# Rollouts\n")
