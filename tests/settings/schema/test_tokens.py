"""Where the keys of tokens may be, and what is said of a place that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.core.jwks import ASYMMETRIC
from gateway.settings.schema.tokens import Jwt
from tests.core.signing import make_key, publish


def read(folder: Path = Path(), **fields: object) -> Jwt:
    """A section, of a configuration in a folder."""
    return Jwt.model_validate(fields, context={"base_dir": folder})


def test_a_url_is_asked_later() -> None:
    """All else has a default: the algorithms whose keys may be published."""
    jwt = read(jwks="https://id.example/keys?tenant=a")

    assert jwt.is_published
    assert jwt.read_keys() == ()
    assert (jwt.algorithms, jwt.refresh, jwt.leeway) == (ASYMMETRIC, 600.0, 30.0)


def test_a_file_is_found_beside_the_configuration(tmp_path: Path) -> None:
    """And read at once."""
    (tmp_path / "keys.json").write_bytes(publish(make_key()))
    jwt = read(tmp_path, jwks="keys.json", algorithms="ES256")

    assert jwt.jwks.source == str(tmp_path / "keys.json")
    assert [key.kid for key in jwt.read_keys()] == ["first"]


@pytest.mark.parametrize(
    ("jwks", "fault"),
    [
        ("", "is empty"),
        ("none.json", "there is no file .*none.json; the path is relative to"),
        ("ftp://id.example/keys", "write an http:// or https:// URL, or a file"),
        ("https://", "is not the URL of a key set"),
        ("https://id.example:0/keys", "is not the URL of a key set"),
        ("https://id.example:x/keys", "is not the URL of a key set"),
        ("https://id.example/keys#a", "is not the URL of a key set"),
        ("https://ann:secret@id.example/keys", "is not the URL of a key set"),
    ],
)
def test_what_is_no_place_is_refused(jwks: str, fault: str) -> None:
    """A password is not repeated."""
    with pytest.raises(ValidationError, match=fault) as caught:
        read(jwks=jwks)

    assert "secret" not in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(("name", "value"), [("algorithms", []), ("algorithms", ["none"]), ("refresh", "999ms")])
def test_bounds_are_kept(name: str, value: object) -> None:
    """`none` is no algorithm, and nobody is asked all the time."""
    with pytest.raises(ValidationError):
        read(jwks="https://id.example/keys", **{name: value})
