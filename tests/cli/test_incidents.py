"""Incidents on a terminal; against a running gateway in the end-to-end tests."""

from __future__ import annotations

import msgspec

from gateway.admin.incidents import IncidentList, IncidentRow
from gateway.cli.incidents import list_rows
from gateway.store.records import Incident
from tests.control.rollbacks import incident, rollback


def rows(*incidents: Incident) -> list[tuple[object, ...]]:
    """As they come over the API."""
    items = [msgspec.convert(msgspec.to_builtins(each), IncidentRow) for each in incidents]
    return list(list_rows(IncidentList(items, None)))


def test_a_row_says_when_what_from_where_and_why() -> None:
    """In the units that people read."""
    assert rows(incident()) == [
        (
            "20261121-101500-checkout",
            "2026-11-21T10:15:00.000Z",
            "checkout",
            2,
            "50 %",
            "error_rate > 5% for 10m, route orders",
            "24 %",
            "5 %",
        )
    ]


def test_a_persons_rollback_has_no_rule() -> None:
    """And so no value and no bound."""
    (row,) = rows(incident(transition=rollback(None)))

    assert row[5:] == ("(an operator)", None, None)
