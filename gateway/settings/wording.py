"""Fields as people see them: the kind of value in words, and the default as they would write it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from gateway.core.plans import Rule
from gateway.settings.fields import Kind, OneOrMany, Section
from gateway.settings.quantities import format_duration, format_number, format_size

_FORMATS: dict[str, Callable[[Any], str]] = {
    "duration": format_duration,
    "size": format_size,
    "percentage": format_number,
    "percentage, or `none`": format_number,
}


def format_default(field: FieldInfo) -> Any:
    """The default as one would write it in YAML: ``10s``, ``["/**"]``."""
    kind = find_kind(field)
    return _format(field.default, kind.word if kind else "")


def _format(value: Any, word: str) -> Any:
    if isinstance(value, Section):
        return _format_section(value)
    if isinstance(value, tuple):
        items = [_format(item, word) for item in value]
        return items[0] if len(items) == 1 else items
    if word in _FORMATS and isinstance(value, int | float):
        text = _FORMATS[word](value)
        return int(text) if text.isdecimal() else text
    if isinstance(value, Rule):
        return value.text
    return str(value) if isinstance(value, str) else value


def _format_section(section: Section) -> Any:
    """The short form when there is only one field, as with a listener that has just an address."""
    fields = type(section).model_fields
    kinds = {name: find_kind(field) for name, field in fields.items()}
    written = {
        fields[name].alias or name: _format(value, kind.word if (kind := kinds[name]) else "")
        for name, value in section
        if value is not None
    }
    return next(iter(written.values())) if len(written) == 1 else written


def find_kind(field: FieldInfo) -> Kind | None:
    """The kind of a field's values, or of its list's items."""
    return next(_kinds(field.annotation, field.metadata), None)


def _kinds(annotation: Any, metadata: Iterable[Any]) -> Iterator[Kind]:
    yield from (part for part in metadata if isinstance(part, Kind))
    for argument in get_args(annotation):
        yield from _kinds(argument, getattr(argument, "__metadata__", ()))


def word_type(field: FieldInfo) -> str:
    """What may be written, in words: ``duration``; ``one or a list of: path pattern``."""
    return _word(field.annotation, field.metadata)


def _word(annotation: Any, metadata: Iterable[Any]) -> str:
    marks = list(metadata)
    kind = next((mark for mark in marks if isinstance(mark, Kind)), None)
    if kind:
        return kind.word
    if get_origin(annotation) is Literal:
        return " \\| ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) is tuple:
        item = _word_argument(get_args(annotation)[0])
        return f"{item}, or a list" if any(isinstance(mark, OneOrMany) for mark in marks) else f"list of {item}s"
    if get_origin(annotation) is dict:
        key, value = get_args(annotation)
        return f"mapping: {_word_argument(key)} → {_word_argument(value)}"
    if isinstance(annotation, type):
        return "mapping" if issubclass(annotation, Section) else annotation.__name__
    words = (_word_argument(part) for part in get_args(annotation) if part is not type(None))
    return " or ".join(dict.fromkeys(words))


def _word_argument(argument: Any) -> str:
    metadata = getattr(argument, "__metadata__", ())
    return _word(argument.__origin__ if metadata else argument, metadata)
