"""`crossfade simulate`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.cli.configurations import SHOP, write

PLAN = SHOP.replace("    percent: 5\n", "    stages: [{percent: 5, hold: 2m}, {percent: 50, hold: 2m}]\n")


def simulate(capsys: pytest.CaptureFixture[str], file: Path, *args: str) -> str:
    """The output of a run that succeeds."""
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "-c", str(file), "--rollout", "checkout", *args])
    assert not ended.value.code
    return capsys.readouterr().out


def refuse(capsys: pytest.CaptureFixture[str], file: Path, *args: str) -> tuple[object, str]:
    """Status and last line of a run that does not."""
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "-c", str(file), *args])
    return ended.value.code, capsys.readouterr().err.splitlines()[-1]


def test_a_plan_is_shown_stage_by_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When each began, and how it ended."""
    lines = simulate(capsys, write(tmp_path, PLAN), "--rps", "20").splitlines()

    assert lines[0] == "checkout: 20 requests/s on 1 path, median 50.0 ms, 0.2 % errors, 10,000 keys"
    assert [line.split()[:2] for line in lines[2:5]] == [
        ["00:00:00", "start"],
        ["00:02:00", "stage"],
        ["00:04:00", "complete"],
    ]
    assert lines[-1] == "completed at 50 % after 4 min"


def test_a_fault_shows_what_acted_and_what_it_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rule, the numbers that it rests on, the time, and the requests and keys that were hit."""
    out = simulate(
        capsys, write(tmp_path, PLAN), "--rps", "200", "--fault", "errors=30%", "--fault-at", "30s", "--seed", "2"
    )

    assert "rollback  stage 1 of 2, 0 %       error_rate >" in out
    assert "requests of the candidate" in out
    assert "rolled back at 0 %" in out
    assert "after the fault" in out
    assert "hit: " in out


def test_a_fault_that_did_not_strike_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody takes it for one that no guard acted on."""
    out = simulate(capsys, write(tmp_path, PLAN), "--fault", "errors=30%", "--fault-stage", "2", "--for", "1m")

    assert out.splitlines()[-1] == "the fault did not strike: the rollout did not get that far"


def test_programs_get_everything_of_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As one JSON document, the same for the same seed."""
    args = (write(tmp_path, PLAN), "--rps", "100", "--fault", "errors=30%", "--fault-at", "30s", "--json")
    first, again = simulate(capsys, *args), simulate(capsys, *args)
    trial = json.loads(first)

    assert first == again
    assert (trial["state"], trial["fault_second"], trial["false_alarms"]) == ("rolled_back", 30, [])
    assert [each["kind"] for each in trial["happenings"]] == ["start", "fault", "rollback"]


def test_many_runs_say_how_often_and_how_soon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """False alarms, undetected faults, and the time to act."""
    args = ("--rps", "100", "--fault", "errors=30%", "--fault-at", "20s", "--runs", "4", "--processes", "1")
    lines = simulate(capsys, write(tmp_path, PLAN), *args).splitlines()
    summary = json.loads(simulate(capsys, write(tmp_path, PLAN), *args, "--json"))

    assert lines[2] == "4 runs, 4 rolled back"
    assert lines[3] == "rolled back without cause: 0 of 4 (0 %)"
    assert lines[5] == "faults that no guard acted on: 0 of 4 (0 %)"
    assert lines[6].startswith("time to act: median ")
    assert (summary["runs"], summary["undetected"]) == (4, 0)


def test_a_picture_is_drawn_of_the_first_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it was asked for."""
    simulate(capsys, write(tmp_path, PLAN), "--rps", "20", "--for", "1m", "--plot", str(tmp_path / "run.png"))

    assert (tmp_path / "run.png").stat().st_size > 10_000


def test_a_rollout_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, status 1."""
    refused = refuse(capsys, write(tmp_path, PLAN), "--rollout", "chekout")

    assert refused == (1, "crossfade: there is no rollout `chekout`; there are: checkout")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("mode: live", "mode: shadow"), "its mode is `shadow`"),
        (("percent: 5", "percent: 0"), "it has 0 % and no stages"),
    ],
)
def test_where_nobody_takes_the_candidate_there_is_nothing_to_simulate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], reason: str
) -> None:
    """It says why, status 1."""
    status, line = refuse(capsys, write(tmp_path, SHOP.replace(*change)), "--rollout", "checkout")

    assert (status, line) == (1, f"crossfade: nobody would be answered by the candidate of `checkout`: {reason}")


def test_a_switch_in_the_environment_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would for the gateway."""
    monkeypatch.setenv("CROSSFADE_ROLLBACK", "all")

    assert "a switch in the environment" in refuse(capsys, write(tmp_path, PLAN), "--rollout", "checkout")[1]


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (("--fault", "fire"), 2, "`fire` is not a fault"),
        (("--latency", "50"), 2, "is not a duration"),
        (("--latency", "0s"), 2, "must be 0.01ms or more"),
        (("--fault-stage", "3"), 1, "--fault-stage 3: `checkout` has 2 stages"),
        (("--fault", "path=2"), 1, "2 paths can't fail: there are 1; --paths makes up more"),
    ],
)
def test_wrong_options_say_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], status: int, message: str
) -> None:
    """Usage that nobody can mean is status 2, what does not fit the plan status 1."""
    ended, line = refuse(capsys, write(tmp_path, PLAN), "--rollout", "checkout", *args)

    assert ended == status
    assert message in line


def test_a_picture_that_cannot_be_written_costs_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is named, and what was simulated is shown all the same."""
    picture = tmp_path / "missing" / "run.png"
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "-c", str(write(tmp_path, PLAN)), "--rollout", "checkout", "--plot", str(picture)])

    shown = capsys.readouterr()
    assert ended.value.code == 1
    assert shown.out.splitlines()[-1] == "completed at 50 % after 4 min"
    assert f"{picture}: No such file or directory" in shown.err


def test_a_picture_is_a_png(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Any other name is a wrong usage, said before anything is simulated."""
    status, said = refuse(capsys, write(tmp_path, PLAN), "--rollout", "checkout", "--plot", "run.svg")

    assert (status, "ends with .png" in said) == (2, True)
