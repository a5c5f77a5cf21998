"""Events have the API's shape from the beginning."""

from __future__ import annotations

import msgspec

from gateway.store.records import Event
from tests.store.records import event


def test_an_event_is_told_with_from_and_to() -> None:
    """The names that Python does not allow."""
    document = msgspec.to_builtins(Event(id=7, **msgspec.structs.asdict(event())))

    assert set(document) == {
        "id", "time", "rollout", "kind", "actor", "from", "to", "reason", "inputs", "revision"
    }  # fmt: skip
    assert document["from"] == {"state": "running", "percent": 5}
    assert document["actor"] == {"type": "operator", "name": "ada"}
