"""What a change of the configuration is said to do."""

from __future__ import annotations

import msgspec
import pytest

from gateway.core.jwks import Jwk
from gateway.core.movement import Change, Kind, Movement, Shift, compare_tables
from gateway.core.placing import Move
from gateway.core.plans import Bound, Do, Guard, Metric, Op, Plan, Rule, Stage
from gateway.core.tokens import TokenPolicy
from gateway.core.types import Hash, Match, Mode, Rollout, Table
from tests.core.asking import chain, rollout, route, table
from tests.core.lives import started

KEYS = [b"user-%d" % number for number in range(2000)]


def shift_of(before: Rollout, after: Rollout) -> Shift:
    """How the keys move between two versions of one rollout."""
    (shift,) = compare_tables(table(route(), rollouts=(before,)), table(route(), rollouts=(after,)), KEYS).rollouts
    return shift


def test_the_same_table_moves_nothing() -> None:
    """No difference is an empty movement."""
    rules = table(route())

    assert compare_tables(rules, table(route()), KEYS).is_empty


def test_routes_are_compared_by_name() -> None:
    """Added, removed, or changed in the fields that are named."""
    before = table(route("kept"), route("edited"), route("gone"))
    after = table(route("kept"), route("edited", path="/v2/**", baseline="other"), route("fresh"))

    movement = compare_tables(before, after, KEYS)

    assert movement.routes == (
        Change("edited", Kind.CHANGED, ("match", "baseline")),
        Change("fresh", Kind.ADDED),
        Change("gone", Kind.REMOVED),
    )
    assert not movement.routes_reordered


def test_which_tokens_are_good_is_a_difference() -> None:
    """In the words of the configuration; nobody can say how many keys that moves."""
    rules, policy = table(route()), TokenPolicy("/keys.json", ("ES256",))

    def compare(before: TokenPolicy | None, after: TokenPolicy | None) -> tuple[str, ...]:
        movement = compare_tables(*(msgspec.structs.replace(rules, tokens=each) for each in (before, after)), KEYS)
        assert movement.is_empty is (before == after)
        return movement.tokens

    assert compare(None, policy) == compare(policy, None) == ("jwks",)
    assert compare(None, None) == compare(policy, TokenPolicy("/keys.json", ("ES256",))) == ()
    assert compare(policy, TokenPolicy("/k", ("RS256",), (Jwk("EC"),), leeway_seconds=1.0)) == (
        "jwks",
        "algorithms",
        "leeway",
    )


def test_another_order_is_a_difference() -> None:
    """The first match serves, so order matters; what is added or removed does not count as order."""
    one, two, three = route("one"), route("two", match=Match(("/two",))), route("three")

    assert compare_tables(table(one, two), table(two, one), KEYS).routes_reordered
    assert not compare_tables(table(one, two), table(three, one, two), KEYS).routes_reordered


def test_a_larger_percentage_only_moves_keys_to_the_candidate() -> None:
    """5 to 20 %: about 15 % of the keys go over, none comes back."""
    shift = shift_of(rollout(5), rollout(20))

    assert shift.fields == ("percent",)
    assert (shift.to_baseline, shift.reshuffled_by) == (0, ())
    assert shift.to_candidate == pytest.approx(0.15 * len(KEYS), rel=0.15)
    assert shift.to_candidate + shift.stay_candidate + shift.stay_baseline == len(KEYS)


@pytest.mark.parametrize(
    ("after", "field"),
    [
        (rollout(50, salt="other"), "salt"),
        (rollout(50, hash=Hash.MD5_MOD100), "hash"),
        (rollout(50, key=chain("cookie:session")), "key"),
    ],
)
def test_another_hash_salt_or_key_is_called_a_reshuffle(after: Rollout, field: str) -> None:
    """The share stays, but it is other users who are in it."""
    assert shift_of(rollout(50), after).reshuffled_by == (field,)


def test_a_reshuffle_moves_half_of_the_keys_at_fifty_percent() -> None:
    """A quarter goes over and a quarter comes back."""
    shift = shift_of(rollout(50), rollout(50, salt="other"))

    assert shift.to_candidate == pytest.approx(len(KEYS) / 4, rel=0.2)
    assert shift.to_baseline == pytest.approx(len(KEYS) / 4, rel=0.2)


@pytest.mark.parametrize("after", [rollout(50, mode=Mode.OFF), rollout(50, killed=True), rollout(0)])
def test_a_rollout_that_is_held_counts_as_zero(after: Rollout) -> None:
    """Mode and switches count, not only the figure in the file."""
    shift = shift_of(rollout(50), after)

    assert shift.percent_after == 0
    assert (shift.to_candidate, shift.stay_candidate) == (0, 0)
    assert shift.to_baseline > 0


