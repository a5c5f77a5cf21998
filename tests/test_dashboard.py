"""The dashboard's own code, as far as it needs no browser."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "gateway" / "admin" / "static"
OWN = sorted(path for path in STATIC.rglob("*.js") if path.parent.name != "vendor")


def test_numbers_words_and_addresses_are_told_right() -> None:
    """What `tests/js` says of the pages' pure functions."""
    tests = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.mjs"))
    done = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout


def test_the_libraries_are_those_that_were_published() -> None:
    """Each is, byte for byte, what `scripts/vendor.py` says, and each has its licence beside it."""
    script = [sys.executable, str(ROOT / "scripts" / "vendor.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_what_is_shown_is_always_text(path: Path) -> None:
    """Nothing is ever made into markup, or into code; and no script is longer than one reads."""
    text = path.read_text()

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert text.count("\n") <= 300


def test_the_page_loads_nothing_from_elsewhere() -> None:
    """No address of another host, no script or style in the page itself."""
    page = (STATIC / "index.html").read_text()
    texts = [path.read_text() for path in [*OWN, STATIC / "style.css"]]

    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page)
    assert not [text for text in texts if re.search(r"""(from|import\(?|url\() ?["']?(https?:)?//""", text)]
