"""The kinds of fields that the schema is made of.

A kind is written once and says three things: how a value is checked, which word the reference page has for it, and
what an editor may accept (JSON Schema). All values arrive as the YAML says them; nothing is coerced in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationInfo,
)
from pydantic_core import CoreSchema, core_schema

from gateway.core.types import Endpoint, KeySource
from gateway.settings import names, quantities
from gateway.settings.names import Address
from gateway.settings.quantities import show
from gateway.settings.scalars import settle

T = TypeVar("T")
Json = dict[str, Any]


class Section(BaseModel):
    """A mapping of the configuration: unknown fields are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    form: ClassVar[str] = ""
    """Where a field takes sections of several forms: the word for this one."""
    short: ClassVar[Json | None] = None
    """JSON Schema of the short form, if the section has one."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        written = handler(schema)
        if cls.short is not None:
            resolved = handler.resolve_ref_schema(written)
            whole = dict(resolved)
            resolved.clear()
            resolved.update({"anyOf": [cls.short, whole]})
        return written


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What the reference page and an editor know of a field's values."""

    word: str
    schema: Json

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> Json:
        return dict(self.schema)


class OneOrMany:
    """A list that may be written as one bare value."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


def _listed(value: object) -> object:
    if isinstance(value, tuple):
        return value
    return tuple(value) if isinstance(value, list) else (value,)


Many = Annotated[tuple[T, ...], OneOrMany()]


def text(check: Callable[[str], T], *, is_secret: bool = False) -> PlainValidator:
    """A validator of strings: others are refused with the advice to quote them."""

    def validate(value: object) -> T:
        if isinstance(value, str):
            return check(str(value))
        if isinstance(value, dict | list):
            raise ValueError(f"is {show(value)}; text is wanted")  # noqa: TRY004 - pydantic collects ValueErrors only
        if is_secret:
            raise ValueError("is not text; write it in quotes")
        raise ValueError(f'{show(value)} is not text; write it in quotes: "{show(value)}"')

    return PlainValidator(validate)


def whole(least: int, most: int) -> PlainValidator:
    """A validator of whole numbers between two bounds."""

    def validate(value: object) -> int:
        number = settle(value)
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            raise ValueError(f"{show(value)} is not allowed; write a whole number from {least} to {most}")
        return number

    return PlainValidator(validate)


def _positive_duration(value: object) -> float:
    seconds = quantities.parse_duration(value)
    if not seconds:
        raise ValueError("must be longer than nothing; write for example 1s")
    return seconds


def _switch(value: object) -> bool:
    settled = settle(value)
    if not isinstance(settled, bool):
        raise ValueError(f"{show(value)} is not allowed; write true or false")  # noqa: TRY004 - likewise
    return settled


def _filled(value: str) -> str:
    if not value or not value.isprintable():
        raise ValueError(f"{show(value)} is not allowed; write at least one character, and no control characters")
    return value


def _secret(value: str) -> str:
    if any(not "!" <= character <= "~" for character in value):
        raise ValueError("a token consists of visible ASCII characters, without blanks")
    return value


def _string(pattern: str | None = None) -> Json:
    return {"type": "string", "pattern": pattern} if pattern else {"type": "string"}


def _either(*schemas: Json) -> Json:
    return {"anyOf": list(schemas)}


def whole_kind(least: int, most: int) -> tuple[PlainValidator, Kind]:
    """What `Annotated` needs for a whole number between two bounds."""
    return whole(least, most), Kind("whole number", {"type": "integer", "minimum": least, "maximum": most})


_DURATION_KIND = Kind("duration", _string(quantities.DURATION_PATTERN))

Text = Annotated[str, text(_filled), Kind("text", {"type": "string", "minLength": 1})]
Secret = Annotated[str, text(_secret, is_secret=True), Kind("text", {"type": "string"})]
Name = Annotated[str, text(names.check_name), Kind("name", _string(names.NAME_PATTERN))]
Switch = Annotated[bool, PlainValidator(_switch), Kind("true or false", {"type": "boolean"})]
Duration = Annotated[float, PlainValidator(_positive_duration), _DURATION_KIND]
"""Seconds, more than 0."""
Patience = Annotated[float, PlainValidator(quantities.parse_duration), _DURATION_KIND]
"""Seconds, may be 0."""
Size = Annotated[
    int,
    PlainValidator(quantities.parse_size),
    Kind("size", _either({"type": "integer", "minimum": 0}, _string(quantities.SIZE_PATTERN))),
]
"""Bytes."""
Percent = Annotated[
    float,
    PlainValidator(quantities.parse_percent),
    Kind(
        "percentage",
        _either({"type": "number", "minimum": 0, "maximum": 100}, _string(quantities.PERCENT_PATTERN)),
    ),
]
"""From 0 to 100."""
Listening = Annotated[Address, text(Address), Kind("address", _string(names.ADDRESS_PATTERN))]
Network = Annotated[str, text(names.check_network), Kind("network", _string())]
Pattern = Annotated[str, text(names.check_pattern), Kind("path pattern", _string(names.PATH_PATTERN))]
Host = Annotated[str, text(names.check_host), Kind("host", _string())]
Method = Annotated[str, text(names.check_method), Kind("method", _string(names.TOKEN_PATTERN))]
HeaderName = Annotated[str, text(names.check_header_name), Kind("header name", _string(names.TOKEN_PATTERN))]
HeaderValue = Annotated[str, text(names.check_header_value), Kind("text", {"type": "string"})]
Source = Annotated[KeySource, text(names.parse_source), Kind("key source", _string())]
Alternative = Annotated[tuple[KeySource, ...], text(names.parse_alternative), Kind("key source", _string())]
Url = Annotated[Endpoint, text(names.parse_endpoint), Kind("URL", _string(names.URL_PATTERN))]


def _locate(value: str, info: ValidationInfo) -> str:
    """The file's absolute path; a relative one counts from the configuration's directory, which the context gives."""
    if info.context is None:
        return value
    path = Path(info.context["base_dir"], value)
    if not path.is_file():
        raise ValueError(f"there is no file {path}; the path is relative to the configuration")
    return str(path.absolute())


File = Annotated[str, text(_filled), AfterValidator(_locate), Kind("file", {"type": "string", "minLength": 1})]
"""A file, relative to the configuration; absolute once it is loaded."""
Own = Annotated[str, text(_filled), Kind("file", {"type": "string", "minLength": 1})]
"""A file that the gateway makes, relative to the directory that it is started in."""
