"""Figures of all workers: each batch once, so many paths and no more, and a successor that knows them all."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.figures import Batch, Figures
from gateway.core.figures import UNROUTED, Answer, Counted, PathFigures, Subject
from gateway.core.templates import OTHER, TEMPLATES_PER_ROUTE
from gateway.core.types import Match, Route, Table
from tests.proxy.wiring import table

NOW = 1_800_000_000.0


def counted(path: str = "/a", route: str = "shop", requests: int = 1) -> Counted:
    """So many good answers."""
    figures = PathFigures(answers={Answer("legacy", "GET", 200, "split"): requests}, latencies={600: requests})
    return Counted(Subject(route, path, "baseline", is_forced=False), figures)


def batch(sequence: int, *each: Counted, run: int = 7, serial: int = 0) -> Batch:
    """A worker's report."""
    return Batch(run, sequence, NOW, each or (counted(),), serial)


def requests_of(figures: Figures) -> int:
    """In total."""
    return sum(total.requests for total in figures.totals.values())


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6)), max_size=40))
def test_a_batch_that_comes_again_is_counted_once(reports: list[tuple[int, int]]) -> None:
    """Whatever is repeated, and in whatever order runs report: a run's counts are those up to its last number."""
    figures = Figures(NOW)
    expected: dict[int, int] = {}
    for run, sequence in reports:
        is_new = sequence > expected.get(run, 0)
        assert figures.record(batch(sequence, run=run)) is is_new
        if is_new:
            expected[run] = sequence

    assert {run: figures.last_of(run) for run in expected} == expected
    assert requests_of(figures) == len(set(figures.windows.sum(NOW - 1, NOW + 1))) * requests_of(figures)


def test_totals_and_windows_are_told_the_same() -> None:
    """What `/metrics` shows since the start, the windows show over time."""
    figures = Figures(NOW)
    figures.record(batch(1, counted("/a"), counted("/b", requests=2)))
    figures.record(batch(1, counted("/a"), run=8))

    window = figures.windows.sum(NOW - 10, NOW)

    assert {subject.path: cell.requests for subject, cell in window.items()} == {"/a": 2, "/b": 2}
    assert {subject.path: total.requests for subject, total in figures.totals.items()} == {"/a": 2, "/b": 2}


def test_paths_beyond_the_cap_are_one() -> None:
    """Workers that saw different paths must not make more of them together than each alone may."""
    figures = Figures(NOW)
    for worker in range(3):
        paths = [counted(f"/{worker}-{number}") for number in range(TEMPLATES_PER_ROUTE)]
        figures.record(batch(1, *paths, run=worker))

    paths = {subject.path for subject in figures.totals}
    assert len(paths) == TEMPLATES_PER_ROUTE + 1
    assert OTHER in paths
    assert requests_of(figures) == 3 * TEMPLATES_PER_ROUTE


def drained_of(figures: Figures) -> dict[str, int]:
    """How many requests of each route the one who watches hears of."""
    told: dict[str, int] = {}
    for subject, cell in figures.drain().items():
        told[subject.route] = told.get(subject.route, 0) + cell.requests
    return told


def test_what_is_drained_is_drained_once() -> None:
    """Of all batches since the last time, whatever table they were counted under."""
    figures = Figures(NOW)
    for sequence, serial in enumerate((3, 4, 3), 1):
        figures.record(batch(sequence, serial=serial))

    assert drained_of(figures) == {"shop": 3}
    assert drained_of(figures) == {}


def test_what_was_counted_before_a_route_began_anew_is_not_drained() -> None:
    """Neither what has been reported by then, nor what comes after; totals, windows and other routes have all of it."""
    figures = Figures(NOW)
    figures.record(batch(1, counted(), counted(route="docs"), serial=3))
    figures.begin({"shop"}, 4)
    figures.record(batch(2, counted(), counted(route="docs"), serial=3))
    figures.record(batch(3, counted(requests=10), serial=4))

    assert drained_of(figures) == {"docs": 2, "shop": 10}
    assert requests_of(figures) == sum(cell.requests for cell in figures.windows.sum(NOW, NOW).values()) == 14


