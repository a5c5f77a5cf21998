"""The record of mismatches: sums that stay within their bounds."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control import mismatches
from gateway.control.mismatches import (
    KEPT_SECONDS,
    SETTLING_SECONDS,
    Mismatches,
    add_field,
    name_policy,
)
from gateway.core.noise import FIELD_LENGTH, FIELDS_LIMIT
from gateway.core.shadowing import Compare
from gateway.core.tallies import FieldTally, PathTally
from gateway.core.templates import OTHER, TEMPLATES_PER_ROUTE
from gateway.store.records import PathRecord
from tests.control.found import AT, PRICE, field, path, record, sample, table

TALLIES = st.builds(
    FieldTally,
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from([0.0, 1.0, 2.0]),
    st.sampled_from([0.0, 3.0, 4.0]),
    st.lists(st.builds(sample, st.floats(0, 100, width=32)), max_size=4),
)


def only(made: Mismatches) -> PathTally:
    """What was found on the one path."""
    (found,) = made.paths({"orders"})
    return found


def stored(made: Mismatches) -> list[PathRecord]:
    """What the store would have after all was written."""
    return [each for each in made.take_changed(10_000).values() if each is not None]


def test_what_is_found_adds_up() -> None:
    """Counts of pairs and twins, and of each field and kind by itself."""
    made, moved = record(), ("$.at", "value")
    made.take([path({PRICE: field(3, 2, 1), moved: field()}, compared=10, twins=4)], AT)
    made.take([path({PRICE: field(4, 4, 0, at=AT + 9)}, compared=90, twins=6)], AT + 9)

    found = only(made)
    assert (found.compared, found.twins) == (100, 10)
    assert found.fields[PRICE] == FieldTally(7, 6, 1, AT, AT + 9)
    assert found.fields[moved].count == 1


def test_the_newest_samples_are_kept() -> None:
    """As many of each field and kind as the configuration says."""
    made = record(samples=2)
    made.take(
        [path({PRICE: field(3, 3, 0, sample(1), sample(2)), ("status", "status"): field(1, 1, 0, sample(7))})], AT
    )
    made.take([path({PRICE: field(1, 1, 0, sample(3))})], AT)

    kept = {key: [each.time for each in tally.samples] for key, tally in only(made).fields.items()}
    assert kept == {PRICE: [2, 3], ("status", "status"): [7]}


@given(TALLIES, TALLIES, st.integers(0, 5))
def test_it_does_not_matter_who_comes_first(one: FieldTally, other: FieldTally, most: int) -> None:
    """Counts add up, times span both, and there are never more samples than wanted."""
    one_way, other_way = add_field(one, other, most), add_field(other, one, most)

    assert one_way.count == one.count + other.count
    assert len(one_way.samples) == min(most, len(one.samples) + len(other.samples))
    assert [each.time for each in one_way.samples] == [each.time for each in other_way.samples]
    assert (one_way.first_at, one_way.last_at) == (other_way.first_at, other_way.last_at)


def test_a_route_has_so_many_paths_and_a_path_so_many_fields() -> None:
    """What is beyond them is `{other}`, as are names that nobody could read."""
    made = record()
    made.take([path(name=f"/{number}") for number in range(TEMPLATES_PER_ROUTE + 50)], AT)
    fields = {(f"$.f{number}", "value"): field() for number in range(FIELDS_LIMIT + 10)}
    made.take([path(fields, name="/1"), path({("$." + "x" * FIELD_LENGTH, "extra"): field()}, name="/2")], AT)

    found = {each.path: each for each in made.paths({"orders"})}
    assert len(found) == TEMPLATES_PER_ROUTE + 1
    assert found[OTHER].fields[PRICE].count == 50
    assert len(found["/1"].fields) == FIELDS_LIMIT + 1
    assert found["/1"].fields[OTHER, "value"].count == 11
    assert found["/2"].fields[OTHER, "extra"].count == 1


def test_what_is_of_no_compared_route_is_left_out() -> None:
    """A comparer may tell late, when the route is gone."""
    made = record()
    made.take([path(route="gone")], AT)

    assert made.paths({"gone", "orders"}) == []
    assert Mismatches().paths({"orders"}) == []


def test_another_policy_begins_another_record() -> None:
    """What the one before had found, and what it tells late, says nothing about it, and may show a secret."""
    made = record("orders", "search")
    made.take([path(), path(route="search")], AT)
    stored(made)
    both = table("orders", redact=("$..email",)), table("search")
    changed = msgspec.structs.replace(both[0], routes=both[0].routes + both[1].routes)
    made.adopt(changed, AT + 1)
    made.take([path(), path(route="search")], AT + 2)

    assert made.paths({"orders"}) == []
    assert made.paths({"search"})[0].fields[PRICE].count == 2
    assert made.take_changed(10)["orders", "/orders/{id}"] is None
    made.take([path()], AT + 1 + SETTLING_SECONDS)
    assert only(made).fields[PRICE].count == 1


def test_a_table_that_changes_nothing_of_it_changes_nothing() -> None:
    """Shares move all the time; a route that is not compared for a while keeps what was found."""
    made = record()
    made.take([path()], AT)
    for each in (table("orders"), table(), table("orders")):
        made.adopt(each, AT + 1)
        made.take([path()], AT + 2)

    assert only(made).fields[PRICE].count == 3


def test_policies_have_names_of_their_own() -> None:
    """Whatever is changed of `compare`."""
    policies = [table("orders", **changes).routes[0].shadow for changes in ({}, {"noise": 1.0}, {"samples": 4}, {})]
    names = [name_policy(each.compare) for each in policies if each is not None]

    assert len(set(names)) == 3
    assert names[0] == names[3]


def test_a_cleared_route_begins_anew() -> None:
    """The others keep theirs."""
    made = record("orders", "search")
    made.take([path(), path(route="search")], AT)
    made.clear("orders", AT)
    made.take([path()], AT + 1)

    assert [each.route for each in made.paths({"orders", "search"})] == ["search"]
    made.take([path()], AT + SETTLING_SECONDS)
    assert only(made).fields[PRICE].count == 1


# From one controller to the next.


def test_a_new_controller_goes_on_with_what_the_store_has() -> None:
    """Whether it reads it before or after it knows what to compare, and whatever was found meanwhile."""
    before = record()
    before.take([path({PRICE: field(3, 3, 0, sample())})], AT)
    kept = stored(before)
    early, late = Mismatches(), record()
    early.restore(kept)
    early.adopt(table("orders"), AT)
    late.take([path()], AT + 1)
    late.restore(kept)

    assert only(early) == only(before)
    assert only(late).fields[PRICE].count == 4
    assert only(late).compared == 200


def test_what_was_stored_under_another_policy_is_forgotten() -> None:
    """The file was edited while no controller looked; the store forgets it, too."""
    before = record()
    before.take([path()], AT)
    kept = stored(before)
    for made in (Mismatches(), record(noise=5.0)):
        made.restore(kept)
        made.adopt(table("orders", noise=5.0), AT)

        assert made.paths({"orders"}) == []
        assert made.take_changed(10) == {("orders", "/orders/{id}"): None}


def test_a_comparer_is_told_everything_but_samples() -> None:
    """Of the routes that are compared now; before there is a table, of all."""
    made = record("orders", "search")
    made.take([path({PRICE: field(3, 2, 1, sample())}, twins=5), path(route="search")], AT)
    unsure = Mismatches()
    unsure.restore(stored(made))
    made.adopt(table("orders"), AT)

    assert made.known() == (path({PRICE: field(3, 2, 1)}, twins=5),)
    assert {each.route for each in unsure.known()} == {"orders", "search"}


def test_what_changed_is_taken_once_and_the_oldest_first() -> None:
    """So much at a time; what could not be written is taken again, as it is by then."""
    made = record()
    made.take([path(name="/a"), path(name="/b")], AT)
    first = made.take_changed(1)
    made.put_back(first)
    made.take([path(name="/a")], AT)
    rest = made.take_changed(5)

    assert [place[1] for place in (*first, *rest)] == ["/a", "/b", "/a"]
    again = rest["orders", "/a"]
    assert again is not None
    assert again.tally.fields[PRICE].count == 2
    assert not made.is_changed


# Bounds of time and size.


def test_what_was_not_seen_for_a_week_is_forgotten() -> None:
    """Paths, fields and samples; but noise stays known as long as its path is compared."""
    made, moved, old = record(), ("$.at", "value"), AT - KEPT_SECONDS - 1
    quiet, newer = field(5, 5, 0, at=old), field(2, 2, 0, sample(old), sample(AT))
    made.take([path(name="/gone")], old)
    made.take([path({PRICE: quiet, moved: field(9, 0, 4, at=old), ("status", "status"): newer})], AT)
    made.forget_old(AT)

    found = only(made)
    assert set(found.fields) == {moved, ("status", "status")}
    assert found.fields[moved] == FieldTally(noisy=4)
    assert [each.time for each in found.fields["status", "status"].samples] == [AT]
    stored(made)
    made.forget_old(AT)
    assert not made.is_changed


def test_when_samples_are_too_many_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever path they are of; counts stay."""
    monkeypatch.setattr(mismatches, "SAMPLES_BYTES", 1000)
    made = record(samples=100)
    for number in range(100):
        made.take([path({PRICE: field(1, 1, 0, sample(number))}, name=f"/{number % 7}")], AT)

    kept = [each.time for found in made.paths({"orders"}) for each in found.fields[PRICE].samples]
    assert 10 < len(kept) < 60
    assert sorted(kept) == list(range(100 - len(kept), 100))
    assert sum(found.fields[PRICE].count for found in made.paths({"orders"})) == 100
    assert made._samples_bytes <= 1000


