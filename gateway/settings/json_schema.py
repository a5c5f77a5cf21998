"""The JSON Schema of the configuration, for editors: completion, documentation under the pointer, and first checks.

In the words of draft 7, which every YAML language server knows. It accepts all that the loader accepts: lists written
as one bare value, short forms, percentages with their sign, and an environment variable in place of any value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticUndefined, core_schema

from gateway.settings.faults import sections_in
from gateway.settings.fields import Json, Section
from gateway.settings.schema import Config
from gateway.settings.wording import format_default

DIALECT = "http://json-schema.org/draft-07/schema#"
_ENVIRONMENT: Json = {"$ref": "#/definitions/environment"}
_NESTED = {"properties", "items", "anyOf", "oneOf", "allOf", "$ref", "additionalProperties", "patternProperties"}
_ANNOTATIONS = ("description", "default")


def render_schema() -> str:
    """The schema as indented JSON."""
    return json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n"


def build_schema() -> Json:
    """The schema as a document."""
    generated = Config.model_json_schema(ref_template="#/definitions/{model}", schema_generator=_Generator)
    definitions = generated.pop("$defs")
    for section in walk_sections(Config):
        _add_defaults(section, definitions.get(section.__name__, generated))
    environment = {"type": "string", "pattern": r"\$\{", "description": "Takes environment variables: ${NAME:-default}"}
    return {
        "$schema": DIALECT,
        "title": "Crossfade configuration",
        **_adapt(generated),
        "definitions": {
            **{name: _adapt(definitions[name]) for name in sorted(definitions)},
            "environment": environment,
        },
    }


class _Generator(GenerateJsonSchema):
    """pydantic's, without its defaults: those are seconds and bytes, which nobody may write."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """An empty value is never allowed: a field is written or left out."""
        return self.generate_inner(schema["schema"])


def walk_sections(section: type[Section]) -> Iterator[type[Section]]:
    """``section`` and all sections below it, each once."""
    yield section
    seen: set[type[Section]] = set()
    pending = [section]
    while pending:
        inner = [part for field in pending.pop().model_fields.values() for part in sections_in(field.annotation)]
        fresh = [part for part in dict.fromkeys(inner) if part not in seen]
        seen.update(fresh)
        pending += fresh
        yield from fresh


def _add_defaults(section: type[Section], definition: Json) -> None:
    whole = next((form for form in definition.get("anyOf", ()) if "properties" in form), definition)
    for name, field in section.model_fields.items():
        default = _default(field)
        if default is not None:
            whole["properties"][field.alias or name]["default"] = default


def _default(field: FieldInfo) -> Any:
    if field.default in (PydanticUndefined, None) or isinstance(field.default, Section):
        return None
    return format_default(field)


def _adapt(schema: Json) -> Json:
    """The schema in draft 7's words, accepting environment variables; generated titles are dropped."""
    kept = {key: _adapt_keyword(key, value) for key, value in schema.items() if key not in {"title", "discriminator"}}
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    inner = {key: value for key, value in kept.items() if key not in _ANNOTATIONS}
    notes = {key: value for key, value in kept.items() if key in _ANNOTATIONS}
    if "$ref" in inner and notes:
        return {"allOf": [inner], **notes}  # draft 7 ignores what stands beside a $ref
    return {"anyOf": [inner, _ENVIRONMENT], **notes} if _is_restricted_scalar(inner) else kept


def _is_restricted_scalar(schema: Json) -> bool:
    """Whether a reference to an environment variable could be refused as a value."""
    if not schema or _NESTED & schema.keys() or schema == {"type": "string"}:
        return False
    return schema.get("type") not in {"object", "array"}


def _adapt_keyword(key: str, value: Any) -> Any:
    if key in {"properties", "patternProperties"}:
        return {name: _adapt(schema) for name, schema in value.items()}
    if key in {"anyOf", "oneOf", "allOf"}:
        return [_adapt(schema) for schema in value]
    if key in {"items", "additionalProperties"} and isinstance(value, dict):
        return _adapt(value)
    return value
