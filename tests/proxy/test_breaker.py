"""A candidate that fails again and again rests, and shows that it is well before it gets users."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from gateway.core.types import Breaker as Policy
from gateway.core.types import Held, Override
from gateway.proxy.breaker import Breaker
from tests.proxy.pair import ALWAYS, ERROR, ROUTE, Pair, pair_table
from tests.proxy.wiring import OK

POLICY = Policy(consecutive_failures=3, open_seconds=10)


def opened(now: float = 0.0) -> Breaker:
    """One that has just opened."""
    breaker = Breaker(POLICY)
    for _ in range(3):
        breaker.note_failure("user", now)
    return breaker


def test_failures_in_a_row_open_it_and_a_whole_answer_between_them_does_not() -> None:
    """The row begins anew with each success."""
    breaker = Breaker(POLICY)
    for now in range(5):
        breaker.note_failure("a", now)
        breaker.note_failure("a", now)
        breaker.note_success(11)
    assert breaker.is_calm

    for _ in range(3):
        assert breaker.admits("a", 0)
        breaker.note_failure("a", 0)
    assert breaker.is_open
    assert not breaker.admits("a", 0)


def test_a_success_from_before_the_row_does_not_end_it() -> None:
    """It says how the candidate was, not how it is; one that was asked for since says that it is well."""
    breaker = Breaker(POLICY)
    breaker.note_failure("a", 5)
    breaker.note_success(4.9)
    assert not breaker.is_calm

    breaker.note_success(5.1)
    assert breaker.is_calm


def test_what_was_under_way_when_it_opened_says_nothing() -> None:
    """Neither does a late success close it, nor does a late failure prolong the rest."""
    breaker = opened()
    breaker.note_success(11)
    breaker.note_failure("late", 9)

    assert breaker.is_open
    assert not breaker.admits("a", 9.9)
    assert breaker.admits("a", 10)


def test_one_request_at_a_time_is_the_probe() -> None:
    """It is a real one; when it ends without a word, another may be."""
    breaker = opened()

    assert [breaker.admits(who, 10) for who in ("first", "second", "third")] == [True, False, False]
    breaker.note_end("second")
    assert not breaker.admits("second", 10)
    breaker.note_end("first")
    assert breaker.admits("second", 10)


def test_a_probe_that_fails_opens_it_for_as_long_again() -> None:
    """From when it failed, not from when it was sent."""
    breaker = opened()
    breaker.admits("probe", 10)
    breaker.note_failure("probe", 14)

    assert not breaker.admits("a", 23.9)
    assert breaker.admits("a", 24)


def test_a_probe_that_begins_well_closes_it_on_trial() -> None:
    """Its head is enough, since a stream may have no end; but a failure before the first whole answer opens it."""
    breaker = opened()
    breaker.admits("probe", 10)
    breaker.note_beginning("probe")
    assert breaker.admits("a", 10)
    assert not breaker.is_calm

    breaker.note_failure("probe", 11)
    assert breaker.is_open


def test_after_a_trial_it_takes_a_whole_row_again() -> None:
    """One whole answer ends the trial."""
    breaker = opened()
    breaker.admits("probe", 10)
    breaker.note_beginning("probe")
    breaker.note_success(11)
    assert breaker.is_calm

    breaker.note_failure("a", 11)
    breaker.note_failure("a", 11)
    assert not breaker.is_open


class Life(RuleBasedStateMachine):
    """Requests come, end well or badly, or leave, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(POLICY)
        self.now = 0.0
        self.under_way: list[object] = []
        self.probes: list[object] = []
        self.row = 0

    @rule(seconds=st.floats(0, 12))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def come(self) -> None:
        who = object()
        was_open = self.breaker.is_open
        if self.breaker.admits(who, self.now):
            self.under_way.append(who)
            self.probes += [who] if was_open else []
        else:
            assert was_open

    @precondition(lambda self: self.under_way)
    @rule(position=st.integers(0), ending=st.sampled_from(["fail", "begin", "succeed", "leave"]))
    def end(self, position: int, ending: str) -> None:
        who = self.under_way[position % len(self.under_way)]
        if ending == "begin":
            self.breaker.note_beginning(who)
        else:
            self.finish(who, ending)
        if not self.breaker.is_open:
            self.probes.clear()

    def finish(self, who: object, ending: str) -> None:
        self.under_way.remove(who)
        if who in self.probes:
            self.probes.remove(who)
        self.row = self.row + 1 if ending == "fail" else 0 if ending == "succeed" else self.row
        was_open = self.breaker.is_open
        if ending == "fail":
            self.breaker.note_failure(who, self.now)
        elif ending == "succeed":
            self.breaker.note_beginning(who)
            self.breaker.note_success(self.now)
        self.breaker.note_end(who)
        if ending == "fail" and self.row >= POLICY.consecutive_failures:
            assert was_open or self.breaker.is_open

    @invariant()
    def there_is_one_probe_at_the_most(self) -> None:
        assert len(self.probes) <= 1

    @invariant()
    def it_never_stays_shut_for_ever(self) -> None:
        if self.breaker.is_open and not self.probes:
            who = object()
            assert self.breaker.admits(who, self.now + POLICY.open_seconds)
            self.breaker.note_end(who)


TestLife = Life.TestCase
TestLife.__doc__ = (
    """Whatever comes: one probe at a time, a row of failures opens it, and someone may always probe in the end."""
)


