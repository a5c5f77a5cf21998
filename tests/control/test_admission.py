"""So many paths of a route have figures of their own, whatever clients ask for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.control.admission import Admission
from gateway.core.figures import Subject
from gateway.core.templates import OTHER, TEMPLATES_PER_ROUTE
from gateway.core.types import Match, Route
from tests.proxy.wiring import table

ROUTES = ("orders", "search")


def subject(path: str, route: str = "orders") -> Subject:
    return Subject(route, path, "candidate", is_forced=False)


def named(*paths: str) -> Route:
    """A route of which the configuration names these paths."""
    return Route("orders", Match(), "legacy", "new", "shop", paths=paths)


@given(st.lists(st.tuples(st.sampled_from(ROUTES), st.integers(0, 3 * TEMPLATES_PER_ROUTE)), max_size=400))
def test_no_route_has_more_than_its_number_of_paths(seen: list[tuple[str, int]]) -> None:
    """Who has a place keeps it, and nobody has two."""
    admission = Admission()
    first = [admission.admit(subject(f"/{path}", route)) for route, path in seen]
    again = [admission.admit(subject(f"/{path}", route)) for route, path in seen]

    assert all(now == before for now, before in zip(again, first, strict=True) if before.path != OTHER)
    for route in ROUTES:
        assert len({each.path for each in again if each.route == route} - {OTHER}) <= TEMPLATES_PER_ROUTE


def test_what_the_configuration_names_has_a_place_before_all_that_was_seen() -> None:
    """The last that came gives way."""
    admission = Admission()
    for number in range(TEMPLATES_PER_ROUTE):
        admission.admit(subject(f"/{number}"))
    admission.adopt(table(routes=(named("/named"),)))

    assert admission.admit(subject("/named")).path == "/named"
    assert admission.admit(subject("/0")).path == "/0"
    assert admission.admit(subject(f"/{TEMPLATES_PER_ROUTE - 1}")).path == OTHER
    assert admission.admit(subject(OTHER)).path == OTHER


def test_all_that_the_configuration_names_have_places() -> None:
    """However many they are; then nobody else has one."""
    names = tuple(f"/named/{number}" for number in range(TEMPLATES_PER_ROUTE + 10))
    admission = Admission()
    admission.admit(subject("/seen"))
    admission.adopt(table(routes=(named(*names),)))

    assert [admission.admit(subject(name)).path for name in names] == list(names)
    assert admission.admit(subject("/seen")).path == OTHER


def test_a_beginning_forgets_who_had_a_place() -> None:
    """But those that were seen, in the order in which they came."""
    admission = Admission()
    for number in range(TEMPLATES_PER_ROUTE):
        admission.admit(subject(f"/{number}"))
    admission.begin([subject("/kept"), subject(OTHER)])
    admitted = [admission.admit(subject(f"/new/{number}")).path for number in range(TEMPLATES_PER_ROUTE)]

    assert (admission.admit(subject("/kept")).path, admitted[-1]) == ("/kept", OTHER)
    assert admitted.count(OTHER) == 1


def test_a_route_that_is_gone_has_no_places() -> None:
    """When it comes back, it begins with what is seen then."""
    admission = Admission()
    for number in range(TEMPLATES_PER_ROUTE):
        admission.admit(subject(f"/{number}"))
    for routes in ((), (named(),)):
        admission.adopt(table(routes=routes))

    assert admission.admit(subject("/new")).path == "/new"
