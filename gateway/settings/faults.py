"""What the schema found, in words and at a place.

pydantic knows what is wrong by type; here that becomes one sentence that says what is allowed, and the path inside the
document becomes line and column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.errors import Problem
from gateway.settings.fields import Section
from gateway.settings.names import suggest
from gateway.settings.quantities import show
from gateway.settings.schema import Config
from gateway.settings.yaml import Node

Loc = tuple[str | int, ...]
"""A path inside the document: ``("routes", 2, "match", "path")``."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong, not yet at a line."""

    loc: Loc
    message: str
    at_key: bool = False
    """The name is at fault, not what stands behind it."""


def describe(error: ValidationError) -> list[Fault]:
    """Every fault that the schema found."""
    return [_describe(details) for details in error.errors(include_url=False)]


def _describe(details: ErrorDetails) -> Fault:
    # "[key]" says that a mapping's key is at fault, "<…>" which form of a field was chosen: neither is in the document.
    loc = tuple(part for part in details["loc"] if part != "[key]" and not str(part).startswith("<"))
    at_key = "[key]" in details["loc"] or details["type"] == "extra_forbidden"
    return Fault(loc, _word(details, loc), at_key)


def _word(details: ErrorDetails, loc: Loc) -> str:
    match details["type"]:
        case "value_error":
            return str(details["ctx"]["error"])
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return _word_unknown(str(loc[-1]), loc[:-1])
        case "literal_error":
            return _word_choice(details)
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"is {show(details['input'])}; a mapping (`name: value`) is wanted"
    return details["msg"]


def _word_choice(details: ErrorDetails) -> str:
    allowed = [part.strip("'") for part in details["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    wrong = details["input"]
    return f"{show(wrong)} is not allowed; write {_join(allowed)}{suggest(str(wrong), allowed)}"


def _join(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _word_unknown(name: str, parent: Loc) -> str:
    section = _find_section(Config, parent)
    if section is None:
        return "is not a known field"
    if name in section.later:
        return f"{show(name)} is not in this version of Crossfade yet"
    known = [field.alias or key for key, field in section.model_fields.items()]
    return f"{show(name)} is not a known field{suggest(name, known) or '; known here: ' + ', '.join(known)}"


def _find_section(section: type[Section], path: Loc) -> type[Section] | None:
    """The section that stands at ``path`` below ``section``."""
    if not path:
        return section
    fields = {field.alias or name: field for name, field in section.model_fields.items()}
    rest = path[1:]
    for inner in sections_in(fields[str(path[0])].annotation):
        # Members of lists and mappings are sections as well: their index or name is not a field.
        found = _find_section(inner, rest) if not rest or _has_field(inner, rest[0]) else _find_section(inner, rest[1:])
        if found:
            return found
    return None


def _has_field(section: type[Section], name: str | int) -> bool:
    return any(name == (field.alias or key) for key, field in section.model_fields.items())


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    """The sections that a type is made of: `Route` in ``tuple[Route, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from sections_in(part)


def locate(fault: Fault, root: Node) -> Problem:
    """``fault`` with line, column and dotted path."""
    node, place, walked = root, root.place, list[str]()
    for index, part in enumerate(fault.loc):
        child = node.child(part)
        if child is None and (isinstance(part, int) or node.members is None):
            continue  # one bare value, or a short form, where the schema has a list or a mapping
        walked.append(str(part))
        if child is None:
            break
        is_key = fault.at_key and index == len(fault.loc) - 1
        place = node.keys[str(part)] if is_key and node.members is not None else child.place
        node = child
    return Problem(*place, ".".join(walked), fault.message)
