from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import TypeAdapter

from gateway.settings.fields import Section
from gateway.settings.json_schema import walk_sections
from gateway.settings.schema import Config, Rollout, Route, Server
from gateway.settings.schema.backends import BackendTimeouts
from gateway.settings.schema.plans import QueryGuard
from gateway.settings.schema.server import ServerLimits
from gateway.settings.schema.shadowing import Compare, Journal, Shadow
from gateway.settings.wording import find_kind, format_default, word_type


@pytest.mark.parametrize(
    ("section", "name", "words", "default"),
    [
        (Server, "trusted_proxies", "network, or a list", "127.0.0.0/8"),
        (Server, "listen", "mapping, or a list", "0.0.0.0:8080"),
        (Server, "access_log", r"`off` \| `errors` \| `all`", "errors"),
        (Server, "expose", "true or false", False),
        (ServerLimits, "header_bytes", "size", "32KiB"),
        (ServerLimits, "body", "size", 0),
        (BackendTimeouts, "tunnel", "duration", "1h"),
        (Rollout, "percent", "percentage", 0),
        (Rollout, "cohorts", "mapping, or a list", []),
        (Rollout, "gates", "mapping, or a list", []),
        (Rollout, "confidence", "percentage, or `none`", 95),
        (QueryGuard, "interval", "duration", "30s"),
        (Shadow, "methods", "method, or a list", ["GET", "HEAD"]),
        (Shadow, "body", "size", "256KiB"),
        (Compare, "tolerance", "mapping: JSONPath → number or percentage", {}),
        (Journal, "keep", "duration", "7d"),
    ],
)
def test_types_and_defaults_read_as_people_write_them(
    section: type[Section], name: str, words: str, default: object
) -> None:
    """No seconds, bytes or Python types are shown."""
    field = section.model_fields[name]

    assert (word_type(field), format_default(field)) == (words, default)


def test_a_choice_of_forms_names_both() -> None:
    """A rollout is a name or written on the spot."""
    assert word_type(Route.model_fields["rollout"]) == "name or mapping"
    assert word_type(Config.model_fields["backends"]) == "mapping: name → mapping"


def test_a_default_of_sections_shows_what_is_written() -> None:
    """A rule as its text, and only the fields that say something."""
    guard = format_default(Rollout.model_fields["guard"])

    assert guard[0] == {"when": "error_rate > 20% for 5s", "do": "rollback"}


def test_every_default_may_be_written() -> None:
    """Who writes a default into the file, as the reference page shows it, gets the same configuration."""
    fields = [field for section in walk_sections(Config) for field in section.model_fields.values()]
    written = [field for field in fields if isinstance(field.default, str | int | float | tuple) and find_kind(field)]

    for field in written:
        adapter: TypeAdapter[object] = TypeAdapter(Annotated[field.annotation, *field.metadata])
        assert adapter.validate_python(format_default(field)) == field.default