def test_a_new_rollout_moves_keys_from_the_baseline() -> None:
    """Before there was a rollout, everybody was on the baseline; when it is removed, everybody is again."""
    without, with_one = table(route(rollout=None)), table(route())
    without = msgspec.structs.replace(without, rollouts=())

    (added,) = compare_tables(without, with_one, KEYS).rollouts
    (removed,) = compare_tables(with_one, without, KEYS).rollouts

    assert (added.kind, added.percent_before, added.to_baseline) == (Kind.ADDED, 0, 0)
    assert (removed.kind, removed.percent_after, removed.to_baseline) == (Kind.REMOVED, 0, added.to_candidate)


def test_changes_of_the_server_are_named() -> None:
    """By the fields under ``server``."""
    before: Table = table(route())
    after = msgspec.structs.replace(before, server=msgspec.structs.replace(before.server, expose=True))

    assert compare_tables(before, after, KEYS).server == ("expose",)


GUARD = Guard(Rule("p99 > 1s for 1m", Metric.P99, Op.ABOVE, Bound(1.0)), Do.PAUSE)
GATE = Rule("p99 < 1s for 1m", Metric.P99, Op.BELOW, Bound(1.0))
PLAN = Plan((Stage(1), Stage(5, 3600), Stage(25)))


def planned(plan: Plan, percent: float = 0.0) -> Rollout:
    """A rollout with a plan, as it is compiled."""
    return msgspec.structs.replace(rollout(percent), plan=plan)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"stages": (Stage(1), Stage(25))}, "stages"),
        ({"guards": (GUARD,)}, "guard"),
        ({"cooldown_seconds": 1.0}, "cooldown"),
        ({"retries": 1}, "retry"),
        ({"watch_seconds": 1.0}, "watch"),
        ({"starts_by_itself": True}, "start"),
        ({"min_requests": 1}, "min_requests"),
        ({"confidence": None}, "confidence"),
    ],
)
def test_a_change_of_a_plan_is_named_as_it_is_written(change: dict[str, object], word: str) -> None:
    """Who reads the difference looks for these words in the file."""
    assert shift_of(planned(PLAN), planned(msgspec.structs.replace(PLAN, **change))).fields == (word,)


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ((Stage(1, gates=(GATE,)), Stage(5, 3600, gates=(GATE,)), Stage(25)), ("gates",)),
        ((Stage(1, gates=(GATE,)), Stage(50, gates=(GATE,))), ("stages", "gates")),
        ((Stage(1), Stage(50)), ("stages",)),
    ],
)
def test_gates_are_named_beside_the_stages_that_have_them(stages: tuple[Stage, ...], words: tuple[str, ...]) -> None:
    """A file has them under `gates`, for all stages or for one."""
    assert shift_of(planned(PLAN), planned(Plan(stages))).fields == words


def test_gates_that_stay_are_not_named() -> None:
    """Although each stage that comes has them."""
    before, after = (Plan(tuple(Stage(share, gates=(GATE,)) for share in shares)) for shares in ((1, 5), (1, 5, 25)))

    assert shift_of(planned(before), planned(after)).fields == ("stages",)


def test_a_plan_takes_over_where_the_fixed_percentage_was() -> None:
    """From 10 % to stages of 1, 5 and 25 %: it goes on at 5 %, and only what is above that comes back."""
    shift = shift_of(rollout(10), planned(PLAN))

    assert shift.fields == ("percent", "stages")
    assert (shift.percent_before, shift.percent_after, shift.to_candidate) == (10, 5, 0)
    assert shift.to_baseline == pytest.approx(0.05 * len(KEYS), rel=0.3)


def test_a_plan_that_nobody_started_moves_nobody() -> None:
    """What is added is pending, unless it starts by itself."""
    before = msgspec.structs.replace(table(route()), rollouts=())
    for is_auto, percent in ((False, 0), (True, 1)):
        after = table(route(), rollouts=(planned(msgspec.structs.replace(PLAN, starts_by_itself=is_auto)),))
        (shift,) = compare_tables(before, after, KEYS).rollouts

        assert shift.percent_after == percent


