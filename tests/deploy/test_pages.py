"""docs/operations: what is said there to be done can be done."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from gateway.cli.main import cli
from gateway.store.migrations import STEPS

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "docs" / "operations").glob("*.md"))
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"


def _anchors(page):
    """The names by which a page's headings can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_exists(page):
    """Each `crossfade NAME` is a command, with the options that it is shown with."""
    for name, rest in re.findall(r"\bcrossfade ([a-z-]+)((?: [^\n`|#]*)?)", _code_of(page)):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, name

        assert {*re.findall(r"(?<!\S)--[a-z-]+", rest)} <= {*_options(command)} | {"--help"}, f"{name} {rest}"


def _options(command):
    """Of a command and those below it."""
    yield from (option for each in command.params for option in each.opts)
    for below in getattr(command, "commands", {}).values():
        yield from _options(below)


def _code_of(page):
    """Blocks and spans of code that call the command, one a line."""
    text = page.read_text()
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`(crossfade [^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    lines = [line for block in blocks for line in block.splitlines() if re.match(r"crossfade ", line)]
    return "\n".join([*lines, *(span.replace("\n", " ") for span in spans)])


def test_every_page_is_in_the_list():
    """Whoever opens the folder finds each of them, with when to read it."""
    listed = re.findall(r"\]\(([a-z-]+\.md)\)", (ROOT / "docs" / "operations" / "README.md").read_text())

    assert {page.name for page in PAGES} == {*listed, "README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_into_our_pages_find_their_section(page):
    """A link to a heading leads to one that is there."""
    links = re.findall(r"\]\(([a-z./-]+\.md)#([^)]+)\)", page.read_text())
    wrong = [(file, anchor) for file, anchor in links if anchor not in _anchors((page.parent / file).resolve())]

    assert wrong == []


def test_every_alert_has_a_runbook():
    """Nobody is woken without being told what to do."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    told = {*re.findall(r"^\| `(Crossfade\w+)`", (ROOT / "docs/operations/runbooks.md").read_text(), re.MULTILINE)}

    assert told == alerts


def test_the_versions_that_the_page_names_are_the_package_s():
    """Python's versions and the formats of the stores are those that the code goes by."""
    page = (ROOT / "docs" / "operations" / "versions.md").read_text()
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    pythons = [version for each in classifiers for version in re.findall(r"^Programming .* (3\.\d+)$", each)]
    redis = re.search(r"local FORMAT = (\d+)", (ROOT / "gateway" / "store" / "scripts" / "prelude.lua").read_text())[1]

    assert f"| Python | {', '.join(pythons)} |" in page
    assert f"| SQLite: {len(STEPS)}; Redis, Valkey: {redis} |" in page
