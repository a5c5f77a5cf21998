"""The picture of a trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import CommandError
from gateway.simulation import plot
from gateway.simulation.recording import Recording
from gateway.simulation.trial import run_trial
from tests.simulation.scenarios import build_scenario

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_trial_becomes_a_picture(tmp_path: Path) -> None:
    """A PNG, whatever happened."""
    recording = Recording()
    trial = run_trial(build_scenario("errors=50%", fault_at_seconds=20.0), 1, recording.observe)

    plot.draw(trial, recording.slots(), "checkout", tmp_path / "trial.png")

    assert (tmp_path / "trial.png").read_bytes().startswith(PNG)


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, before anything is simulated."""
    monkeypatch.setattr(plot, "find_spec", lambda _: None)

    with pytest.raises(CommandError, match="--plot needs matplotlib: pip install"):
        plot.check_plotting()


@pytest.mark.parametrize(("seconds", "name"), [(240, "seconds"), (3600, "minutes"), (86_400, "hours")])
def test_the_time_axis_has_the_unit_that_fits_its_length(seconds: float, name: str) -> None:
    """Nobody reads 0.02 hours."""
    assert plot.choose_unit(seconds)[1] == name