def test_a_plan_counts_from_where_it_is() -> None:
    """Where somebody knows how far it has come: its stage, or an operator's percentage over it."""
    before = planned(Plan(stages=(Stage(5.0, 60.0), Stage(50.0, 60.0))))
    after = planned(Plan(stages=(Stage(5.0, 60.0), Stage(50.0, 60.0), Stage(100.0, 60.0))))
    tables = (table(route(), rollouts=(before,)), table(route(), rollouts=(after,)))
    far = started(before, 1)
    (unknown,) = compare_tables(*tables, KEYS).rollouts
    (known,) = compare_tables(*tables, KEYS, {before.name: far}).rollouts
    (gone,) = compare_tables(
        tables[0], msgspec.structs.replace(tables[1], rollouts=()), KEYS, {before.name: far}
    ).rollouts

    assert (unknown.percent_before, unknown.percent_after) == (0, 0)
    assert (known.percent_before, known.percent_after, known.to_baseline) == (50, 50, 0)
    assert (gone.percent_before, gone.percent_after, gone.to_candidate) == (50, 0, 0)
    assert gone.to_baseline == pytest.approx(len(KEYS) / 2, rel=0.1)


def goes(before: Rollout, backend: str) -> Movement:
    """A rollout is over: its route has one backend now."""
    after = msgspec.structs.replace(table(route(baseline=backend, candidate=None, rollout=None)), rollouts=())
    return compare_tables(table(route(), rollouts=(before,)), after, KEYS)


def test_at_the_end_nobody_moves_when_the_candidate_becomes_the_routes_backend() -> None:
    """The new service answered everybody, and goes on to."""
    movement = goes(rollout(100), "new")
    (shift,) = movement.rollouts

    assert (shift.percent_before, shift.percent_after, shift.stay_candidate) == (100, 100, len(KEYS))
    assert movement.moves == (Move("orders", "new", "new", len(KEYS)),)


def test_whoever_was_on_the_baseline_moves_when_the_candidate_becomes_the_routes_backend() -> None:
    """Nobody was told to be on the new service, and everybody is put there."""
    movement = goes(rollout(0), "new")
    (shift,) = movement.rollouts

    assert (shift.percent_before, shift.percent_after, shift.to_candidate) == (0, 100, len(KEYS))
    assert movement.moves == (Move("orders", "legacy", "new", len(KEYS)),)


def test_a_rollout_that_comes_to_a_route_of_the_new_service_takes_users_back() -> None:
    """The other way: where everybody was answered by what becomes the candidate."""
    before = msgspec.structs.replace(table(route(baseline="new", candidate=None, rollout=None)), rollouts=())
    (shift,) = compare_tables(before, table(route(), rollouts=(rollout(0),)), KEYS).rollouts

    assert (shift.percent_before, shift.percent_after, shift.to_baseline) == (100, 0, len(KEYS))


def test_a_route_that_gets_another_backend_says_who_answers() -> None:
    """Without a rollout, too; a route whose backends stay has nothing to say."""
    before = table(route("plain", baseline="legacy", rollout=None), route("kept"))
    after = table(route("plain", baseline="new", rollout=None), route("kept", path="/v2/**"))

    assert compare_tables(before, after, KEYS).moves == (Move("plain", "legacy", "new", len(KEYS)),)


def test_a_rollout_that_gets_another_name_keeps_whom_its_salt_keeps() -> None:
    """Both are counted by what answers, one going and one coming."""
    after = table(route(rollout="other"), rollouts=(rollout(50, name="other"),))
    movement = compare_tables(table(route(), rollouts=(rollout(50),)), after, KEYS)

    assert {(move.before, move.after) for move in movement.moves} == {("legacy", "legacy"), ("new", "new")}
    assert [(shift.to_candidate, shift.to_baseline) for shift in movement.rollouts] == [(0, 0), (0, 0)]


def test_a_rollout_that_goes_with_its_routes_is_not_counted() -> None:
    """Which route serves their requests then is not a question of names."""
    after = msgspec.structs.replace(table(route("all", baseline="new", candidate=None, rollout=None)), rollouts=())
    (shift,) = compare_tables(table(route(), rollouts=(planned(PLAN),)), after, KEYS).rollouts

    assert not shift.is_counted
    assert not shift.from_beginning
    assert (shift.to_candidate, shift.to_baseline, shift.stay_candidate, shift.stay_baseline) == (0, 0, 0, 0)


def test_a_plan_that_is_counted_from_its_beginning_says_so() -> None:
    """A file does not know how far it is; the gateway does."""
    tables = (table(route(), rollouts=(planned(PLAN),)), table(route(), rollouts=(planned(PLAN, 1.0),)))
    (unknown,) = compare_tables(*tables, KEYS).rollouts
    (known,) = compare_tables(*tables, KEYS, {"checkout": started(planned(PLAN), 1)}).rollouts

    assert (unknown.from_beginning, known.from_beginning) == (True, False)
    assert not shift_of(rollout(1), planned(PLAN)).from_beginning
