"""The reference page of the metrics: current, complete, and with queries that Prometheus takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from gateway.telemetry.catalogue import CATALOGUE, LABELS
from gateway.telemetry.reference import PAGE, QUERIES, main, render_page

ROOT = Path(__file__).parents[2]


def test_the_page_says_what_the_code_says() -> None:
    """docs/metrics.md is what the catalogue makes."""
    assert (ROOT / PAGE).read_text() == render_page()


def test_the_page_names_every_metric_and_every_label() -> None:
    """Whoever looks one up finds it."""
    page = render_page()
    names = [metric.name for metrics in CATALOGUE.values() for metric in metrics]

    assert [name for name in (*names, *LABELS) if f"| `{name}` |" not in page] == []


def test_prometheus_understands_the_queries(tmp_path: Path) -> None:
    """What the page offers to copy works: promtool takes each as a rule."""
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(QUERIES.values())]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "page", "rules": rules}]}))
    outcome = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"{len(QUERIES)} rules found" in outcome.stdout


def test_queries_ask_for_metrics_that_exist() -> None:
    """A query for a name that nothing exposes would stay empty without a word."""
    exposed = {
        metric.name + suffix
        for metrics in CATALOGUE.values()
        for metric in metrics
        for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
    }
    words = "".join(letter if letter.isalnum() or letter == "_" else " " for letter in " ".join(QUERIES.values()))

    assert {word for word in words.split() if word.startswith("crossfade_")} <= exposed


def test_the_page_is_written_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--check fails on a page that is not current and names what mends it; --write mends it."""
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)

    assert main(["--check"]) == 1
    assert "python -m gateway.telemetry.reference --write" in capsys.readouterr().err
    assert main(["--write"]) == 0
    assert main(["--check"]) == 0
    assert main([]) == 2