# In a worker.


def answers(pair: Pair, answer: bytes, count: int = 1) -> None:
    """The candidate gives so many answers."""
    for _ in range(count):
        pair.ask()
        pair.candidate.data_received(answer)


async def test_while_it_is_open_the_baseline_answers_and_the_reason_says_so() -> None:
    """The requests count as kept away from the candidate."""
    pair = Pair(breaker=POLICY)
    answers(pair, ERROR, 3)
    pair.take()
    pair.ask()
    pair.baseline.data_received(OK)

    ((subject, figures),) = pair.take().items()
    assert (subject.arm, [answer.reason for answer in figures.answers]) == ("baseline", ["breaker"])
    assert figures.kept_away == 1


async def test_time_passes_and_one_request_probes() -> None:
    """It is answered by the candidate; meanwhile the others are not, and when it ended well all of them are."""
    pair = Pair(breaker=POLICY)
    answers(pair, ERROR, 3)
    pair.pass_time(10.2)
    pair.take_asked()
    probing = pair.ask()
    kept_away = pair.ask()
    assert (pair.asked_candidate(), pair.asked_baseline()) == (1, 1)
    pair.baseline.data_received(OK)
    pair.candidate.data_received(OK)
    answers(pair, OK, 2)

    assert probing.written.endswith(b"ok")
    assert kept_away.written.endswith(b"ok")
    assert not pair.plane.generation.troubled
    assert pair.asked_candidate() == 3


async def test_a_probe_whose_client_left_says_nothing() -> None:
    """The next request is the probe."""
    pair = Pair(breaker=POLICY)
    answers(pair, ERROR, 3)
    pair.pass_time(10.2)
    pair.ask()
    pair.clients[-1].connection_lost(None)
    pair.new_candidate()
    pair.take_asked()
    pair.ask()

    assert (pair.asked_candidate(), pair.asked_baseline()) == (1, 0)


async def test_answers_that_break_off_open_it() -> None:
    """A head that looks well is no success."""
    pair = Pair(breaker=POLICY)
    for _ in range(3):
        pair.ask()
        pair.candidate.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        pair.candidate.connection_lost(None)
        pair.new_candidate()
    pair.take_asked()
    pair.ask()

    assert (pair.asked_candidate(), pair.asked_baseline()) == (0, 1)


async def test_what_clients_do_wrong_does_not_open_it() -> None:
    """4xx answers are answers."""
    pair = Pair(breaker=POLICY)
    answers(pair, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 5)

    assert not pair.plane.generation.troubled


async def test_who_forces_the_candidate_gets_it_and_is_not_counted() -> None:
    """Neither does an open breaker stop such requests, nor do their failures open one."""
    pair = Pair(breaker=POLICY, override=Override(("127.0.0.0/8",), ""))
    for _ in range(5):
        pair.ask(b"X-Crossfade-Arm: candidate\r\n")
        pair.candidate.data_received(ERROR)
    assert not pair.plane.generation.troubled

    answers(pair, ERROR, 3)
    pair.take_asked()
    pair.ask(b"X-Crossfade-Arm: candidate\r\n")
    assert (pair.asked_candidate(), pair.asked_baseline()) == (1, 0)


async def test_it_survives_reloads_that_do_not_change_it() -> None:
    """A reload is no reason to try a candidate that fails; another threshold is."""
    pair = Pair(breaker=POLICY)
    answers(pair, ERROR, 3)
    pair.adopt(pair_table(breaker=POLICY, revision="2"))
    pair.take_asked()
    pair.ask()
    assert (pair.asked_candidate(), pair.asked_baseline()) == (0, 1)
    pair.baseline.data_received(OK)

    pair.adopt(pair_table(breaker=replace(POLICY, consecutive_failures=4), revision="3"))
    assert not pair.plane.generation.troubled
    pair.take_asked()
    pair.ask()
    assert (pair.asked_candidate(), pair.asked_baseline()) == (1, 0)


async def test_a_rollback_forgets_what_the_candidate_did() -> None:
    """When the rollout starts again, its candidate does."""
    pair = Pair(breaker=POLICY)
    answers(pair, ERROR, 3)
    pair.adopt(pair_table(breaker=POLICY, rollout=replace(ALWAYS, held=Held.ROLLED_BACK)))
    pair.adopt(pair_table(breaker=POLICY))
    pair.take_asked()
    pair.ask()

    assert (pair.asked_candidate(), pair.asked_baseline()) == (1, 0)


async def test_an_open_breaker_of_one_route_leaves_the_others_alone() -> None:
    """Their candidate may be the same service: one broken path is no reason to leave the others."""
    other = replace(ROUTE, name="other", match=replace(ROUTE.match, paths=("/other",)), breaker=POLICY)
    pair = Pair(breaker=POLICY, routes=(other,))
    answers(pair, ERROR, 3)
    pair.take_asked()
    pair.ask(path=b"/other")

    assert (pair.asked_candidate(), pair.asked_baseline()) == (1, 0)


async def test_an_error_that_breaks_off_is_one_failure() -> None:
    """Its head has been noted when its body ends too early."""
    pair = Pair(breaker=POLICY)
    for _ in range(2):
        pair.ask()
        pair.candidate.data_received(ERROR[:-2])
        pair.candidate.connection_lost(None)
        pair.new_candidate()

    (breaker,) = pair.plane.generation.troubled
    assert not breaker.is_open
