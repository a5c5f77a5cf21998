"""The API's description is whole, right, and made from the code."""

from __future__ import annotations

from pathlib import Path

import msgspec
from jsonschema import Draft202012Validator

from gateway.admin.openapi import EVERYTHING, describe_api, describe_shapes, read_field_docs
from gateway.admin.rollouts import RolloutView
from gateway.admin.status import StatusView
from tests.admin.desk import desk

DOCUMENT = msgspec.json.decode(describe_api(frozenset({"/healthz"}), has_token=True))
OPEN = msgspec.json.decode(describe_api(frozenset({"/healthz"}), has_token=False))


def test_every_operation_is_described_once() -> None:
    """By a name of its own, with a sentence for people."""
    described = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]

    assert len(described) == len(EVERYTHING)
    assert len({operation["operationId"] for operation in described}) == len(EVERYTHING)
    assert all(operation["summary"] and not operation["summary"].endswith(".") for operation in described)


def test_every_shape_is_a_schema_whose_references_lead_somewhere() -> None:
    """And each is valid JSON Schema."""
    schemas = DOCUMENT["components"]["schemas"]
    references = [line.split('"')[0] for line in msgspec.json.encode(DOCUMENT).decode().split('"$ref":"')[1:]]

    assert {reference.removeprefix("#/components/schemas/") for reference in references} <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_fields_are_described_by_their_docstrings() -> None:
    """So the code and the document can't say different things."""
    assert read_field_docs(StatusView)["ready"] == "Whether every worker serves the newest configuration."
    assert describe_shapes([RolloutView])["RolloutView"]["properties"]["percent"]["description"] == (
        "The share in force now."
    )


def test_a_token_is_asked_for_where_it_is() -> None:
    """The document of a gateway without one does not speak of it."""
    paths = DOCUMENT["paths"]
    assert paths["/api/v1/status"]["get"]["security"] == [{"token": []}]
    assert "security" not in paths["/healthz"]["get"]
    assert {"401", "403"} <= set(paths["/api/v1/rollouts/{name}/percent"]["put"]["responses"])
    assert "securitySchemes" not in OPEN["components"]
    assert "401" not in OPEN["paths"]["/api/v1/status"]["get"]["responses"]


async def test_the_document_is_served(tmp_path: Path) -> None:
    """As OpenAPI 3.1."""
    async with desk(tmp_path) as (_, client):
        reply = await client.get("/openapi.json")

    assert (reply.status, reply.json["openapi"]) == (200, "3.1.0")
    assert reply.json["paths"].keys() == DOCUMENT["paths"].keys()