def test_the_size_is_that_of_what_is_there() -> None:
    """However it came and went, or room would be made too late or for ever."""
    made = record("orders", "search")
    for number in range(20):
        made.take([path({PRICE: field(1, 1, 0, sample(number))}), path(route="search")], AT)
    made.restore([PathRecord(name_policy(made_policy()), AT, path({PRICE: field(1, 1, 0, sample(3))}, name="/x"))])
    made.clear("search", AT)
    assert made._samples_bytes > 0
    made.clear("orders", AT)
    assert made._samples_bytes == 0


def made_policy() -> Compare:
    """By which the routes of these tests are compared."""
    shadow = table("orders").routes[0].shadow
    assert shadow is not None
    return shadow.compare


def test_what_was_handed_out_stays_as_it_is() -> None:
    """A thread may be reading it."""
    made = record()
    made.take([path({PRICE: field(1, 1, 0, sample())})], AT)
    before = msgspec.json.encode(msgspec.to_builtins(list(only(made).fields.values())))
    handed = only(made)
    made.take([path({PRICE: field(1, 1, 0, sample())}), path({("$.new", "extra"): field()})], AT)
    made.forget_old(AT + 2 * KEPT_SECONDS)

    assert msgspec.json.encode(msgspec.to_builtins(list(handed.fields.values()))) == before


