"""Reading what a call asks: its query or its JSON body, as the struct that the operation names.

Fields that are unknown, missing or of another kind are refused with 422 and the field's name, so that a mistyped field
is never taken for a wish that was heard.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeVar, get_args, get_origin

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.admin.problems import Declined
from gateway.errors import BadValue
from gateway.settings.names import suggest
from gateway.settings.quantities import parse_duration

JSON_LIMIT_BYTES: Final = 256 * 1024
"""Of a JSON body: several times the largest head that anyone would ask to have explained."""
TEXT_LIMIT_BYTES: Final = 16 * 1024 * 1024
"""Of a configuration's text: 10,000 routes are about 2 MiB."""

DEFAULT_WINDOW: Final = "5m"
SHORTEST_WINDOW_SECONDS: Final = 1.0
LONGEST_WINDOW_SECONDS: Final = 86400.0
"""Figures are kept for a day."""

# Whole numbers of a unit from 1s to 24h, for readers of the API's description; fractions such as 1.5h are taken, too.
_WINDOW_PATTERN: Final = (
    r"^(([1-9][0-9]{0,3}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2}|86400)s"
    r"|([1-9][0-9]{0,2}|1[0-3][0-9]{2}|14[0-3][0-9]|1440)m"
    r"|([1-9]|1[0-9]|2[0-4])h|1d)$"
)

Asked = TypeVar("Asked", bound=msgspec.Struct)

Reason = Annotated[str, Meta(max_length=1000)]
Version = Annotated[float, Meta(ge=0, multiple_of=1)] | None
"""A whole number; in JSON 7.0 is one, too (JSON Schema, section 4.2.3)."""
Window = Annotated[str, Meta(extra_json_schema={"pattern": _WINDOW_PATTERN})]


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of everything that a call may ask."""


def read_query(request: web.Request, shape: type[Asked]) -> Asked:
    """The query of a call. Raises BadValue."""
    found: dict[str, str] = {}
    for name, value in request.query.items():
        if name in found:
            raise BadValue(name, "given more than once")
        found[name] = value
    try:
        return msgspec.convert(found, shape, strict=False)
    except msgspec.ValidationError as error:
        raise explain_fault(error, shape) from error


def refuse_query(request: web.Request) -> None:
    """Raises BadValue for a query where the wish is a body: `?force=true` would be heard by nobody."""
    for name in request.query:
        raise BadValue(name[:100], "is not taken from the query; write it into the JSON body")


async def read_body(request: web.Request, shape: type[Asked]) -> Asked:
    """The JSON body of a call; without one, an object that says nothing.

    Raises BadValue for a field that is wrong, and Declined: 400 for what is not JSON, 413 for too much of it, 415 for
    another content type.
    """
    content = await read_bytes(request, JSON_LIMIT_BYTES)
    if content and request.content_type != "application/json":
        raise Declined(415, "the body must be JSON, with the header 'Content-Type: application/json'")
    try:
        return msgspec.json.decode(content or b"{}", type=shape)
    except msgspec.ValidationError as error:
        raise explain_fault(error, shape) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Declined(400, f"the body is not JSON: {error}") from error


async def read_bytes(request: web.Request, limit_bytes: int) -> bytes:
    """The body of a call, unpacked.

    Raises Declined: 413 as soon as it is longer than ``limit_bytes``, 400 where it is not packed as it says.
    """
    content = bytearray()
    try:
        async for chunk in request.content.iter_any():
            content += chunk
            if len(content) > limit_bytes:
                raise Declined(413, f"the body is longer than {limit_bytes} bytes")
    except web.RequestPayloadError as error:
        raise Declined(400, "the body can't be unpacked: it is not what its Content-Encoding says") from error
    return bytes(content)


def read_window(window: str, field: str = "window") -> float:
    """The seconds of a trailing window, or of another span that ``field`` gives. Raises BadValue."""
    try:
        seconds = parse_duration(window)
    except ValueError as error:
        raise BadValue(field, str(error)) from error
    if not SHORTEST_WINDOW_SECONDS <= seconds <= LONGEST_WINDOW_SECONDS:
        raise BadValue(field, f"`{window}` is not a {field}; from 1s to 24h is allowed")
    return seconds


def explain_fault(error: msgspec.ValidationError, shape: type[msgspec.Struct]) -> BadValue:
    """What is wrong, and with which field, in words of the API's."""
    complaint, _, place = str(error).partition(" - at `")
    field = re.sub(r"^(key in )?`?\$\.?", "", place).rstrip("`")
    named = re.search(r"(unknown|missing required) field `(.*)`$", complaint, re.DOTALL)
    if named is None:
        return BadValue(field or "body", f"{_word(complaint)}{_list_allowed(shape, field)}")
    field = f"{field}.{named[2]}" if field else named[2]
    if named[1] == "missing required":
        return BadValue(field, "is required")
    return BadValue(field[:100], f"unknown field{suggest(named[2], shape.__struct_encode_fields__)}")


_KINDS: Final = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "text",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}

_WRONG_KIND: Final = re.compile(r"Expected `([a-z |]+)`, got `([a-z]+)`")
_WRONG_CHOICE: Final = re.compile(r"Invalid enum value '?(.*?)'?", re.DOTALL)
_OUT_OF_BOUNDS: Final = re.compile(r"Expected `[a-z]+` (of length )?([<>]=?) ([0-9.]+?)(?:\.0)?")


def _word(complaint: str) -> str:
    """What msgspec says of a value, in words of JSON's instead of Python's."""
    if kinds := _WRONG_KIND.fullmatch(complaint):
        wanted, found = (" or ".join(_KINDS.get(kind, kind) for kind in names.split(" | ")) for names in kinds.groups())
        return f"must be {wanted}, not {found}"
    if choice := _WRONG_CHOICE.fullmatch(complaint):
        return f"`{choice[1]}` is not allowed"
    if bound := _OUT_OF_BOUNDS.fullmatch(complaint):
        unit = " characters long" if bound[1] else ""
        return "must not be empty" if unit and bound[2] == ">=" else f"must be {_BOUNDS[bound[2]]} {bound[3]}{unit}"
    if complaint.endswith("a multiple of 1.0"):
        return "must be a whole number"
    return f"{complaint[:1].lower()}{complaint[1:]}"


def _list_allowed(shape: type[msgspec.Struct], field: str) -> str:
    """The values that a field of ``shape`` may have, where they can be listed."""
    kinds = [each.type for each in msgspec.structs.fields(shape) if each.encode_name == field]
    choices = [choice for kind in kinds for choice in (kind, *get_args(kind))]
    values = [value for choice in choices if get_origin(choice) is Literal for value in get_args(choice)]
    return f"; write one of {', '.join(map(str, values))}" if values else ""
