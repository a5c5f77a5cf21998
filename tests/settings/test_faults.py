from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.faults import Fault, describe, locate, sections_in
from gateway.settings.schema import Config, Route
from gateway.settings.yaml import read_document


def faults_of(document: dict[str, object]) -> list[Fault]:
    """What the schema finds."""
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(document)
    return describe(caught.value)


def place_of(text: str, fault: Fault) -> tuple[int, int, str]:
    """Where a fault lands in a text."""
    root, _ = read_document(text, {})
    assert root is not None
    problem = locate(fault, root)
    return problem.line, problem.column, problem.path


def test_an_unknown_field_gets_the_nearest_known_name() -> None:
    """As it is a typing mistake."""
    messages = [fault.message for fault in faults_of({"version": 1, "servr": {}})]

    assert "`servr` is not a known field; did you mean `server`?" in messages


def test_without_a_near_name_all_are_listed() -> None:
    """Who is far off sees what there is."""
    fault = next(fault for fault in faults_of({"version": 1, "zzz": 1}) if fault.loc == ("zzz",))

    assert fault.message == (
        "`zzz` is not a known field; known here: version, server, admin, store, store_cache, telemetry, jwt, notify, "
        "backends, rollouts, routes"
    )


def test_a_fault_lands_on_its_value_or_its_key() -> None:
    """Values are at fault where they stand, unknown fields at their name."""
    assert place_of("a:\n  b: c\n", Fault(("a", "b"), "")) == (2, 6, "a.b")
    assert place_of("a:\n  b: c\n", Fault(("a", "b"), "", at_key=True)) == (2, 3, "a.b")


def test_what_is_missing_lands_on_what_lacks_it() -> None:
    """The path names the missing field, the place is its section's."""
    assert place_of("a:\n  - b: c\n", Fault(("a", 0, "name"), "")) == (2, 5, "a.0.name")


def test_short_forms_are_seen_through() -> None:
    """One bare value for a list or a mapping is its own place, and the path names what is written."""
    assert place_of("a: b\n", Fault(("a", "path", 0), "")) == (1, 4, "a")
    assert place_of("a: {b: c}\n", Fault(("a", 0, "b"), "")) == (1, 8, "a.b")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: b > c\n", (1, 8)),
        ("a: 'b > c'\n", (1, 9)),
        ('a: "b > c"\n', (1, 9)),
        ("a: [b, b > c]\n", (1, 12)),
    ],
)
def test_a_fault_within_a_text_lands_on_its_character(text: str, place: tuple[int, int]) -> None:
    """Plain or in quotes, an editor jumps to the very place."""
    found = place_of(text, Fault(("a", 1), "", offset=4))

    assert found[:2] == place


@pytest.mark.parametrize(
    "text", ['a: "b \\x3e c"\n', "a: b >\n  c\n", "a: &x b > c\n", "a: 'b > ''c'\n", "a: ${X:-b > c}\n"]
)
def test_a_fault_within_a_text_that_reads_otherwise_counts_characters(text: str) -> None:
    """Escapes, line breaks, anchors and variables move characters: the message says which one it is."""
    root, _ = read_document(text, {})
    assert root is not None

    problem = locate(Fault(("a",), "wrong", offset=4), root)

    assert (problem.line, problem.column, problem.message) == (1, 4, "wrong (at character 5)")


def test_an_unknown_field_is_looked_up_in_the_form_that_was_chosen() -> None:
    """Of several forms of a section, the names of the one that is written are suggested."""
    stages = [{"percent": 5, "gates": [{"webhook": "http://a", "secrt": "s"}]}]
    guard = [{"prometheus": "http://a", "query": "q", "when": "< 1", "whn": "x"}, {"when": "p99 > 1s", "dos": "pause"}]
    messages = [fault.message for fault in faults_of({"rollouts": {"a": {"stages": stages, "guard": guard}}})]

    assert "`secrt` is not a known field; did you mean `secret`?" in messages
    assert "`whn` is not a known field; did you mean `when`?" in messages
    assert "`dos` is not a known field; did you mean `do`?" in messages


def test_sections_are_found_within_types() -> None:
    """Lists, mappings and choices are looked through."""
    assert list(sections_in(tuple[Route, ...])) == [Route]
    assert list(sections_in(dict[str, Route] | None)) == [Route]
    assert list(sections_in(str)) == []
