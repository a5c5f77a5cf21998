"""Samples, as the controller keeps them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.control.samples import MOST_PATHS, MOST_SHOWN, PER_PATH, Samples
from gateway.core.failures import FailedRequest


def failed(at: float, path: str = "/a", route: str = "shop") -> FailedRequest:
    return FailedRequest(at, f"id-{at:g}", route, path, "GET", 503, "5xx")


def test_the_newest_of_a_rollouts_routes_are_found_newest_first() -> None:
    """Only those of the time that is asked about."""
    samples = Samples()
    samples.take([failed(1), failed(5), failed(7, "/b"), failed(6, route="other"), failed(8, route="else")])

    assert [each.time for each in samples.find({"shop", "other"}, 5)] == [7, 6, 5]


def test_a_busy_path_does_not_push_out_the_others() -> None:
    """Somebody looks for the cause on every path."""
    samples = Samples()
    samples.take(failed(at, f"/{at % 7}") for at in range(1000))
    samples.take(failed(at, "/busy") for at in range(1000, 2000))
    found = samples.find({"shop"}, 0)

    assert len(found) == MOST_SHOWN
    assert {each.path for each in found} == {"/busy", *(f"/{number}" for number in range(7))}


def test_paths_beyond_the_bound_go_with_those_that_failed_longest_ago() -> None:
    """Memory has a bound, whatever workers report."""
    samples = Samples()
    samples.take(failed(at, f"/{at}") for at in range(MOST_PATHS + 10))

    assert samples.find({"shop"}, 0)[-1].time >= 10
    assert len(samples._newest) == MOST_PATHS


@given(st.lists(st.tuples(st.integers(0, 100), st.sampled_from("abcdef")), max_size=200), st.integers(0, 100))
def test_nothing_is_shown_twice_or_from_another_time(times: list[tuple[int, str]], since: int) -> None:
    """Whatever came in, and in whatever order."""
    samples = Samples()
    samples.take(FailedRequest(at, f"id{n}", "shop", path, "GET", 500, "5xx") for n, (at, path) in enumerate(times))
    found = samples.find({"shop"}, since)

    assert len({each.request_id for each in found}) == len(found) <= MOST_SHOWN
    assert all(each.time >= since for each in found)
    assert all(sum(each.path == path for each in found) <= PER_PATH for path in "abcdef")
