"""The API described in OpenAPI 3.1, made from the table of operations and the structs that they read and write.

The texts are the docstrings of the code. Whether a token is asked for is the gateway's configuration, so the document
says what holds for the one that serves it.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from gateway import __version__
from gateway.admin.control import OPERATOR_HEADER
from gateway.admin.guard import SAFE_METHODS
from gateway.admin.operations import OPERATIONS, Operation, Shape, fields
from gateway.admin.problems import PROBLEM_TYPE, ProblemDocument

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from gateway.admin.control import Call

_SCHEMAS: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
_SECURITY: Final = "token"
_TEXT_TYPE: Final = "application/yaml"
_MEANINGS: Final = {
    400: "The body is not what its headers say: JSON, packed or plain.",
    401: "The token is missing or wrong.",
    403: "Without a token, a Host that is not loopback; or a write that a page of another site asks for.",
    404: "What is named does not exist.",
    409: "Not in this state.",
    413: "The body is too long.",
    415: "The body's content type is not JSON.",
    422: "A field of what is asked is wrong; `field` names it.",
    503: "Not now: no configuration yet, a worker lags, or the store can't be written.",
}

Json = dict[str, Any]


class ApiDocument(msgspec.Struct, frozen=True):
    """An OpenAPI document."""

    openapi: str
    info: dict[str, object]
    paths: dict[str, object]
    components: dict[str, object]


async def show_api(call: Call) -> web.Response:
    """This description, as it holds for this gateway."""
    control = call.control
    body = describe_api(control.open_paths, has_token=bool(control.configuration.admin_token))
    return web.Response(body=body, content_type=_JSON, headers={"Cache-Control": "no-store"})


EVERYTHING: Final = (
    *OPERATIONS,
    Operation(method="GET", path="/openapi.json", answer=show_api, tag="gateway", gives=ApiDocument),
)


@cache
def describe_api(open_paths: frozenset[str], *, has_token: bool) -> bytes:
    """The document, as JSON, for a gateway that asks for a token or not."""
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Crossfade admin API",
            "version": __version__,
            "description": inspect.cleandoc(_INTRODUCTION),
        },
        "paths": _describe_paths(open_paths, has_token=has_token),
        "components": {"schemas": describe_shapes(_list_shapes())},
    }
    if has_token:
        scheme = {"type": "http", "scheme": "bearer", "description": "The configuration's `admin.token`."}
        document["components"]["securitySchemes"] = {_SECURITY: scheme}
    return msgspec.json.encode(document)


_INTRODUCTION: Final = """
    Percentages are from 0 to 100, rates from 0 to 1, latencies in milliseconds, times RFC 3339 in UTC; what is
    unknown is null. Lists are `{items, next}`. Errors are problem documents (RFC 9457). Fields may be added, never
    renamed.
    """


def _describe_paths(open_paths: AbstractSet[str], *, has_token: bool) -> Json:
    described: Json = {}
    for operation in EVERYTHING:
        is_open = operation.path in open_paths
        described.setdefault(operation.path, {})[operation.method.lower()] = describe_operation(
            operation, is_open=is_open, has_token=has_token
        )
    return described


def describe_operation(operation: Operation, *, is_open: bool, has_token: bool) -> Json:
    """An operation object (OpenAPI 3.1, section 4.8.10)."""
    summary, _, description = inspect.getdoc(operation.answer).partition("\n\n")  # type: ignore[union-attr]
    described: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": " ".join(summary.split()).rstrip("."),
        "description": " ".join(description.split()) or summary,
        "parameters": list(_list_parameters(operation)),
        "responses": _describe_responses(operation, is_open=is_open, has_token=has_token),
    }
    if operation.body is not None:
        described["requestBody"] = _describe_body(operation, _describe_json(operation.body))
    if operation.text:
        described["requestBody"] = _describe_body(operation, {_TEXT_TYPE: {"schema": {"description": "Any YAML."}}})
    if has_token and not is_open:
        described["security"] = [{_SECURITY: []}]
    return described


def _describe_body(operation: Operation, content: Json) -> Json:
    return {"required": operation.needs_body, "content": content}


def _list_parameters(operation: Operation) -> Iterable[Json]:
    for name in re.findall(r"{(\w+)}", operation.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    if operation.query is not None:
        described = describe_shapes([operation.query])[operation.query.__name__]
        for field in fields(operation.query):
            schema = described["properties"][field.encode_name]
            description = schema.pop("description", "")
            named = {"name": field.encode_name, "in": "query", "description": description, "schema": schema}
            yield named | {"required": True} if field.required else named
    if operation.method not in SAFE_METHODS and operation.tag in {"rollouts", "mismatches"}:
        description = "Who acts, for the audit log: up to 100 printable ASCII characters; else it is the address."
        yield {"name": OPERATOR_HEADER, "in": "header", "description": description, "schema": {"type": "string"}}


def _describe_responses(operation: Operation, *, is_open: bool, has_token: bool) -> Json:
    described: Json = {}
    for status in list_refusals(operation, is_open=is_open, has_token=has_token):
        content = _describe_json(ProblemDocument, PROBLEM_TYPE)
        described[str(status)] = {"description": _MEANINGS[status], "content": content}
    gives = operation.gives
    good = _describe_texts(gives) if isinstance(gives, tuple) else _describe_json(gives)
    good |= _describe_texts(operation.gives_text)
    for status in (200, *operation.also_gives):
        other = described.get(str(status), {"content": {}})
        text = "As asked." if status == 200 else "Not so, and why."  # noqa: PLR2004 - HTTP's OK
        described[str(status)] = {"description": text, "content": other["content"] | good}
    return dict(sorted(described.items()))


def list_refusals(operation: Operation, *, is_open: bool, has_token: bool) -> list[int]:
    """The statuses of all problem documents that an operation may answer with."""
    statuses = {*operation.refuses}
    if not is_open:
        statuses |= {401, 403} if has_token else {403}
    if operation.query is not None or operation.body is not None:
        statuses.add(422)
    if operation.body is not None:
        statuses |= {400, 413, 415}
    if operation.text:
        statuses |= {400, 413}
    return sorted(statuses)


def _list_shapes() -> list[Shape]:
    shapes = {operation.gives for operation in EVERYTHING if not isinstance(operation.gives, tuple)}
    bodies = {operation.body for operation in EVERYTHING if operation.body is not None}
    return sorted({*shapes, *bodies, ProblemDocument}, key=lambda shape: shape.__name__)


def _describe_texts(media_types: Iterable[str]) -> Json:
    return {media_type: {"schema": {"type": "string"}} for media_type in media_types}


def _describe_json(shape: Shape, media_type: str = _JSON) -> Json:
    return {media_type: {"schema": {"$ref": _SCHEMAS.format(name=shape.__name__)}}}


# Shapes.


def describe_shapes(shapes: Iterable[Shape]) -> Json:
    """The JSON Schemas of structs and of what they are made of, by name; each field with its docstring."""
    known = {struct.__name__: struct for shape in shapes for struct in _walk(shape)}
    _, schemas = msgspec.json.schema_components(known.values(), schema_hook=_describe_any, ref_template=_SCHEMAS)
    for name, schema in schemas.items():
        schema.pop("title", None)
        if "description" in schema:
            schema["description"] = _say_plainly(schema["description"])
        for field, text in read_field_docs(known[name]).items() if name in known else ():
            schema["properties"].get(field, {})["description"] = text
    return schemas


def _describe_any(_unshaped: type) -> Json:
    """`object` stands for any JSON."""
    return {"description": "Any JSON."}


def _walk(shape: Shape) -> Iterable[Shape]:
    """A struct and all that it is made of."""
    for found in msgspec.inspect.multi_type_info([shape]):
        yield from _walk_type(found)


def _walk_type(found: msgspec.inspect.Type) -> Iterable[Shape]:
    match found:
        case msgspec.inspect.StructType():
            yield found.cls
            for field in found.fields:
                yield from _walk_type(field.type)
        case msgspec.inspect.ListType():
            yield from _walk_type(found.item_type)
        case msgspec.inspect.UnionType():
            for part in found.types:
                yield from _walk_type(part)
        case _:
            return


@cache
def read_field_docs(shape: Shape) -> dict[str, str]:
    """What the string below each field of a struct says; nothing where its source is not at hand."""
    texts: dict[str, str] = {}
    for base in reversed(shape.__mro__[:-2]):
        if base.__module__.startswith("gateway."):
            texts |= _read_class_docs(base)
    return texts


def _say_plainly(text: str) -> str:
    """A docstring as readers of JSON expect it: on one line, in Markdown."""
    return re.sub(r"\bNone\b", "null", " ".join(text.replace("``", "`").split()))


def _read_class_docs(shape: type) -> dict[str, str]:
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(shape))).body
    except (OSError, SyntaxError):
        return {}
    texts: dict[str, str] = {}
    for statement, following in pairwise(tree.body):  # type: ignore[attr-defined]
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = _say_plainly(text)
    return texts
