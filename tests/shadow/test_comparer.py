"""Stories of pairs that come to a comparer: what it learns, what it counts, and when."""

from __future__ import annotations

from math import inf
from random import Random
from typing import Any

import msgspec
import pytest

from gateway.core.noise import TWINS_NEEDED
from gateway.core.shadowing import Reply
from gateway.core.tallies import FieldTally, PathTally
from gateway.shadow.comparer import ALL_WAITING_LIMIT, PATIENCE_SECONDS, SAMPLES_LIMIT, WAITING_LIMIT, Comparer
from tests.shadow.stories import POLICY, SILENT, Story, table_of

TIME, PRICE = ("$.time", "value"), ("$.price", "value")
dice = Random(5)


def order(price: float = 9.5, **members: Any) -> dict[str, Any]:
    """An order, its time stamp never the same."""
    return {"price": price, "time": dice.random(), **members}


def learnt(number: int = TWINS_NEEDED) -> Story:
    """A story in which so many twins have differed in the time stamp, which was found by somebody else."""
    story = Story()
    story.twins((order(), order()) for _ in range(number))
    story.tallies()
    return story


# Results.


def test_without_twins_everything_counts_at_once() -> None:
    """Nothing is learnt, nothing waits: equal is a match, all else a mismatch."""
    story = Story(SILENT)
    story.pair({"price": 1}, {"price": 1})
    story.pair({"price": 1}, {"price": 2})
    story.pair(order(), order())

    assert story.results() == {"match": 1, "mismatch": 2}


def test_time_stamps_are_learnt_and_a_bug_in_a_quiet_field_counts_from_the_first() -> None:
    """Each answer differs in its time, as twins do; the one with another price differs in what they don't."""
    story = learnt()
    for number in range(100):
        story.pair(order(), order(price=9.51 if number == 70 else 9.5))
    fields = story.fields()

    assert story.results() == {"noise": 99, "mismatch": 1}
    assert (fields[TIME].count, fields[TIME].counted) == (100, 0)
    assert (fields[PRICE].count, fields[PRICE].counted) == (1, 1)


def test_a_bug_in_a_noisy_field_counts_once_its_rate_is_beyond_doubt() -> None:
    """The baseline differs in 5 of 100, the candidate every other time: after a while that counts, for good."""
    story = Story()
    story.twins(({"price": 1}, {"price": 2 if number % 20 == 0 else 1}) for number in range(40))
    results = []
    for number in range(400):
        story.pair({"price": 1}, {"price": 2 if number % 2 else 1})
        results.extend(story.results())

    first = results.index("mismatch")
    assert set(results[:first]) == {"match", "noise"}
    assert set(results[first:]) == {"match", "mismatch"}
    assert first < 200


def test_the_same_noise_on_both_sides_never_counts() -> None:
    """A counter that moves under every third pair, whoever answers."""
    story = Story()
    chance = Random(3)
    for number in range(1_500):
        moved = 1 if chance.random() < 1 / 3 else 0
        story.pair({"visits": number}, {"visits": number + moved}, is_twin=number < 30 or number % 10 == 0)

    assert set(story.results()) == {"match", "noise"}


def test_a_field_of_another_type_counts_though_its_value_moves() -> None:
    """Noise is by kind: a time stamp that became a number is no time stamp any more."""
    story = learnt()
    story.pair({"price": 1, "time": 0.5}, {"price": 1, "time": "12:00"})

    assert story.results() == {"mismatch": 1}


def test_a_candidate_that_fails_where_the_baseline_does_not_is_a_mismatch() -> None:
    """By its status."""
    story = Story(SILENT)
    story.pair(order(), Reply(500, b"", b"oops"))

    assert story.results() == {"mismatch": 1}
    assert ("status", "status") in story.fields()


def test_what_comes_of_forced_requests_counts_apart() -> None:
    """Someone tries out what may well be broken: metrics show it, rules must not act on it; waited or not."""
    story = learnt()
    story.pair(order(), order(price=1.0), is_forced=True)
    waiting = Story()
    waiting.pair(order(), order(price=1.0), is_forced=True)
    waiting.pair(order(), order(price=1.0))
    waiting.comparer.tick(inf)
    counted = [*story.comparer.take_counts(), *waiting.comparer.take_counts()]

    assert [(each.subject.is_forced, each.figures.mismatches) for each in counted] == [(True, 1), (True, 1), (False, 1)]


def test_a_baseline_that_fails_leaves_nothing_to_compare_with() -> None:
    """Whatever the candidate says then is no match and no mismatch; and a twin of it teaches nothing."""
    story = Story()
    story.pair(Reply(503, b"", b""), order())
    story.pair(Reply(503, b"", b""), Reply(503, b"", b""))
    story.twin(Reply(503, b"", b""), order())

    assert story.results() == {"error/5xx": 2}
    assert story.tallies() == {}