ROUTES = st.sampled_from(["shop", "docs", "blog"])
SERIALS = st.integers(0, 4)
COUNTING = st.tuples(st.just("record"), SERIALS, st.dictionaries(ROUTES, st.integers(1, 9), min_size=1))
BEGINNING = st.tuples(st.just("begin"), SERIALS, st.frozensets(ROUTES).map(dict.fromkeys))
DRAINING = st.tuples(st.just("drain"), SERIALS, st.just({}))


@given(st.lists(st.one_of(COUNTING, BEGINNING, DRAINING), max_size=30))
def test_nothing_from_before_a_beginning_is_drained_after_it_and_all_else_is(
    steps: list[tuple[str, int, dict[str, int]]],
) -> None:
    """However batches, beginnings and drains follow each other; requests are told apart by serial and route."""
    figures, begun, waiting = Figures(NOW), dict.fromkeys(["shop", "docs", "blog"], 0), []
    for sequence, (step, serial, routes) in enumerate([*steps, ("drain", 0, {})], 1):
        if step == "record":
            each = [counted(f"/{serial}", route, requests) for route, requests in routes.items()]
            figures.record(batch(sequence, *each, serial=serial))
            waiting += [((route, f"/{serial}"), serial, requests) for route, requests in routes.items()]
        elif step == "begin":
            figures.begin(routes, serial)
            begun |= {route: max(serial, begun[route]) for route in routes}
        else:
            expected: dict[tuple[str, str], int] = {}
            for (route, path), of, requests in waiting:
                if of >= begun[route]:
                    expected[route, path] = expected.get((route, path), 0) + requests
            drained = {(subject.route, subject.path): cell.requests for subject, cell in figures.drain().items()}
            assert drained == expected
            waiting = []


def test_what_is_drained_is_the_watchers_own() -> None:
    """Adding to it changes no window."""
    figures = Figures(NOW)
    figures.record(batch(1))
    (cell,) = figures.drain().values()
    cell.add(cell.copy())

    assert [each.requests for each in figures.windows.sum(NOW, NOW).values()] == [1]


def test_a_beginning_is_remembered_as_long_as_its_route_is_known() -> None:
    """A reload changes nothing for those that stay; those that are gone cost no memory."""
    figures = Figures(NOW)
    figures.adopt(table(routes=(Route("shop", Match(), "legacy"), Route("docs", Match(), "legacy"))))
    figures.begin({"shop", "docs"}, 4)
    for revision in ("2", "3"):
        figures.adopt(table(revision=revision, routes=(Route("shop", Match(), "legacy"),)))
    figures.record(batch(1, serial=3))

    assert drained_of(figures) == {}
    assert set(figures._begun) == {"shop"}


def test_a_batch_that_says_no_serial_is_one_of_none() -> None:
    """A record from before batches had one is read all the same."""
    recorded = msgspec.msgpack.encode((7, 1, NOW, (counted(),)))

    assert msgspec.msgpack.decode(recorded, type=Batch) == batch(1)


def test_templates_of_the_configuration_come_before_what_was_seen() -> None:
    """They keep their place however many others there are."""
    figures = Figures(NOW)
    named = tuple(f"/named/{number}" for number in range(TEMPLATES_PER_ROUTE))
    figures.adopt(table(routes=(Route("shop", Match(), "legacy", paths=named),)))

    figures.record(batch(1, counted("/unnamed"), counted("/named/5")))

    assert {subject.path for subject in figures.totals} == {OTHER, "/named/5"}


def naming(*paths: str, revision: str = "1") -> Table:
    """A table whose only route names these paths."""
    return table(revision=revision, routes=(Route("shop", Match(), "legacy", paths=paths),))


def paths_of(figures: Figures) -> dict[str, int]:
    """How many requests each path had, since the start."""
    return {subject.path: total.requests for subject, total in figures.totals.items()}


