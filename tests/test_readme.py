"""What the README shows must be true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.settings.load import load_text

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "deploy/README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_smallest_configuration_is_valid():
    """Whoever copies it can run it."""
    text = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    loaded = load_text(text, "README.md", env={}, base_dir=ROOT)

    assert list(loaded.config.rollouts) == ["checkout"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    """No page points to a file that is not there."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []
