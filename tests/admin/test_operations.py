"""The table of operations."""

from __future__ import annotations

import inspect
from collections import Counter

from gateway.admin.operations import OPERATIONS
from gateway.admin.rollouts import set_percent, unset_percent

# What the contract names of this version: method and path.
CONTRACT = """
GET /healthz
GET /readyz
GET /metrics
GET /api/v1/status
GET /api/v1/fleet
GET /api/v1/routes
GET /api/v1/stream
GET /api/v1/overview
GET /api/v1/rollouts
GET /api/v1/rollouts/{name}
GET /api/v1/rollouts/{name}/impact
PUT /api/v1/rollouts/{name}/percent
DELETE /api/v1/rollouts/{name}/percent
POST /api/v1/rollouts/{name}/start
POST /api/v1/rollouts/{name}/pause
POST /api/v1/rollouts/{name}/resume
POST /api/v1/rollouts/{name}/promote
POST /api/v1/rollouts/{name}/step-back
POST /api/v1/rollouts/{name}/rollback
POST /api/v1/rollouts/{name}/reconcile
GET /api/v1/paths
GET /api/v1/series
GET /api/v1/mismatches
DELETE /api/v1/mismatches
GET /api/v1/events
GET /api/v1/incidents
GET /api/v1/incidents/{id}
GET /api/v1/config
POST /api/v1/config/reload
POST /api/v1/config/validate
POST /api/v1/explain
"""


def test_the_operations_are_those_of_the_contract() -> None:
    """Paths may be added, never renamed."""
    assert [f"{each.method} {each.path}" for each in OPERATIONS] == CONTRACT.split("\n")[1:-1]


def test_every_operation_has_a_name_of_its_own() -> None:
    """Programs are generated from them."""
    assert max(Counter(operation.name for operation in OPERATIONS).values()) == 1


def test_every_operation_is_given_what_it_asks_for() -> None:
    """The function's second argument is the query or the body that the table names; there is never both."""
    for operation in OPERATIONS:
        asked = [shape for shape in (operation.query, operation.body) if shape is not None]
        names = list(inspect.signature(operation.answer).parameters)[1:]
        module = inspect.getmodule(operation.answer)

        assert len(names) == len(asked) <= 1, operation.name
        for name, shape in zip(names, asked, strict=True):
            annotation = inspect.signature(operation.answer).parameters[name].annotation
            assert getattr(module, annotation) is shape, operation.name


def test_a_body_is_needed_when_one_of_its_fields_is() -> None:
    """A percentage can't be left out; the reason for giving it back can."""
    needs = {operation.answer: operation.needs_body for operation in OPERATIONS}

    assert needs[set_percent]
    assert not needs[unset_percent]
    assert sum(needs.values()) == 2
