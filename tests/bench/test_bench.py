"""The bench is run as its users run it, with the smallest case and for a fraction of a second."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("nginx", "wrk", "openssl"))), reason="needs nginx, wrk and openssl"
)


def run_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m bench ARGUMENTS``."""
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_measures_every_proxy_it_is_asked_for(tmp_path: Path) -> None:
    """One short turn of two proxies gives a row each, with every figure, and nothing has failed."""
    path = tmp_path / "figures.json"

    finished = run_bench(
        "get-2", "--proxies", "nginx", "aiohttp", "--seconds", "0.2", "--rounds", "1", "--json", str(path)
    )

    assert finished.returncode == 0, finished.stderr
    figures = json.loads(path.read_text())["figures"]
    assert [row["proxy"] for row in figures] == ["nginx", "aiohttp"]
    assert all(row["per_second"] > 0 and row["p99_ms"] > 0 and row["resident_bytes"] > 0 for row in figures)
    assert [row["failed"] for row in figures] == [0, 0]


def test_the_table_comes_as_markdown() -> None:
    """`--markdown` prints machine, date and a row per proxy, ready for bench/README.md."""
    finished = run_bench("get-12", "--proxies", "nginx", "--seconds", "0.2", "--rounds", "1", "--markdown")

    assert finished.returncode == 0, finished.stderr
    assert "1 rounds of 0.2 s" in finished.stdout
    assert "| GET, 12 headers | nginx |" in finished.stdout


def test_an_unknown_case_is_wrong_usage() -> None:
    """A case that does not exist ends the command with 2 and the names that do."""
    finished = run_bench("get-13")

    assert finished.returncode == 2
    assert "get-12" in finished.stderr
