"""How every rollout stands: what the file asks for, laid under how far it is."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.control.board import ALONE, FOLLOWING, Board, Mandate
from gateway.core.lifecycle import Progress, State, Transition
from gateway.core.plans import Plan, Stage
from gateway.core.tokens import TokenPolicy
from gateway.core.types import Held, Rollout, Table
from gateway.errors import UnknownRollout
from gateway.store.records import Event, Standing
from tests.control.rollbacks import happened
from tests.control.shops import file, shop

NOW = 1_800_000_000.0
PLAN = Plan(stages=(Stage(5.0), Stage(50.0)))
TOKENS = TokenPolicy("https://id", ("ES256",))
BEGINS = Plan(stages=(Stage(5.0), Stage(50.0)), starts_by_itself=True)


class Desk:
    """A board, and what it published."""

    def __init__(self) -> None:
        self.published: list[Table] = []
        self.board = Board(self.published.append, lambda: datetime.fromtimestamp(NOW, UTC), "gateway.yaml")

    def read(self, *rollouts: Rollout, mandate: Mandate = ALONE) -> list[tuple[str, Transition]]:
        """What the file moves that says so now."""
        table = file(*rollouts)
        edits = self.board._adopt(table, self.board._rollouts, mandate, NOW)
        self.board._put_in_force(table)
        return edits

    @property
    def percents(self) -> list[float]:
        """As the workers have them."""
        return [each.percent for each in self.published[-1].rollouts]


def test_what_is_written_again_is_told_also_of_a_rollout_that_the_file_has_no_more() -> None:
    """Without shares: nobody knows what they would be."""
    desk = Desk()
    desk.read(shop(7))
    known = Progress(state=State.PAUSED, percent=3.0, version=4)

    told = desk.board._tell_again({"shop": known, "gone": known}, {"gone": Progress(state=State.RUNNING)})

    assert (told["shop"].before, told["shop"].after) == (None, Standing("paused", 3.0))
    assert (told["gone"].before, told["gone"].after, told["gone"].inputs) == (None, None, {"version": 4, "stored": 0})


def test_before_there_is_a_file_there_are_no_rollouts() -> None:
    """Whoever asks for one is told so."""
    board = Desk().board

    assert (board.states(), dict(board.plans()), board.begun(), board.table) == ([], {}, {}, None)
    assert (board.routes("shop"), board.adopted) == ((), FOLLOWING)
    with pytest.raises(UnknownRollout):
        board.state("shop")


def test_what_the_file_says_passes_through_on_its_way_to_the_workers() -> None:
    """With the share that each rollout has by now: a plan that waits for its start has none."""
    desk = Desk()
    desk.read(shop(7), shop(90, name="search", plan=PLAN), shop(90, name="home", plan=BEGINS))

    assert desk.percents == [7, 0, 5]
    assert [each.held for each in desk.published[-1].rollouts] == [None, Held.PENDING, None]
    assert [state.name for state in desk.board.states()] == ["shop", "search", "home"]
    assert desk.board.plans()["search"].plan == PLAN
    assert [route.name for route in desk.board.routes("home")] == ["to-home"]
    assert desk.board.table == desk.published[-1]


@pytest.mark.parametrize("mandate", [ALONE, Mandate(conducts=True, fence=7)])
def test_who_conducts_begins_what_nobody_has_begun(mandate: Mandate) -> None:
    """Also what it has found a place for while another led."""
    desk = Desk()
    desk.read(shop(7), mandate=FOLLOWING)
    assert (desk.percents, desk.board.progress("shop").state, desk.board.begun()) == ([0], State.PENDING, {})

    assert desk.read(shop(7), mandate=mandate) == []
    assert (desk.percents, desk.board.progress("shop").state) == ([7], State.RUNNING)
    assert desk.board.begun().keys() == {"shop"}
    assert desk.board.adopted == mandate


def test_only_who_conducts_moves_what_the_file_says_otherwise_now() -> None:
    """Others show what their file says, and keep the share that all have."""
    desk = Desk()
    desk.read(shop(7))
    assert desk.read(shop(60), mandate=FOLLOWING) == []
    assert (desk.percents, desk.board.plans()["shop"].percent) == ([7], 60)

    ((name, edit),) = desk.read(shop(40))
    assert (name, edit.kind, edit.before.version, edit.after.version) == ("shop", "edit", 0, 1)
    assert desk.percents == [40]
    assert desk.read(shop(40)) == []


def test_how_far_a_rollout_is_outlives_its_absence_from_the_file() -> None:
    """It is among those that have begun, and among no plans."""
    desk = Desk()
    desk.read(shop(7), shop(8, name="search"))
    desk.read(shop(7))

    assert desk.board.begun().keys() == {"shop", "search"}
    assert desk.board.plans().keys() == {"shop"}
    with pytest.raises(UnknownRollout, match="did you mean `shop`"):
        desk.board.state("shap")


def test_what_is_no_rollouts_changes_without_them() -> None:
    """The table is published once more: nobody moves by that, and what the file says stays what it says."""
    desk = Desk()
    desk.board.renew(lambda table: msgspec.structs.replace(table, revision="never"))
    desk.read(shop(7, plan=BEGINS))
    plans, states = dict(desk.board.plans()), desk.board.states()
    desk.board.renew(lambda table: msgspec.structs.replace(table, tokens=TOKENS))
    before, after = desk.published

    assert after == msgspec.structs.replace(before, tokens=TOKENS)
    assert desk.board.table is after
    assert all(desk.board.plans()[name] is rollout for name, rollout in plans.items())
    assert desk.board.states() == states


def test_whoever_listens_hears_of_it_whatever_the_others_do() -> None:
    """A fault of one is told in the log."""
    board, heard = Desk().board, []

    def fail(_event: Event, _transition: Transition | None) -> None:
        raise RuntimeError

    board.listeners += [fail, lambda event, _: heard.append(event.kind)]
    board.followers.append(lambda name, kind: heard.append(f"{name} {kind}"))
    with capture_logs() as logs:
        board._announce(happened("stage"), None)
    board._follow("shop", "rollback")

    assert heard == ["stage", "shop rollback"]
    assert [each["event"] for each in logs] == ["listener_failed"]