def test_a_field_that_differs_in_many_elements_differs_once() -> None:
    """Tallies count pairs: fifty wrong prices in a list are one pair with a wrong price."""
    story = Story(SILENT)
    story.pair([order(1, time=0)] * 50, [order(2, time=0)] * 50)
    fields = story.fields()

    assert {key: tally.count for key, tally in fields.items()} == {("$[*].price", "value"): 1}


def test_what_fails_in_comparing_is_counted_and_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pair must not end the process, nor vanish: it is an error with a reason, and somebody hears of it."""
    story = Story(SILENT)

    def fail(*_: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("gateway.shadow.comparison.Comparison.compare", fail)

    with pytest.raises(RuntimeError, match="no such luck"):
        story.pair(order(), order())
    with pytest.raises(RuntimeError, match="no such luck"):
        story.twin(order(), order())
    assert story.results() == {"error/comparer": 1}


# Arrays in any order.


def test_a_wrong_price_in_a_shuffled_list_is_all_that_is_named() -> None:
    """Once the baseline was seen to shuffle it, a list is no longer held against the other place by place."""
    story = Story()
    items = [{"id": number, "price": number * 1.5, "name": f"thing {number}"} for number in range(8)]
    story.twins(({"items": items}, {"items": dice.sample(items, 8)}) for _ in range(TWINS_NEEDED))
    story.tallies()
    wrong = [{**item, "price": 99} if item["id"] == 3 else item for item in reversed(items)]
    story.pair({"items": items}, {"items": wrong})
    fields = story.fields()

    assert story.results() == {"mismatch": 1}
    assert set(fields) == {("$.items[*].price", "value")}


def test_a_candidate_that_always_shuffles_counts_where_the_baseline_seldom_does() -> None:
    """Order is a field like others: its own rate decides."""
    story = Story()
    story.twins(({"items": [1, 2, 3]}, {"items": [3, 1, 2] if number == 0 else [1, 2, 3]}) for number in range(60))
    for _ in range(300):
        story.pair({"items": [1, 2, 3]}, {"items": [2, 3, 1]})

    assert story.results()["mismatch"] > 200


# Waiting.


def test_pairs_that_differ_wait_until_there_were_twins_enough() -> None:
    """A match is one at once; what differs is judged when it is known what noise is, and then all of it."""
    story = Story()
    for _ in range(20):
        story.pair(order(), order())
    story.pair(order(time=1), order(time=1))
    story.pair(order(), order(price=8))
    waiting = story.results()
    story.twins((order(), order()) for _ in range(TWINS_NEEDED - 1))
    still = story.results()
    story.twin(order(), order())

    assert waiting == {"match": 1}
    assert still == {}
    assert story.results() == {"noise": 20, "mismatch": 1}


def test_what_has_waited_for_a_minute_is_judged_by_what_is_known() -> None:
    """Three twins know the time stamp, too. What came later goes on waiting."""
    story = learnt(3)
    story.pair(order(), order())
    story.pair(order(), order(price=8))
    story.now += 30
    story.pair(order(), order(price=8))
    story.comparer.tick(story.now + PATIENCE_SECONDS - 30)
    first = story.results()
    story.comparer.tick(inf)

    assert first == {"noise": 1, "mismatch": 1}
    assert story.results() == {"mismatch": 1}


def test_methods_without_twins_do_not_wait() -> None:
    """Nobody would ever learn anything of them."""
    story = Story()
    story.pair(order(), order(), method="POST")

    assert story.results() == {"mismatch": 1}


def test_a_bound_on_what_waits_judges_the_first_ones() -> None:
    """Of a path; the rest goes on waiting."""
    story = Story()
    for _ in range(WAITING_LIMIT + 5):
        story.pair({"price": 1}, {"price": 2})

    assert story.results() == {"mismatch": 5}


def test_a_bound_on_all_that_waits_holds_over_all_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that many paths of many routes cost no more than a few."""
    monkeypatch.setattr("gateway.shadow.comparer.ALL_WAITING_LIMIT", 20)
    story = Story()
    for number in range(30):
        story.pair({"price": 1}, {"price": 2}, path=f"/orders/{number % 5}")
    judged = sum(counted.figures.mismatches for counted in story.comparer.take_counts())

    assert judged == 10
    assert ALL_WAITING_LIMIT > WAITING_LIMIT


# Routes, and what is known.


def found_before() -> tuple[PathTally, ...]:
    """What another comparer has found, as it comes through the link: the time stamp is noise."""
    story = Story()
    story.twins((order(), order()) for _ in range(TWINS_NEEDED))
    frame = msgspec.msgpack.encode(story.comparer.take_tallies())
    return msgspec.msgpack.decode(frame, type=tuple[PathTally, ...])


def test_a_new_comparer_that_is_told_what_is_known_goes_on() -> None:
    """It is killed and comes back: the time stamp is still noise, and nothing waits."""
    story = Story()
    story.comparer.learn(found_before())
    story.pair(order(), order())
    story.pair(order(), order(price=8))

    assert story.results() == {"noise": 1, "mismatch": 1}


