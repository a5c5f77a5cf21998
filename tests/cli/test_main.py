from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gateway import __version__
from gateway.cli.main import COMMANDS, cli, fail, main
from gateway.errors import CommandError, ConfigError, Problem
from tests.cli.configurations import SHOP, write


def status_of(*args: str) -> object:
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as caught:
        main(args)
    return caught.value.code


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_is_listed_exists(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And each tells what it does."""
    assert status_of(name, "--help") == 0
    assert "Usage: crossfade" in capsys.readouterr().out


def test_the_list_of_commands_imports_none() -> None:
    """Help is there at once: neither the schema nor the data plane is loaded for it."""
    code = (
        "import sys; from gateway.cli.main import cli; cli.get_help(__import__('click').Context(cli));"
        "sys.exit(bool({'pydantic', 'uvloop', 'aiohttp', 'gateway.settings', 'gateway.runtime'} & sys.modules.keys()))"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` names program and version."""
    assert status_of("--version") == 0
    assert capsys.readouterr().out == f"crossfade {__version__}\n"


@pytest.mark.parametrize("args", [["nonsense"], ["check"], ["check", "a", "b"], ["check", "--nonsense", "a"]])
def test_wrong_usage_is_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The message on standard error shows the usage."""
    assert status_of(*args) == 2
    assert "Usage:" in capsys.readouterr().err


def test_a_failure_is_1_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for a command's failure, one for each problem of a configuration."""
    problems = [Problem(2, 1, "a", "is missing"), Problem(1, 1, "b", "is missing")]

    assert [fail(CommandError("the port is taken")), fail(ConfigError("f.yaml", problems))] == [1, 1]
    assert capsys.readouterr().err.splitlines() == [
        "crossfade: the port is taken",
        "f.yaml:1:1: b: is missing",
        "f.yaml:2:1: a: is missing",
    ]


def test_an_output_that_takes_nothing_is_a_failure_with_a_reason(capfd: pytest.CaptureFixture[str]) -> None:
    """A full disk is told in one line, without a traceback."""
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "gateway", "schema"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)

    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"No space left" in done.stderr
    assert not capfd.readouterr().err


def test_text_that_a_terminal_lacks_is_shown_as_an_escape(tmp_path: Path) -> None:
    """A traceback would help nobody."""
    command = [sys.executable, "-m", "gateway", "explain", "-c", str(write(tmp_path, SHOP)), "GET", "/api/orders/1"]
    env = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([*command, "-H", "X-User-ID: \u2192"], env=env, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"key       \u2192  (header:X-User-ID)" in done.stdout


def test_an_unknown_name_is_no_command() -> None:
    """Not every module beside the commands is one."""
    assert cli.get_command(click.Context(cli), "main") is None
