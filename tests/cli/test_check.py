from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.main import main

GOOD = """\
version: 1
store: sqlite:crossfade.db
backends: {legacy: http://127.0.0.1:9001, new: http://127.0.0.1:9002}
routes: [{name: all, match: /**, baseline: legacy, candidate: new, rollout: {key: client_ip}}]
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good configuration with one warning."""
    for name in ("CROSSFADE_ROLLBACK", "CROSSFADE_PERCENT_ALL"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "gateway.yaml"
    file.write_text(GOOD)
    return file


def check(*args: str) -> object:
    """The exit status of `crossfade check`."""
    with pytest.raises(SystemExit) as caught:
        main(["check", *args])
    return caught.value.code


def test_a_good_file_is_summed_up(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings come first, the last line says that all is well and how much there is."""
    assert check(str(path)) == 0

    warning, summary = capsys.readouterr().out.splitlines()
    assert warning.startswith(f"warning: {path}:2:8: store: is relative")
    assert summary.startswith(f"{path}: OK: 1 route, 1 rollout, 2 backends; revision ")


def test_every_problem_is_a_line_on_standard_error(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the file, at places that an editor can jump to."""
    path.write_text(GOOD.replace("client_ip", "clent_ip") + "stor: x\n")

    assert check(str(path)) == 1

    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(": ")[:2] for line in captured.err.splitlines()] == [
        [f"{path}:4:83", "routes.0.rollout.key"],
        [f"{path}:5:1", "stor"],
    ]


def test_programs_get_one_document(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` says the same, good or bad."""
    assert check("--json", str(path)) == 0
    good = json.loads(capsys.readouterr().out)
    path.write_text("version: 2\n")
    assert check("--json", str(path)) == 1
    bad = json.loads(capsys.readouterr().out)

    assert (good["ok"], good["routes"], good["problems"], len(good["warnings"])) == (True, 1, [], 1)
    assert (bad["ok"], bad["problems"][0]["line"], bad["problems"][0]["path"]) == (False, 1, "backends")


def test_a_switch_without_its_rollout_is_warned_of(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who sets one in an emergency learns that it does nothing."""
    monkeypatch.setenv("CROSSFADE_ROLLBACK", "al")

    assert check(str(path)) == 0
    assert "warning: CROSSFADE_ROLLBACK names `al`" in capsys.readouterr().out


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is the operating system's."""
    assert check(str(tmp_path / "none.yaml")) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'none.yaml'}: can't be read: No such file or directory\n"


def test_a_store_whose_folder_is_missing_is_a_warning(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The gateway would serve, and could keep nothing."""
    missing = path.parent / "missing"
    path.write_text(GOOD.replace("sqlite:crossfade.db", f"sqlite:{missing}/crossfade.db"))

    assert check(str(path)) == 0
    assert capsys.readouterr().out.startswith(f"warning: store: there is no folder `{missing}` here; ")
    missing.mkdir()
    assert check(str(path)) == 0
    assert "warning" not in capsys.readouterr().out


def test_a_store_on_other_machines_needs_no_folder_here(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is it asked for anything."""
    path.write_text(GOOD.replace("sqlite:crossfade.db", "redis+cluster://:${REDIS_PASSWORD:-x}@a:7000,b:7001"))

    assert check(str(path)) == 0
    assert "warning" not in capsys.readouterr().out
