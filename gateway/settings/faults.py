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

from gateway.core.rules import BadRule
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
    offset: int | None = None
    """Of a text: which of its characters, from 0, is at fault."""


SWITCHABLE = frozenset({"failover", "breaker"})
"""What is on unless it is written ``off``."""


def describe(error: ValidationError) -> list[Fault]:
    """Every fault that the schema found."""
    return [_describe(details) for details in error.errors(include_url=False)]


def _describe(details: ErrorDetails) -> Fault:
    # "[key]" says that a mapping's key is at fault, "<…>" which form of a field was chosen: neither is in the document.
    schema_loc = tuple(part for part in details["loc"] if part != "[key]")
    loc = tuple(part for part in schema_loc if not _is_form(part))
    at_key = "[key]" in details["loc"] or details["type"] == "extra_forbidden"
    error = details.get("ctx", {}).get("error")
    if isinstance(error, BadRule):
        return Fault(loc, error.message, offset=error.column)
    return Fault(loc, _word(details, schema_loc), at_key)


def _is_form(part: str | int) -> bool:
    return str(part).startswith("<")


def _word(details: ErrorDetails, loc: Loc) -> str:
    match details["type"]:
        case "value_error":
            return str(details["ctx"]["error"])
        case "missing":
            return _word_missing(loc)
        case "extra_forbidden":
            return _word_unknown(str(loc[-1]), loc[:-1])
        case "literal_error":
            return _word_choice(details)
        case "dict_type" | "model_type" | "model_attributes_type":
            if show(details["input"]) == "false" and SWITCHABLE & set(loc[-2:]):
                return "false is not allowed; write `off`, or a mapping (`name: value`)"
            return f"is {show(details['input'])}; a mapping (`name: value`) is wanted"
    return details["msg"]


_EXAMPLES = {
    "version": "`version: 1`",
    "backends": "where the services are, `legacy: http://127.0.0.1:9001` under it",
    "routes": "which requests go where, `- {name: all, match: /**, backend: legacy}` under it",
}
"""What a file begins with."""


def _word_missing(loc: Loc) -> str:
    example = _EXAMPLES.get(str(loc[0])) if len(loc) == 1 else None
    return f"is missing; write {example}" if example else "is missing"


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
    known = [field.alias or key for key, field in section.model_fields.items()]
    return f"{show(name)} is not a known field{suggest(name, known) or '; known here: ' + ', '.join(known)}"


def _find_section(section: type[Section], path: Loc) -> type[Section] | None:
    """The section that stands at ``path`` below ``section``."""
    if not path:
        return section
    fields = {field.alias or name: field for name, field in section.model_fields.items()}
    for inner in sections_in(fields[str(path[0])].annotation):
        rest = _enter(inner, path[1:])
        found = None if rest is None else _find_section(inner, rest)
        if found:
            return found
    return None


def _enter(section: type[Section], path: Loc) -> Loc | None:
    """``path`` without what leads into ``section`` (index or name, and form); None when it leads into another form."""
    if path and not _is_form(path[0]) and not _has_field(section, path[0]):
        path = path[1:]
    if not path or not _is_form(path[0]):
        return path
    return path[1:] if section.form in {"", str(path[0]).strip("<>")} else None


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
    (line, column), message = place, fault.message
    if fault.offset is not None:
        if node.inset is None:
            message = f"{message} (at character {fault.offset + 1})"
        else:
            column += node.inset + fault.offset
    return Problem(line, column, ".".join(walked), message)
