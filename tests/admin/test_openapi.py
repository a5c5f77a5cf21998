"""The API's description."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from gateway.admin.openapi import EVERYTHING, describe_api, describe_shapes, list_refusals, read_field_docs
from gateway.admin.rollouts import PercentWish
from gateway.core.explanation import Explanation
from gateway.store.records import Event
from tests.admin.desk import desk

PROBES = frozenset({"/healthz", "/readyz"})


def document(*, has_token: bool) -> Any:
    """The description of a gateway."""
    return json.loads(describe_api(PROBES, has_token=has_token))


def walk(part: Any) -> list[Any]:
    """Everything that a document is made of."""
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return [part, *(deeper for each in inner for deeper in walk(each))]


def test_every_operation_is_described() -> None:
    """With what it is for, in a sentence, and all its answers."""
    described = document(has_token=True)["paths"]

    assert sum(len(operations) for operations in described.values()) == len(EVERYTHING)
    for operation in EVERYTHING:
        shown = described[operation.path][operation.method.lower()]
        assert shown["operationId"] == operation.name
        assert shown["summary"]
        assert {int(status) for status in shown["responses"]} == {
            200,
            *operation.also_gives,
            *list_refusals(operation, is_open=operation.path in PROBES, has_token=True),
        }


@pytest.mark.parametrize("has_token", [True, False])
def test_the_token_is_described_where_it_is_asked_for(has_token: bool) -> None:
    """On a gateway that has one, and not for what is open."""
    described = document(has_token=has_token)
    guarded = [path for path, operations in described["paths"].items() if "security" in next(iter(operations.values()))]

    assert ("securitySchemes" in described["components"]) == has_token
    assert set(guarded) == (set(described["paths"]) - PROBES if has_token else set())


def test_every_reference_leads_somewhere() -> None:
    """And every shape is a JSON Schema."""
    described = document(has_token=True)
    references = {part["$ref"] for part in walk(described) if isinstance(part, dict) and "$ref" in part}
    schemas = described["components"]["schemas"]

    assert references <= {f"#/components/schemas/{name}" for name in schemas}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_a_field_is_described_by_what_stands_below_it() -> None:
    """In the code, and in what the struct is derived from."""
    docs = read_field_docs(Event)

    assert docs["id"] == "Grows from event to event, and is never used twice."
    assert "time" in docs
    assert "null when it passes" in read_field_docs(Explanation)["path"]
    percent = describe_shapes([PercentWish])["PercentWish"]["properties"]
    assert percent["reason"]["description"] == "For the audit log."
    assert (percent["percent"]["minimum"], percent["percent"]["maximum"]) == (0, 100)


def test_no_shape_is_called_like_another() -> None:
    """The name is all that a reference has."""
    shapes = {shape for operation in EVERYTHING for shape in (operation.gives, operation.body, operation.query)}
    names = [shape.__name__ for shape in shapes if isinstance(shape, type) and issubclass(shape, msgspec.Struct)]

    assert len(names) == len(set(names))


def test_texts_are_plain() -> None:
    """Readers of JSON see no reStructuredText, and no Python."""
    texts = [part for part in walk(document(has_token=True)) if isinstance(part, str)]

    assert [text for text in texts if "``" in text or re.search(r"\bNone\b", text)] == []


async def test_the_description_is_served(tmp_path: Path) -> None:
    """As it holds for this gateway."""
    async with desk(tmp_path) as (_, client):
        served = (await client.get("/openapi.json")).json

        assert served["openapi"] == "3.1.0"
        assert served == document(has_token=False)


def test_what_a_query_needs_is_described_as_required() -> None:
    """A client is told before it is refused."""
    clear = document(has_token=False)["paths"]["/api/v1/mismatches"]["delete"]

    assert [each["name"] for each in clear["parameters"] if each.get("required")] == ["route"]
