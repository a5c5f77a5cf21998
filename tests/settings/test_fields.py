from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.core.types import KeyKind, KeySource
from gateway.settings import fields
from gateway.settings.fields import Kind, Many, Section
from gateway.settings.scalars import Expanded


def read(annotation: Any, value: object) -> Any:
    """What a field of this kind makes of a value."""
    return TypeAdapter(annotation).validate_python(value)


def fault_of(annotation: Any, value: object) -> str:
    """Why a field of this kind refuses a value."""
    with pytest.raises(ValidationError) as caught:
        read(annotation, value)
    return str(caught.value.errors()[0]["ctx"]["error"])


class Pair(Section):
    """A section of one required and one optional field."""

    later: ClassVar[frozenset[str]] = frozenset({"third"})

    first: fields.Name
    """The first."""
    second: Many[fields.Percent] = ()
    """The second."""


def test_a_bare_value_is_a_list_of_one() -> None:
    """Each item is checked by its own kind."""
    assert read(Many[fields.Percent], "5%") == (5.0,)
    assert read(Many[fields.Percent], [1, "2%"]) == (1.0, 2.0)
    assert read(Many[fields.Percent], []) == ()


def test_a_section_takes_no_unknown_field_and_never_changes() -> None:
    """A typing mistake is an error, and a loaded configuration can't drift."""
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Pair.model_validate({"first": "a", "secnd": 1})
    with pytest.raises(ValidationError, match="frozen"):
        Pair(first="a").first = "b"  # type: ignore[misc]


@pytest.mark.parametrize("value", [5, 1.5, True])
def test_text_is_not_guessed_from_numbers(value: object) -> None:
    """`1.0` and `yes` would lose their form, so quotes are asked for."""
    assert "write it in quotes" in fault_of(fields.Text, value)


def test_a_secret_is_never_quoted_in_a_message() -> None:
    """Messages end in logs."""
    assert "1234" not in fault_of(fields.Secret, 1234)
    assert "pass word" not in fault_of(fields.Secret, "pass word")


@pytest.mark.parametrize("value", [[], {}, ["a"]])
def test_a_list_is_no_text(value: object) -> None:
    """Where one value belongs, several are refused."""
    assert "text is wanted" in fault_of(fields.Name, value)


@pytest.mark.parametrize("value", [0, 11, True, 1.0, "5", Expanded("x")])
def test_whole_numbers_have_bounds(value: object) -> None:
    """Truth values, fractions and text in quotes are no whole numbers."""
    assert "from 1 to 10" in fault_of(Annotated[int, *fields.whole_kind(1, 10)], value)


def test_variables_give_numbers_and_truth_values() -> None:
    """What came from the environment is resolved by the field."""
    assert read(Annotated[int, *fields.whole_kind(1, 10)], Expanded("5")) == 5
    assert read(fields.Switch, Expanded("true")) is True
    assert read(fields.Secret, Expanded("007")) == "007"


def test_some_durations_may_be_nothing() -> None:
    """A timeout of nothing would refuse everyone; not waiting at all when stopping is a choice."""
    assert "longer than nothing" in fault_of(fields.Duration, "0s")
    assert read(fields.Patience, "0s") == 0


def test_key_sources_come_out_parsed() -> None:
    """An alternative is one source or several."""
    assert read(fields.Alternative, "client_ip") == (KeySource(KeyKind.CLIENT_IP),)


def test_a_file_is_sought_from_the_configurations_directory(tmp_path: Path) -> None:
    """With the directory in the context it must be there, and becomes absolute."""
    (tmp_path / "a.pem").write_text("")
    adapter = TypeAdapter(fields.File)

    assert adapter.validate_python("a.pem", context={"base_dir": tmp_path}) == str(tmp_path / "a.pem")
    assert adapter.validate_python("a.pem") == "a.pem"
    with pytest.raises(ValidationError, match="there is no file"):
        adapter.validate_python("b.pem", context={"base_dir": tmp_path})


def test_a_kind_is_what_an_editor_sees() -> None:
    """The schema written in the kind is the schema of the field."""
    kind = Kind("odd number", {"type": "integer", "not": {"multipleOf": 2}})

    assert TypeAdapter(Annotated[int, kind]).json_schema() == kind.schema
