"""Events and incidents have the API's shape from the beginning."""

from __future__ import annotations

import msgspec

from gateway.store.records import Event, Incident
from tests.store.records import event, incident


def test_an_event_is_told_with_from_and_to() -> None:
    """The names that Python does not allow."""
    document = msgspec.to_builtins(Event(id=7, **msgspec.structs.asdict(event())))

    assert set(document) == {
        "id", "time", "rollout", "kind", "actor", "from", "to", "reason", "inputs", "revision"
    }  # fmt: skip
    assert document["from"] == {"state": "running", "percent": 5}
    assert document["actor"] == {"type": "operator", "name": "ada"}


def test_an_incident_has_the_fields_of_the_contract() -> None:
    """And comes back from JSON as it was."""
    encoded = msgspec.json.encode(incident())

    assert list(msgspec.json.decode(encoded)) == [
        "id", "rollout", "rule", "time", "stage", "percent_before", "values", "paths", "samples", "events",
        "has_journal", "window_s",
    ]  # fmt: skip
    assert msgspec.json.decode(encoded, type=Incident) == incident()
