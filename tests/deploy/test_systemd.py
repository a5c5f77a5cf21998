"""deploy/systemd: the unit, as systemd itself reads it."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings.schema.server import ServerTimeouts

UNIT = Path(__file__).parent.parent.parent / "deploy" / "systemd" / "crossfade.service"
COMMAND = "/opt/crossfade/bin/crossfade"
EXPOSURE = 1.5
"""What `systemd-analyze security` gives it; 10 is no protection at all, and 0.2 a service without a network."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@pytest.fixture
def unit():
    """The unit's sections; of what is named twice the last."""
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=["="])
    parser.optionxform = str
    parser.read(UNIT)
    return parser


@pytest.fixture
def installed(tmp_path):
    """The unit as it is where its command exists."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace(COMMAND, sys.executable))
    return path


def _analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], check=False, capture_output=True, text=True)


@needs_systemd
def test_systemd_has_nothing_to_complain_of(installed):
    """Every directive is one that systemd knows, with a value that it takes."""
    outcome = _analyze("verify", str(installed))
    about_us = [line for line in outcome.stderr.splitlines() if UNIT.name in line]

    assert (outcome.returncode, about_us) == (0, [])


@needs_systemd
def test_it_is_as_closed_as_it_says(installed):
    """By systemd's own measure hardly anything is open that a proxy does not need."""
    outcome = _analyze(
        "security", "--offline=true", f"--threshold={round(10 * EXPOSURE)}", "--no-pager", str(installed)
    )

    assert outcome.returncode == 0, outcome.stdout


def test_it_has_longer_to_end_than_its_drain(unit):
    """The master alone is asked, and nobody is killed who is still finishing requests."""
    service = unit["Service"]

    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"].removesuffix("s")) >= ServerTimeouts().drain + 5


def test_a_reload_is_the_signal_that_the_gateway_knows(unit):
    """`systemctl reload` reads the configuration again, and restarts nothing."""
    assert unit["Service"]["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_it_checks_and_runs_the_same_file(unit):
    """What is refused never gets to be started."""
    service = unit["Service"]

    assert service["ExecStartPre"].split() == [COMMAND, "check", "/etc/crossfade/gateway.yaml"]
    assert service["ExecStart"].split() == [COMMAND, "run", "-c", "/etc/crossfade/gateway.yaml"]


def test_its_one_place_to_write_is_where_it_stands(unit):
    """The store of the default configuration, `sqlite:./crossfade.db`, is in the state directory."""
    service = unit["Service"]

    assert (service["ProtectSystem"], service["DynamicUser"]) == ("strict", "yes")
    assert (service["StateDirectory"], service["WorkingDirectory"]) == ("crossfade", "%S/crossfade")