FOUND = st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(0, 400))
"""On which path, how often, and how large a sample of it is."""


@given(st.lists(FOUND, max_size=20), st.integers(1, 2000))
def test_what_one_record_lets_go_of_another_has_whole(steps: list[tuple[int, int, int]], most_bytes: int) -> None:
    """Piece by piece, in the order in which it waits: every count once, and each piece has at least one path."""
    source, target, expected = record(), record(), record()
    for place, count, length in steps:
        found = path({PRICE: field(count, 1, 0, sample(baseline="x" * length))}, name=f"/{place}", compared=count)
        source.take([found], AT)
        expected.take([found], AT)
    while source.is_changed:
        drained = source.drain(most_bytes)
        assert len(drained) >= 1
        target.merge(drained, AT)

    def counts(made: Mismatches) -> dict[str, tuple[int, int]]:
        return {each.path: (each.compared, each.fields[PRICE].count) for each in made.paths({"orders"})}

    assert (source.paths({"orders"}), counts(target)) == ([], counts(expected))
    assert all(each.fields[PRICE].samples for each in target.paths({"orders"}))


def test_nothing_is_merged_of_another_policy_or_right_after_the_record_began_anew() -> None:
    """It may have been redacted by what is redacted no more, or found before."""
    other, made = record(ignore=("$.at",)), record()
    other.take([path()], AT)
    made.merge(other.drain(10_000), AT)
    assert made.paths({"orders"}) == []

    same = record()
    same.take([path()], AT)
    found = same.drain(10_000)
    made.clear("orders", AT)
    made.merge(found, AT + SETTLING_SECONDS / 2)
    assert made.paths({"orders"}) == []
    made.merge(found, AT + SETTLING_SECONDS)
    assert made.paths({"orders"}) == [path()]


def test_what_the_store_has_is_not_written_again() -> None:
    """A record that was only read has nothing to say."""
    known = record()
    known.take([path()], AT)
    made = record()
    made.begin(stored(known))

    assert (made.paths({"orders"}), made.is_changed) == ([path()], False)
    made.begin([])
    assert (made.paths({"orders"}), made.is_changed) == ([], False)
