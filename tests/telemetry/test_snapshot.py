"""A snapshot stands still while the gateway goes on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.figures import Answer, Exemplar, PathFigures, Subject
from gateway.telemetry.snapshot import Snapshot
from tests.telemetry.scene import figures, snapshot, subject

GET = ("legacy", "GET", 200, "split")
counts = st.integers(0, 1000)
answers = st.builds(
    Answer,
    st.sampled_from(["legacy", "new"]),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from([200, 502]),
    st.just("split"),
)
path_figures = st.builds(
    PathFigures,
    st.dictionaries(answers, counts, max_size=4),
    st.dictionaries(st.sampled_from(["connect", "5xx"]), counts),
    counts,
    st.lists(counts, min_size=11, max_size=11),
    st.floats(0, 1e6),
    st.dictionaries(st.integers(0, 1023), counts, max_size=5),
    st.floats(0, 1e6),
    st.just({3: Exemplar("0" * 32, 0.03, 1.0)}),
)
totals = st.dictionaries(
    st.builds(
        Subject, st.sampled_from(["a", "b"]), st.sampled_from(["/", "/{id}"]), st.just("baseline"), st.booleans()
    ),
    path_figures,
)


@given(totals, path_figures)
def test_what_is_counted_later_does_not_change_it(counted: dict[Subject, PathFigures], more: PathFigures) -> None:
    """The figures go on adding up; the snapshot keeps what it was made of."""
    before = repr(counted)
    taken = snapshot(totals=counted)
    for each in counted.values():
        each.add(more)
    counted[subject("new", "/", "candidate")] = more

    assert repr(taken.totals) == before


@given(totals)
def test_places_have_every_request_once(counted: dict[Subject, PathFigures]) -> None:
    """Forced and unforced requests of a path are added up, and nothing else is."""
    taken = snapshot(totals=counted)
    places = taken.places()

    assert places.keys() == {(each.route, each.path, each.arm) for each in counted}
    assert sum(each.requests for each in places.values()) == sum(each.requests for each in counted.values())
    assert sum(sum(each.latencies.values()) for each in places.values()) == sum(
        sum(each.latencies.values()) for each in counted.values()
    )


def test_asking_twice_for_the_places_counts_nothing_twice() -> None:
    """Adding up leaves the snapshot as it is."""
    taken: Snapshot = snapshot(
        totals={
            subject("orders", "/", "candidate"): figures(GET),
            subject("orders", "/", "candidate", is_forced=True): figures(GET, GET),
        }
    )

    assert taken.places() == taken.places()
    assert taken.places()["orders", "/", "candidate"].requests == 3
