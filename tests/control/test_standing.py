"""Which percentages a rollout can have, and who set the one that it has."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.standing import RolloutState, check_copies, check_percent, foresee
from gateway.core import lifecycle
from gateway.core.progress import Action, State
from gateway.core.shadowing import Compare, Shadow
from gateway.core.types import Hash, Match, Rollout, Route
from gateway.errors import BadValue, WrongAction
from tests.core.lives import act, fixed, planned, started


@pytest.mark.parametrize("percent", [-1, 100.01, float("nan"), float("inf")])
def test_what_is_no_percentage_is_refused(percent: float) -> None:
    """By the field's name."""
    with pytest.raises(BadValue, match="from 0 to 100") as caught:
        check_percent(fixed(), percent)

    assert caught.value.field == "percent"


def test_a_hash_of_a_hundred_places_takes_whole_percentages() -> None:
    """As in the file."""
    with pytest.raises(BadValue, match="whole percentages"):
        check_percent(fixed(hash=Hash.UNLEASH), 0.5)

    check_percent(fixed(hash=Hash.UNLEASH), 7)
    check_percent(fixed(), 0.5)


@pytest.mark.parametrize(
    ("rollout", "wanted", "share", "source"),
    [
        (fixed(), None, 5, "file"),
        (planned(), None, 5, "plan"),
        (planned(), 7.0, 7, "operator"),
        (msgspec.structs.replace(planned(), cap=1.0), None, 1, "switch"),
        (msgspec.structs.replace(planned(), killed=True), 7.0, 0, "switch"),
    ],
)
def test_a_share_has_one_who_set_it(rollout: Rollout, wanted: float | None, share: float, source: str) -> None:
    """Whoever has the last word."""
    progress = started(rollout, 1 if rollout.plan.stages else 0)
    if wanted is not None:
        progress = act(rollout, progress, Action.SET, percent=wanted)
    state = RolloutState(rollout, progress, ("orders",), "r1")

    assert (state.name, state.state, state.percent, state.source) == ("shop", "running", share, source)


def test_what_is_foreseen_is_what_the_lifecycle_says() -> None:
    """Its refusals, too; and a percentage must be one."""
    state = RolloutState(planned(), started(planned()), (), "r1")
    kind, after = foresee(state, Action.ROLLBACK, 7.0, unmet=lambda _name: ["never asked"])

    assert (kind, after) == lifecycle.act(planned(), started(planned()), Action.ROLLBACK, 7.0)
    with pytest.raises(WrongAction, match="resume is possible only"):
        foresee(state, Action.RESUME, 7.0, unmet=lambda _name: ())
    with pytest.raises(BadValue):
        foresee(state, Action.SET, 7.0, percent=101, unmet=lambda _name: ())


def test_an_approval_does_not_skip_gates_that_have_changed_their_mind() -> None:
    """Unless that is what is wanted."""
    waiting = msgspec.structs.replace(started(planned()), state=State.WAITING)
    state = RolloutState(planned(), waiting, (), "r1")
    with pytest.raises(WrongAction, match="waits for more than an approval: p99 is broken; promote with `--force`"):
        foresee(state, Action.PROMOTE, 7.0, unmet=lambda _name: ["p99 is broken"])

    assert foresee(state, Action.PROMOTE, 7.0, force=True, unmet=lambda _name: ["p99 is broken"])[0] == "stage"
    assert foresee(state, Action.PROMOTE, 7.0, unmet=lambda _name: ())[0] == "stage"


def test_copies_go_on_after_a_rollback_only_where_there_are_any() -> None:
    """One route that has them is enough; and a plain rollback asks for none."""
    plain = Route("plain", Match(), "legacy", "new", "shop")
    shadow = Shadow(100, frozenset({"GET"}), False, 1024, 1, 1.0, Compare(True, ()))
    copied = msgspec.structs.replace(plain, name="copied", shadow=shadow)
    with pytest.raises(WrongAction, match="no route of `shop` has `shadow`"):
        check_copies("shop", "shadow", [plain])

    check_copies("shop", "shadow", [plain, copied])
    check_copies("shop", None, [plain])


def test_who_saw_another_version_is_told_where_it_is() -> None:
    """So of two who promote at the same moment one moves the rollout, and the other looks again."""
    state = RolloutState(planned(), msgspec.structs.replace(started(planned()), version=7), (), "r1")

    assert foresee(state, Action.PAUSE, 7.0, version=7, unmet=lambda _name: ())[0] == "pause"
    for version, said in (
        (6, "`shop` has moved on meanwhile: it is at version 7, not 6; look again"),
        (8, "`shop` is at version 7, not 8; look again"),
    ):
        with pytest.raises(WrongAction, match=f"^{said}$"):
            foresee(state, Action.PAUSE, 7.0, version=version, unmet=lambda _name: ())


@given(st.sampled_from(State), st.integers(0, 3), st.none() | st.integers(0, 3))
def test_a_rollback_is_never_refused_for_its_version(state: State, version: int, wanted: int | None) -> None:
    """It is an emergency: what is possible at all is possible at every version, and leads to the same."""
    progress = msgspec.structs.replace(started(planned()), state=state, version=version)
    standing = RolloutState(planned(), progress, (), "r1")

    def roll_back(version: int | None) -> object:
        try:
            return foresee(standing, Action.ROLLBACK, 7.0, version=version, unmet=lambda _name: ())
        except WrongAction as error:
            return str(error)

    assert roll_back(wanted) == roll_back(None)
