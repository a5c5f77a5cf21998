"""The rules of the house that no linter has."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = (".ci", "bench", "config", "deploy", "docs", "gateway", "scripts", "tests")
MODULE_LINES = 400
FUNCTION_LINES = 60
MEDIAN_FUNCTION_LINES = 10

WITHOUT_A_TEST_FILE: frozenset[str] = frozenset(
    {
        "gateway/__main__.py",  # two lines; tests/e2e starts the gateway through it
        "gateway/errors.py",  # the tree is proved by those who raise
        "gateway/core/types.py",  # values without behaviour
    }
)
"""May only shrink."""

MACHINE_PATHS = re.compile("|".join([r"/(?:home|Users)/\w", *(re.escape(f"{path}/") for path in (ROOT, Path.home()))]))


def list_files(*suffixes: str) -> list[Path]:
    """The project's own files that end so; what a run leaves behind is not among them."""
    paths = [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    own = (path for path in paths if path.is_file() and not {"__pycache__", "results"} & {*path.parts})
    return sorted(path for path in own if not suffixes or path.suffix in suffixes)


def list_modules(folder: str) -> list[Path]:
    """The Python modules below one of the top folders."""
    return [path for path in list_files(".py") if path.is_relative_to(ROOT / folder)]


def name_of(path: Path) -> str:
    """A file's path inside the project, as messages show it."""
    return path.relative_to(ROOT).as_posix()


def walk_functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def count_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From ``def`` to the last line, without the docstring: an essay above the code is not length."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def test_every_module_has_its_test_file() -> None:
    """Whoever opens a module finds what it promises under the same path in tests/."""
    modules = [path for path in list_modules("gateway") if path.name != "__init__.py"]
    missing = [
        name_of(path)
        for path in modules
        if not (ROOT / "tests" / path.relative_to(ROOT / "gateway").with_name(f"test_{path.name}")).exists()
    ]

    assert sorted(set(missing) - WITHOUT_A_TEST_FILE) == []


def test_the_list_of_exceptions_only_shrinks() -> None:
    """No exception outlives its module, and none is kept for a module that has a test file by now."""
    for name in WITHOUT_A_TEST_FILE:
        path = ROOT / name
        mirror = ROOT / "tests" / path.relative_to(ROOT / "gateway").with_name(f"test_{path.name}")

        assert not mirror.exists(), name


@pytest.mark.parametrize("folder", ["gateway", "tests", "bench"])
def test_no_module_is_too_long_to_read_at_one_sitting(folder: str) -> None:
    """A module over 400 lines is two modules."""
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in list_modules(folder)}

    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


@pytest.mark.parametrize("folder", ["gateway", "tests", "bench"])
def test_no_function_is_longer_than_a_page(folder: str) -> None:
    """A function over 60 lines is several functions."""
    long = [
        f"{name_of(path)}:{function.lineno} {function.name}: {count_lines(function)} lines"
        for path in list_modules(folder)
        for function in walk_functions(path)
        if count_lines(function) > FUNCTION_LINES
    ]

    assert long == []


def test_functions_are_short() -> None:
    """Half of all functions have ten lines or fewer."""
    lengths = [count_lines(function) for path in list_modules("gateway") for function in walk_functions(path)]

    assert median(lengths) <= MEDIAN_FUNCTION_LINES


def test_every_test_says_what_it_promises() -> None:
    """The first line of a test is the promise that it holds us to."""
    silent = [
        f"{name_of(path)}:{function.lineno} {function.name}"
        for path in list_modules("tests")
        for function in walk_functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]

    assert silent == []


def test_generated_files_are_current() -> None:
    """The JSON Schema and the reference page say what the code says."""
    command = [sys.executable, "-m", "gateway.settings.reference", "--check"]
    outcome = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """The project reads the same on every machine."""
    found = [
        f"{name_of(path)}: {match.group()}"
        for path in list_files()
        if path.suffix not in {".png", ".db"}
        for match in MACHINE_PATHS.finditer(path.read_text(errors="replace"))
    ]

    assert found == []
