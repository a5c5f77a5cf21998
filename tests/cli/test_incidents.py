"""Incidents on a terminal; against a running gateway in the end-to-end tests."""

from __future__ import annotations

import msgspec
import pytest

from gateway.admin.incidents import IncidentList, IncidentRow
from gateway.cli.admin import Admin
from gateway.cli.incidents import command, list_rows
from gateway.errors import CommandError
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


def test_a_rollout_that_there_is_not_has_no_incidents_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped name must not look like one that was never rolled back."""

    def get(_admin: Admin, path: str, _query: object = None) -> bytes:
        if path == "/api/v1/incidents":
            return b'{"items":[],"next":null}'
        raise CommandError("there is no rollout `nope`")

    monkeypatch.setattr(Admin, "get", get)
    with pytest.raises(CommandError, match="there is no rollout `nope`"):
        command.main(["--rollout", "nope", "--json"], standalone_mode=False)