def test_it_may_be_told_before_it_has_a_table() -> None:
    """Which of the two comes first at the link makes no difference."""
    story = Story()
    story.comparer = Comparer()
    story.comparer.learn(found_before())
    story.comparer.adopt(table_of(orders=POLICY))
    story.pair(order(), order())

    assert story.results() == {"noise": 1}


def test_what_is_known_no_more_is_forgotten() -> None:
    """A record that operators begin anew: what was noise is to be learnt anew."""
    story = learnt()
    story.comparer.learn(())
    story.pair(order(), order())
    story.comparer.tick(inf)

    assert story.results() == {"mismatch": 1}


def test_what_waits_when_a_record_begins_anew_is_judged_with_what_was_before() -> None:
    """After a mend nobody hears a minute later of what the broken candidate answered; other routes' pairs go on."""
    story = learnt(3)
    story.pair(order(), order())
    story.comparer.learn(())
    judged = story.results()
    story.pair(order(), order())
    story.comparer.learn(story.comparer.take_tallies())

    assert judged == {"noise": 1}
    assert story.results() == {}


def test_a_table_that_changes_nothing_of_a_route_leaves_what_was_found() -> None:
    """A reload for another route's sake is none for this one."""
    story = learnt()
    story.comparer.adopt(table_of(orders=POLICY, carts=SILENT))
    story.pair(order(), order())

    assert story.results() == {"noise": 1}


def test_another_policy_begins_anew() -> None:
    """What was found by other rules says nothing; what waited by then is judged by what was known."""
    story = learnt(3)
    story.pair(order(), order())
    story.comparer.adopt(table_of(orders=msgspec.structs.replace(POLICY, ignore=("$.price",))))
    judged = story.results()
    story.pair(order(), order(price=8))
    story.comparer.tick(inf)

    assert judged == {"noise": 1}
    assert story.results() == {"mismatch": 1}
    assert set(story.fields()) == {TIME}


def test_a_table_that_cannot_be_adopted_changes_nothing() -> None:
    """The comparer goes on by the one that it has, with all that it knows and all that waits."""
    story = learnt(3)
    story.pair(order(), order())
    with pytest.raises(ValueError, match=r"\$\.\["):
        story.comparer.adopt(table_of(carts=POLICY, orders=msgspec.structs.replace(POLICY, ignore=("$.[",))))
    story.comparer.tick(inf)

    assert story.results() == {"noise": 1}


def test_pairs_of_routes_that_are_not_compared_are_skipped() -> None:
    """One that is gone, whose copying has ended, or that no table has named yet; what waited is judged."""
    story = Story()
    story.pair(order(), order(), route="carts")
    story.pair(order(), order())
    story.comparer.adopt(table_of(orders=None))
    story.pair(order(), order())

    assert story.results() == {"mismatch": 1, "skipped/comparer_busy": 1}
    assert story.tallies() == {}


# Bounds.


def test_paths_without_end_share_a_place() -> None:
    """A route keeps a hundred; what comes after them is `{other}`, in counts as in tallies."""
    story = Story(SILENT)
    for number in range(130):
        story.pair({"price": 1}, {"price": 2}, path=f"/orders/{number}")

    assert story.results("{other}") == {"mismatch": 30}
    assert story.results() == {}
    tallies = story.tallies()
    assert len(tallies) == 101
    assert tallies["{other}"].compared == 30


def test_samples_are_bounded_and_redacted() -> None:
    """The first of each field and kind between two messages; what is secret is not in them."""
    story = Story(msgspec.structs.replace(SILENT, samples=2, redact=("$..password",)))
    for number in range(5):
        story.pair({"id": 1, "password": "hunter2"}, {"id": number + 2, "password": "hunter3"})
    fields = story.fields()
    story.pair({"id": 1}, {"id": 9})

    assert [sample.candidate for sample in fields["$.id", "value"].samples] == [2, 3]
    assert "hunter" not in repr(fields)
    assert [sample.candidate for sample in story.fields()["$.id", "value"].samples] == [9]


def test_all_samples_together_are_bounded_between_two_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many paths and fields differ, what is told at once stays small; the counts are whole."""
    monkeypatch.setattr("gateway.shadow.comparer.SAMPLES_LIMIT", 3)
    story = Story(SILENT)
    story.tallies()
    for number in range(5):
        story.pair({"a": 1, "b": 1}, {"a": 2, "b": 2}, path=f"/orders/{number}")
    fields = [tally for path in story.tallies().values() for tally in path.fields.values()]

    assert sum(len(tally.samples) for tally in fields) == 3
    assert sum(tally.count for tally in fields) == 10
    assert SAMPLES_LIMIT > 3


def test_tallies_tell_when_a_field_differed() -> None:
    """By the workers' clocks, first and last."""
    story = Story(SILENT)
    story.pair({"price": 1}, {"price": 2}, time=50.0)
    story.pair({"price": 1}, {"price": 2}, time=70.0)
    tally = story.fields()[PRICE]

    assert (tally.first_at, tally.last_at) == (50.0, 70.0)
    assert isinstance(tally, FieldTally)