def test_the_cap_holds_however_often_paths_are_named_anew() -> None:
    """Each reload's paths have their place; what had one before goes on in {other}, and no request is lost."""
    figures = Figures(NOW)
    for edit in range(5):
        named = tuple(f"/{edit}/{number}" for number in range(TEMPLATES_PER_ROUTE))
        figures.adopt(naming(*named, revision=str(edit)))
        figures.record(batch(edit + 1, *map(counted, named)))

        assert set(paths_of(figures)) - {OTHER} == set(named)
        assert requests_of(figures) == (edit + 1) * TEMPLATES_PER_ROUTE


def test_what_was_seen_first_stays_beside_what_is_named() -> None:
    """A reload that names two paths more costs the two that came last their place."""
    figures = Figures(NOW)
    seen = [f"/{number}" for number in range(TEMPLATES_PER_ROUTE)]
    figures.record(batch(1, *map(counted, seen), counted(OTHER, requests=7)))
    figures.adopt(naming("/a", "/b"))

    assert paths_of(figures) == dict.fromkeys(seen[:-2], 1) | {OTHER: 9}


@given(st.lists(st.tuples(st.integers(0, 2), st.sets(st.integers(0, 250), max_size=130)), max_size=6))
def test_no_reload_and_no_successor_loses_a_request(lives: list[tuple[int, set[int]]]) -> None:
    """Whatever is named, seen, and handed over, the total is that of the reports, and the paths are not too many."""
    figures, expected = Figures(NOW), 0
    for sequence, (edit, numbers) in enumerate(lives, 1):
        figures.adopt(naming(*(f"/{edit}/{number}" for number in range(30)), revision=str(sequence)))
        figures.record(
            batch(sequence, *(counted(f"/0/{number}") for number in numbers)) if numbers else batch(sequence)
        )
        expected += len(numbers) or 1
        figures = Figures.thaw(figures.freeze())

        assert requests_of(figures) == expected
        assert len(set(paths_of(figures)) - {OTHER}) <= TEMPLATES_PER_ROUTE


def test_a_route_that_is_gone_is_forgotten_at_the_next_reload() -> None:
    """Not at once: its last requests may still be under way."""
    figures = Figures(NOW)
    figures.adopt(table(routes=(Route("shop", Match(), "legacy"),)))
    figures.record(batch(1, counted(), Counted(UNROUTED, PathFigures())))

    figures.adopt(table(revision="2"))
    assert {subject.route for subject in figures.totals} == {"shop", ""}

    figures.adopt(table(revision="3"))
    assert {subject.route for subject in figures.totals} == {""}


def test_a_successor_knows_what_its_predecessor_knew() -> None:
    """Totals, windows, when the gateway began, and which batches were recorded."""
    figures = Figures(NOW)
    figures.record(batch(3, counted("/a"), counted("/b")))

    successor = Figures.thaw(figures.freeze())

    assert successor.started_at == NOW
    assert successor.totals == figures.totals
    assert successor.windows.sum(NOW - 60, NOW) == figures.windows.sum(NOW - 60, NOW)
    assert not successor.record(batch(3))


def test_a_successor_keeps_what_has_no_path_of_its_own() -> None:
    """{other} is what was counted in it, whatever the paths that were named and never asked for."""
    figures = Figures(NOW)
    figures.adopt(naming("/named"))
    figures.record(batch(1, *(counted(f"/{number}") for number in range(200)), counted(OTHER, requests=5000)))
    figures.adopt(naming("/named", "/new", revision="2"))
    figures.record(batch(2, counted("/named", requests=7), counted("/new", requests=8)))

    successor = Figures.thaw(figures.freeze())

    assert successor.totals == figures.totals
    assert requests_of(successor) == 5215


def test_what_was_not_frozen_by_us_is_refused() -> None:
    """An error, not figures that are wrong."""
    with pytest.raises(msgspec.DecodeError):
        Figures.thaw(b"\xc1")
