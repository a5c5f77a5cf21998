"""One table has everything that the API can do."""

from __future__ import annotations

import pytest

from gateway.admin.operations import OPERATIONS, Operation, fields
from gateway.admin.rollouts import PercentWish


def test_the_operations_of_this_version_are_all_there() -> None:
    """With the paths that users rely on."""
    assert {(operation.method, operation.path) for operation in OPERATIONS} == {
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/status"),
        ("GET", "/api/v1/routes"),
        ("GET", "/api/v1/stream"),
        ("GET", "/api/v1/rollouts"),
        ("GET", "/api/v1/rollouts/{name}"),
        ("PUT", "/api/v1/rollouts/{name}/percent"),
        ("DELETE", "/api/v1/rollouts/{name}/percent"),
        ("GET", "/api/v1/paths"),
        ("GET", "/api/v1/series"),
        ("GET", "/api/v1/events"),
        ("GET", "/api/v1/config"),
        ("POST", "/api/v1/config/validate"),
        ("POST", "/api/v1/config/reload"),
        ("POST", "/api/v1/explain"),
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_each_says_what_it_is_for(operation: Operation) -> None:
    """In the docstring of what answers it, which the description quotes."""
    assert (operation.answer.__doc__ or "").strip()
    assert operation.name


def test_a_body_is_needed_where_a_field_of_it_is() -> None:
    """Taking a percentage back needs no reason."""
    needs = {operation.name: operation.needs_body for operation in OPERATIONS}

    assert needs["set_percent"]
    assert not needs["unset_percent"]
    assert [field.name for field in fields(PercentWish) if field.required] == ["percent"]
