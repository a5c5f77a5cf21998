"""Paths as one arm's backend knows them."""

from __future__ import annotations

import pytest

from gateway.core.rewriting import compile_rewrite, unbound_parts


@pytest.mark.parametrize(
    ("pattern", "rewrite", "path", "sent"),
    [
        ("/api/orders/**", "/v2/orders/**", b"/api/orders/1%2F2/x", b"/v2/orders/1%2F2/x"),
        ("/api/orders/**", "/v2/orders/**", b"/api/orders", b"/v2/orders"),
        ("/api/orders/**", "/v2/orders/**", b"/api/orders/", b"/v2/orders/"),
        ("/api/**", "/**", b"/api", b"/"),
        ("/api/**", "/**", b"/api/a", b"/a"),
        ("/**", "/v2/**", b"/", b"/v2/"),
        ("/a/*/b/*", "/*/x/*", b"/a/1/b/2", b"/1/x/2"),
        ("/t/{tenant}/o/{id}", "/o/{id}/of/{tenant}", b"/t/acme/o/7", b"/o/7/of/acme"),
        ("/a/**", "/fixed", b"/a/b", b"/fixed"),
        ("/a/**", "/caf\u00e9 1/**", b"/a/b", b"/caf%C3%A9%201/b"),
        ("/a/**", "/b/**", b"/a/x/../y", b"/b/y"),
    ],
)
def test_parts_are_carried_over_as_they_came(pattern: str, rewrite: str, path: bytes, sent: bytes) -> None:
    """Encoding stays, the order of parts is the rewrite's, and what is literal is encoded once."""
    assert compile_rewrite(pattern, rewrite)(path) == sent


def test_a_part_that_the_route_does_not_have_is_refused() -> None:
    """All of them are named, so that a configuration's author can mend them at once."""
    assert unbound_parts("/a/{id}/*", "/b/{order}/*/*/**") == ["{order}", "*", "**"]
    with pytest.raises(ValueError, match="which /a/"):
        compile_rewrite("/a/{id}", "/b/{order}")
