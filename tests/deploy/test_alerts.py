"""The alerts fire when they should and only then, ask for what there is, and lead to what there is to read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.promql import list_faults, list_selectors

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
CASES: list[dict[str, Any]] = [
    case
    for test in yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]
    for case in test["alert_rule_test"]
]
EVERY_ALERT = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


def promtool(*arguments: str, folder: Path = FOLDER) -> str:
    """What Debian's promtool says; it must be content."""
    program = shutil.which("promtool", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "promtool is not installed"
    outcome = subprocess.run([program, *arguments], cwd=folder, check=False, capture_output=True, text=True)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


def test_the_rules_are_valid() -> None:
    """Prometheus takes the file, and every alert in it."""
    assert f"SUCCESS: {len(RULES)} rules found" in promtool("check", "rules", "alerts.yml")


def test_the_example_of_a_configuration_is_valid(tmp_path: Path) -> None:
    """Whoever copies it, and puts the token beside it, can start Prometheus."""
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "crossfade-admin-token").write_text("secret")

    assert "SUCCESS" in promtool("check", "config", "prometheus.yml", folder=tmp_path)


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    """Prometheus' own test of rules, over series that were made for it."""
    assert "SUCCESS" in promtool("test", "rules", "alerts.test.yml")


@EVERY_ALERT
def test_every_alert_is_shown_to_fire_and_to_be_silent(rule: dict[str, Any]) -> None:
    """An alert that nobody has seen fire is a hope; one that nobody has seen silent is a nuisance."""
    fires = {bool(case.get("exp_alerts")) for case in CASES if case["alertname"] == rule["alert"]}

    assert fires == {True, False}


@EVERY_ALERT
def test_every_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    """Its metrics, labels and values are those of the catalogue."""
    assert list_selectors(rule["expr"])
    assert list_faults(rule["expr"]) == []


@EVERY_ALERT
def test_every_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    """A severity, a line, a sentence, and a section of the operations page."""
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert (page, anchor) == ("docs/operations.md", rule["alert"].lower())
    assert f"\n### {rule['alert']}\n" in (ROOT / page).read_text()


def test_the_table_of_alerts_is_of_those_that_there_are() -> None:
    """The README names each with its severity."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (FOLDER.parent / "README.md").read_text(), re.MULTILINE)

    assert rows == [(rule["alert"], rule["labels"]["severity"]) for rule in RULES]


def test_no_runbook_outlives_its_alert() -> None:
    """The operations page has sections for the alerts that there are."""
    sections = re.findall(r"^### (Crossfade\w+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)

    assert sorted(sections) == sorted(rule["alert"] for rule in RULES)


@pytest.mark.parametrize(
    "expression",
    [
        "crossfade_request_total",
        'crossfade_requests_total{host="a"}',
        'rate(crossfade_shadow_total{result="mismatches"}[5m])',
        "sum by (rollout) (crossfade_requests_total)",
        "crossfade_request_duration_seconds",
        'crossfade_request_duration_seconds_count{le="1"}',
    ],
)
def test_what_there_is_not_would_be_noticed(expression: str) -> None:
    """A metric, label or value that the catalogue lacks is a fault."""
    assert len(list_faults(expression)) == 1
