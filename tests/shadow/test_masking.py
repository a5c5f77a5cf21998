from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shadow.masking import NEVER_STORED, REDACTED, Mask

MASK = Mask(["$..password", "$.user.token", "$.cards[0].number", "$.keys[?@.old].value", "$['a', 'b'].c", "$.all.*"])


@pytest.mark.parametrize(
    "steps",
    [
        ("password",),
        ("x", None, "y", "password"),
        ("x", "password", "first"),
        ("user", "token"),
        ("user", None, "token", None),
        ("cards", None, "number"),
        ("keys", None, "value"),
        ("a", "c"),
        ("b", "c"),
        ("all", "whatever"),
        ("Token",),
        ("token", None),
        ("user[password]", None),
        ("users[0][Token]", None),
        ("user.token",),
        ("element", None, "@password"),
        ("element", None, "@{urn:a}password"),
        ("headers", "Cookie"),
        ("seen", None, "Authorization"),
    ],
)
def test_places_that_a_path_leads_to_may_not_be_stored(steps: tuple[str | None, ...]) -> None:
    """Nor what is below, nor a form's field, an attribute or a header of such a name, nor headers that are echoed."""
    assert MASK.follow(steps) is None


@pytest.mark.parametrize(
    "steps",
    [
        (),
        ("user",),
        ("user", "name"),
        ("x", "token"),
        ("x", "user", "token"),
        ("cards", None, "name"),
        ("x", "c"),
        ("x", "passwords"),
        ("x[passwords]",),
        ("x", "user[token]"),
    ],
)
def test_other_places_may(steps: tuple[str | None, ...]) -> None:
    """A path means its place, not every member of that name."""
    assert MASK.follow(steps) is not None


def test_a_path_to_everything_means_everything() -> None:
    """``$`` leaves nothing to be stored."""
    assert Mask(["$"]).follow(()) is None


def test_a_path_that_is_none_is_refused() -> None:
    """As the configuration refuses it."""
    with pytest.raises(ValueError, match="JSONPath"):
        Mask(["password"])


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("nothing to hide", "nothing to hide"),
        ("old_password=x", "old_password=x"),
        ("https://a/?q=1&token=S&z=2", f"https://a/?q=1&token={REDACTED}&z=2"),
        ("https://a/?PASSWORD=S&Token=S#here", f"https://a/?PASSWORD={REDACTED}&Token={REDACTED}#here"),
        ("user[password]=S&a=1", f"user[password]={REDACTED}&a=1"),
        ("user%5Bpassword%5D=S&a=1", f"user%5Bpassword%5D={REDACTED}&a=1"),
        ("next=%2Fx%3Ftoken%3DS&a=1", f"next=%2Fx%3Ftoken%3D{REDACTED}&a=1"),
        ("next=%252Fx%253Ftoken%253DS", REDACTED),
        ("?p%61ssword=S", REDACTED),
        ("?p%2561ssword=S", REDACTED),
        ('{"password":"S&S"}', f'{{"password":{REDACTED}'),
        ("my password: S and S", f"my password:{REDACTED}"),
        ("<password>S</password>", f"<password>{REDACTED}"),
        ("<input name='password' value='S'>", f"<input name='password' value={REDACTED}"),
        ("Cookie: a=S; b=S", f"Cookie:{REDACTED}"),
        ("cookie=a;b=S", f"cookie={REDACTED}"),
        ("Authorization: Bearer S", f"Authorization:{REDACTED}"),
        ("?password=", f"?password={REDACTED}"),
    ],
)
def test_values_that_follow_a_name_are_masked(text: str, masked: str) -> None:
    """In queries up to where a query's value ends, in everything else up to the end; also where they are encoded."""
    assert MASK.mask(text) == masked


def test_a_line_with_a_name_in_it_is_hidden_as_a_whole() -> None:
    """In markup the value may as well come before the name."""
    assert MASK.mask_line('<input value="S" name="password">') == REDACTED
    assert MASK.mask_line("document.cookie='a=S'") == f"document.cookie={REDACTED}"
    assert MASK.mask_line("passwords are no longer in use") == "passwords are no longer in use"


def test_without_paths_only_the_headers_are_masked() -> None:
    """Nobody said more."""
    mask = Mask([])

    assert mask.mask_line("password=x") == "password=x"
    assert mask.follow(("password",)) is not None
    assert all(mask.follow((name.title(),)) is None for name in NEVER_STORED)


@given(st.text(alphabet="ab?/. ", max_size=10), st.sampled_from(["password", "TOKEN", "cookie"]), st.sampled_from("=:"))
def test_a_secret_behind_a_name_never_stays(before: str, name: str, separator: str) -> None:
    """Whatever stands before it, unless that makes it another name."""
    secret = "s3cr3t"

    assert secret not in MASK.mask(f"{before}&{name}{separator}{secret}")


@given(st.text())
def test_any_text_can_be_masked(text: str) -> None:
    """And what has been masked stays as it is."""
    masked = MASK.mask(text)

    assert MASK.mask(masked) == masked
