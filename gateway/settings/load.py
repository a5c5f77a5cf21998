"""From the text of a configuration file to a validated `Config`, or to every problem that it has.

In this order: the text becomes a tree (`yaml`), the tree is validated against the schema, what passes is checked for
sense across sections (`coherence`). A section with a fault is left out of the last step, and its name counts as known
there, so one mistake is reported once, and does not hide the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.errors import ConfigError, Problem
from gateway.settings.coherence import find_faults, find_risks
from gateway.settings.faults import Fault, Loc, describe, locate
from gateway.settings.schema import Config
from gateway.settings.yaml import Node, read_document

LARGEST_BYTES = 32 << 20
"""100,000 routes fit well; more than that is not a configuration but a mistake."""
REVISION_DIGITS = 12
_CHECKED_ONE_BY_ONE = ("backends", "rollouts", "routes")
_MAKES_SENSE_WITH = {"store": "store_cache"}
"""Of a section with a fault nothing is said to that one: it would be judged by the default."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used."""

    config: Config
    text: str
    """As it stands in the file."""
    revision: str
    """Names the content: the same for files that differ only in comments and layout, another one when an environment
    variable that the file takes has changed."""
    warnings: list[Problem] = field(default_factory=list)


def load_file(path: str | Path, env: Mapping[str, str]) -> Loaded:
    """Read and validate a file, with environment variables from ``env``.

    Raises ConfigError with every problem found.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(str(path), [Problem(0, 0, "", f"can't be read: {error.strerror}")]) from None
    return load_text(decode(content, str(path)), str(path), env, Path(path).parent)


def load_text(
    text: str, file_name: str, env: Mapping[str, str], base_dir: Path, *, is_recovery: bool = False
) -> Loaded:
    """Validate ``text``; ``file_name`` is what messages call it, and files that it names are sought from ``base_dir``.

    In a recovery the text was good before: the keys of tokens may be unreadable by now, as they are remembered.
    Raises ConfigError with every problem found.
    """
    root, problems = _read(text, env)
    if root is None or not isinstance(root.plain, dict):
        raise ConfigError(
            file_name, problems or [Problem(1, 1, "", "is empty; a configuration begins with `version: 1`")]
        )
    config, faults = _validate(root.plain, {"base_dir": base_dir, "is_recovery": is_recovery})
    problems += [locate(fault, root) for fault in faults]
    if problems or config is None:
        raise ConfigError(file_name, _without_echoes(problems))
    warnings = sorted(locate(risk, root) for risk in find_risks(config))
    return Loaded(config, text, _name_revision(root.plain), warnings)


def _read(text: str, env: Mapping[str, str]) -> tuple[Node | None, list[Problem]]:
    if len(text) > LARGEST_BYTES:
        return None, [Problem(0, 0, "", f"is larger than {LARGEST_BYTES >> 20} MiB")]
    root, problems = read_document(text.removeprefix("\ufeff"), env)
    if root is not None and root.plain is not None and not isinstance(root.plain, dict):
        problems.append(Problem(*root.place, "", "must be a mapping that begins with `version: 1`"))
    return root, problems


def decode(content: bytes, file_name: str) -> str:
    """``content`` as text; raises ConfigError at the first byte that is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise ConfigError(file_name, [Problem(*place, "", "is not UTF-8; save the file in that encoding")]) from None


def _validate(plain: dict[str, Any], context: dict[str, Any]) -> tuple[Config | None, list[Fault]]:
    """The configuration, None if it breaks the schema, and all faults."""
    try:
        config = Config.model_validate(plain, context=context)
    except ValidationError as error:
        faults = describe(error)
        return None, [*faults, *_check_the_rest(plain, {fault.loc for fault in faults}, context)]
    return config, find_faults(config)


def _check_the_rest(plain: dict[str, Any], broken: set[Loc], context: dict[str, Any]) -> list[Fault]:
    """The faults between those parts that pass the schema."""
    try:
        config = Config.model_validate(_leave_out(plain, broken), context=context)
    except ValidationError:
        return []
    known = {section: _names(plain.get(section)) for section in ("backends", "rollouts")}
    positions = _route_positions(plain, broken)
    left_out = [route for index, route in enumerate(plain["routes"]) if index not in positions]
    names = {str(route.get("name")) for route in left_out if isinstance(route, dict)}
    return find_faults(config, known["backends"], known["rollouts"], positions, names)


def _leave_out(plain: dict[str, Any], broken: set[Loc]) -> dict[str, Any]:
    items = {loc[:2] for loc in broken if loc[0] in _CHECKED_ONE_BY_ONE and len(loc) > 1}
    whole = {loc[0] for loc in broken} - {loc[0] for loc in items}
    whole |= {related for section, related in _MAKES_SENSE_WITH.items() if section in whole}
    return {section: _keep(section, value, items) for section, value in plain.items() if section not in whole}


def _keep(section: str, value: Any, broken: set[Loc]) -> Any:
    if section not in _CHECKED_ONE_BY_ONE:
        return value
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if (section, name) not in broken}
    return [item for index, item in enumerate(value) if (section, index) not in broken]


def _names(section: Any) -> set[str]:
    return set(section) if isinstance(section, dict) else set()


def _route_positions(plain: dict[str, Any], broken: set[Loc]) -> list[int]:
    left_out = {loc[1] for loc in broken if loc[0] == "routes" and len(loc) > 1}
    return [index for index in range(len(plain["routes"])) if index not in left_out]


def _without_echoes(problems: list[Problem]) -> list[Problem]:
    """One problem for each place: of a value that could not be expanded, the schema's opinion says nothing new."""
    first: dict[tuple[int, int, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.line, problem.column, problem.path), problem)
    return list(first.values())


def _name_revision(plain: dict[str, Any]) -> str:
    document = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(document.encode()).hexdigest()[:REVISION_DIGITS]
