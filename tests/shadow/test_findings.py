"""What was found on a path adds up, whoever found it, and a judgement rests on all of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.noise import FIELD_LENGTH, FIELDS_LIMIT, TWINS_NEEDED, is_noise
from gateway.core.tallies import FieldTally, PathTally, Sample
from gateway.shadow.findings import Findings

TIME, PRICE = ("$.time", "value"), ("$.price", "value")
KEYS = (TIME, PRICE, ("$.hint", "missing"), ("$.hint", "extra"))
pairs = st.lists(st.tuples(st.booleans(), st.frozensets(st.sampled_from(KEYS))), max_size=60)


def note(findings: Findings, *keys: tuple[str, str], time: float = 5.0) -> bool:
    """One pair that differs in these; whether it is a mismatch."""
    found = [findings.find(key) for key in keys]
    findings.note_pair(found, time)
    return findings.judge(found)


def note_twins(findings: Findings, number: int, *keys: tuple[str, str]) -> None:
    """So many twins that differ in these."""
    for _ in range(number):
        findings.note_twin([findings.find(key) for key in keys])


def test_what_is_taken_is_what_came_since_the_last_time() -> None:
    """Sums travel as differences: nothing is told twice, and nothing new is nothing at all."""
    findings = Findings("orders", "/orders")
    note(findings, PRICE, time=5.0)
    note(findings, PRICE, TIME, time=7.0)
    first = findings.take()
    nothing = findings.take()
    note_twins(findings, 1, TIME)

    assert first == PathTally(
        "orders",
        "/orders",
        compared=2,
        fields={
            PRICE: FieldTally(count=2, counted=2, first_at=5.0, last_at=7.0),
            TIME: FieldTally(count=1, counted=1, first_at=7.0, last_at=7.0),
        },
    )
    assert nothing is None
    assert findings.take() == PathTally("orders", "/orders", twins=1, fields={TIME: FieldTally(noisy=1)})


@given(pairs, pairs)
def test_a_comparer_that_was_told_what_is_known_stands_where_the_former_stood(
    before: list[tuple[bool, frozenset[tuple[str, str]]]], after: list[tuple[bool, frozenset[tuple[str, str]]]]
) -> None:
    """Whether it lived through everything or began in between: the totals are the same, and so is each judgement."""
    whole, ended = Findings("orders", "/orders"), Findings("orders", "/orders")
    for is_twin, keys in before:
        for each in (whole, ended):
            note_twins(each, 1, *keys) if is_twin else note(each, *keys)
    begun = Findings("orders", "/orders")
    begun.learn(ended.take())
    for is_twin, keys in after:
        for each in (whole, begun):
            note_twins(each, 1, *keys) if is_twin else note(each, *keys)

    assert (begun.total.compared, begun.total.twins) == (whole.total.compared, whole.total.twins)
    for key in KEYS:
        one, other = (each.total.fields.get(key, FieldTally()) for each in (whole, begun))
        assert (one.count, one.noisy) == (other.count, other.noisy)
        assert is_noise(whole.total, *key) == is_noise(begun.total, *key)
    assert begun.shuffled == whole.shuffled


def test_what_is_learnt_replaces_what_was_known_but_not_what_is_new() -> None:
    """A controller that comes back tells what it has; what it has not been told yet is still to come."""
    findings = Findings("orders", "/orders")
    note_twins(findings, 3, TIME)
    findings.take()
    note(findings, TIME)
    findings.learn(PathTally("orders", "/orders", compared=8, twins=2, fields={TIME: FieldTally(count=5, noisy=2)}))

    assert (findings.total.compared, findings.total.twins) == (9, 2)
    assert (findings.total.fields[TIME].count, findings.total.fields[TIME].noisy) == (6, 2)


def test_it_is_forgotten_when_nothing_is_known_any_more() -> None:
    """A record that was begun anew begins anew here, too: what was noise counts."""
    findings = Findings("orders", "/orders")
    note_twins(findings, TWINS_NEEDED, TIME)
    was_mismatch = note(findings, TIME)
    findings.take()
    findings.learn(None)

    assert not was_mismatch
    assert not findings.is_known
    assert note(findings, TIME)


def test_the_first_noisy_twin_turns_a_field_into_noise() -> None:
    """What counted until then stays counted; from then on it is noise."""
    findings = Findings("orders", "/orders")
    before = note(findings, TIME)
    note_twins(findings, 1, TIME)

    assert before
    assert not note(findings, TIME)
    assert findings.total.fields[TIME].counted == 1


def test_a_twin_that_lacked_a_member_makes_one_too_many_noise() -> None:
    """Also where that had been judged before: the mirrored kind is judged anew."""
    findings = Findings("orders", "/orders")
    before = note(findings, ("$.hint", "extra"))
    note_twins(findings, 1, ("$.hint", "missing"))

    assert before
    assert not note(findings, ("$.hint", "extra"))


def test_a_pair_is_a_mismatch_when_one_of_its_fields_counts() -> None:
    """And only the one that counts is noted as such."""
    findings = Findings("orders", "/orders")
    note_twins(findings, TWINS_NEEDED, TIME)

    assert note(findings, TIME, PRICE)
    assert findings.total.fields[TIME].counted == 0
    assert findings.total.fields[PRICE].counted == 1


def test_fields_without_end_share_a_place() -> None:
    """Members named by identifiers can't make it grow: what comes after the bound is `{other}`, by kind."""
    findings = Findings("orders", "/orders")
    for number in range(FIELDS_LIMIT + 50):
        note(findings, (f"$.by_id['{number}']", "missing"), (f"$.by_id['{number}']", "value"))

    tally = findings.take()

    assert tally is not None
    assert len(tally.fields) == FIELDS_LIMIT + 2
    assert tally.fields["{other}", "value"].count == FIELDS_LIMIT + 50 - FIELDS_LIMIT // 2


def test_a_name_without_end_is_not_kept() -> None:
    """Whoever answers with a member of a megabyte's name takes no megabyte."""
    findings = Findings("orders", "/orders")
    note(findings, (f"$['{'x' * FIELD_LENGTH}']", "extra"))

    assert set(findings.total.fields) == {("{other}", "extra")}


def test_arrays_that_the_baseline_shuffles_are_named() -> None:
    """By the twins that differ in order alone; what no JSONPath names can't be compared without order."""
    findings = Findings("orders", "/orders")
    note_twins(findings, 1, ("$.items", "order"), ("{other}", "order"), ("$['\\ud800']", "order"), TIME)

    assert findings.shuffled == ("$.items",)


def test_samples_are_handed_on_and_not_kept() -> None:
    """The total holds numbers only."""
    findings = Findings("orders", "/orders")
    note(findings, PRICE)
    findings.find(PRICE).keep(Sample("r-1", 5.0, 1, 2))
    tally = findings.take()

    assert tally is not None
    assert tally.fields[PRICE].samples == [Sample("r-1", 5.0, 1, 2)]
    assert findings.total.fields[PRICE].samples == []
