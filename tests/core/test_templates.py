"""What figures are kept by."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.templates import OTHER, TEMPLATE_LENGTH, TEMPLATES_PER_ROUTE, Templates, generalize, generalize_plain
from tests.core.asking import ask


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("/api/orders", "/api/orders"),
        ("/api/orders/", "/api/orders/"),
        ("/api/orders/81/items", "/api/orders/{id}/items"),
        ("/v2/2024-01-31", "/v2/{id}"),
        ("/u/8a6e0804-2bd0-4672-b79d-d97027f9071a", "/u/{id}"),
        ("/commit/748a355f", "/commit/{id}"),
        ("/cafe/facade", "/cafe/facade"),
        ("/t/k3J9xQ2mP7vR4sT1w", "/t/{id}"),
        ("/users/ann@example.com", "/users/{id}"),
        ("/caf%C3%A9", "/{id}"),
        ("/a%0d%0ab", "/{id}"),
        ("/{other}", "/{id}"),
        ("/static/app.js", "/static/app.js"),
    ],
)
def test_what_looks_like_an_identifier_becomes_one(path: str, template: str) -> None:
    """Numbers, dates, UUIDs, hashes, tokens, addresses, and everything that is not plain ASCII."""
    assert Templates().find(ask(path)) == template


def test_a_routes_own_templates_come_first() -> None:
    """In their order, captures and stars as written."""
    templates = Templates(["/api/orders/{id}", "/api/*/export"])

    assert templates.find(ask("/api/orders/latest")) == "/api/orders/{id}"
    assert templates.find(ask("/api/users/export")) == "/api/*/export"
    assert templates.find(ask("/api/users/7")) == "/api/users/{id}"


def test_a_route_keeps_a_hundred_templates() -> None:
    """Whatever comes after them is ``{other}``; those that are known stay."""
    templates = Templates(["/own"])
    words = [f"/{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(TEMPLATES_PER_ROUTE + 50)]

    found = [templates.find(ask(word)) for word in words]

    assert found[: TEMPLATES_PER_ROUTE - 1] == words[: TEMPLATES_PER_ROUTE - 1]
    assert set(found[TEMPLATES_PER_ROUTE - 1 :]) == {OTHER}
    assert templates.find(ask("/own")) == "/own"
    assert templates.find(ask(words[0])) == words[0]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=40))
def test_a_template_is_short_plain_text(segments: list[bytes]) -> None:
    """No path can put control characters, quotes or kilobytes into a label."""
    template = generalize(segments)

    assert len(template) <= TEMPLATE_LENGTH
    assert template.isascii()
    assert template.isprintable()
    assert not {'"', "\\", " "} & set(template)


_PARTS = st.one_of(
    st.text(alphabet="abcdefXYZ0123456789-._~:+", max_size=40),
    st.text(alphabet="0123456789abcdef-", max_size=40),
    st.text(alphabet="az09!@ \u00e9", max_size=10),
)


@given(st.lists(_PARTS, min_size=1, max_size=20))
def test_the_quick_way_to_a_template_leads_to_the_same(parts: list[str]) -> None:
    """Whichever way a path's template is found, it is one template."""
    segments = [part.encode("latin-1").lstrip(b".") for part in parts]
    path = b"/" + b"/".join(segments)
    assume(len(path) <= 128)

    assert generalize_plain(path) == generalize(segments)


def test_paths_that_nobody_asks_for_again_are_forgotten() -> None:
    """An attacker who invents paths can't make a worker grow."""
    templates = Templates()
    for number in range(5000):
        templates.find(ask(f"/{number}"))
    templates.find(ask("/" + "long/" * 40))

    assert len(templates._remembered) <= 512
    assert max(map(len, templates._remembered)) <= 128
