"""External gates, asked over real sockets under a clock of the test's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from gateway.control.gates import ExternalGates, gate_of
from gateway.core.plans import Bound, Do, Guard, Metric, Op, Query, Rule, Webhook
from gateway.core.verdicts import Judgement, Verdict
from tests.control.outside import Outside, outside

INPUTS = {"rollout": "shop", "state": "running"}


class Clock:
    """Shows what it was set to."""

    def __init__(self) -> None:
        self.second = 1000.0

    def __call__(self) -> float:
        return self.second


class Bench:
    """Gates, their clock, and somebody outside."""

    def __init__(self, server: Outside) -> None:
        self.clock = Clock()
        self.gates = ExternalGates(self.clock, lambda: 1_700_000_000.0)
        self.server = server
        self.hook = Webhook(server.url)

    async def judge(self, asked: Webhook | Query | Guard, after: float = 0.0) -> Judgement:
        """Judge so much later, and once more when the answer is there."""
        self.clock.second += after
        self.gates.judge("shop", asked, INPUTS)
        await asyncio.gather(*self.gates._tasks)
        return self.gates.judge("shop", asked, INPUTS)

    def query(self, **fields: object) -> Query:
        return Query(self.server.url, "memory", Op.ABOVE, 2.0, **fields)  # type: ignore[arg-type]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with outside() as server:
        made = Bench(server)
        yield made
        await made.gates.close()


async def test_a_gate_is_unknown_until_it_has_answered(bench: Bench) -> None:
    """Judging never waits: the first look only asks."""
    first = bench.gates.judge("shop", bench.hook, INPUTS)

    assert (first.verdict, first.reason) == (Verdict.UNKNOWN, "asking")
    assert (await bench.judge(bench.hook)).verdict is Verdict.OK


async def test_a_webhook_gets_the_inputs_of_the_decision(bench: Bench) -> None:
    """Whoever approves sees what it is about."""
    await bench.judge(bench.hook)

    assert json.loads(bench.server.questions[0].body) == INPUTS


async def test_a_gate_is_asked_once_in_an_interval(bench: Bench) -> None:
    """However often it is judged."""
    for _ in range(31):
        await bench.judge(bench.hook, after=1.0)

    assert len(bench.server.questions) == 2


async def test_there_is_one_question_under_way_at_a_time(bench: Bench) -> None:
    """Somebody slow is not asked again before the answer."""
    for _ in range(3):
        bench.clock.second += 60
        bench.gates.judge("shop", bench.hook, INPUTS)
    await asyncio.gather(*bench.gates._tasks)

    assert len(bench.server.questions) == 1


async def test_who_is_not_there_is_unknown() -> None:
    """Unreachable is never ok, and never broken."""
    async with outside() as server:
        bench = Bench(server)
    judgements = [await bench.judge(bench.hook), await bench.judge(bench.query())]
    await bench.gates.close()

    assert [judgement.verdict for judgement in judgements] == [Verdict.UNKNOWN] * 2
    assert judgements[0].reason == "unreachable: Connection refused"


async def test_who_does_not_answer_in_time_is_unknown() -> None:
    """A hanging webhook holds nothing up but itself."""
    hung = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bench = Bench(Outside(url=f"http://127.0.0.1:{port}"))
    judgement = await bench.judge(Webhook(bench.server.url, timeout_seconds=0.05))
    hung.set()
    await bench.gates.close()
    server.close()
    await server.wait_closed()

    assert (judgement.verdict, judgement.reason) == (Verdict.UNKNOWN, "no answer within 0.05 s")


async def test_an_old_answer_is_no_answer(bench: Bench) -> None:
    """A yes of an hour ago lets nothing pass now: it is asked anew."""
    await bench.judge(bench.hook)
    bench.clock.second += 3600

    assert bench.gates.judge("shop", bench.hook, INPUTS).verdict is Verdict.UNKNOWN


async def test_a_forgotten_answer_is_asked_for_again_at_once(bench: Bench) -> None:
    """A yes to one stage is no yes to the next."""
    await bench.judge(bench.hook)
    bench.gates.forget("shop")

    assert bench.gates.judge("shop", bench.hook, INPUTS).verdict is Verdict.UNKNOWN
    assert (await bench.judge(bench.hook)).verdict is Verdict.OK
    assert len(bench.server.questions) == 2


async def test_rollouts_have_answers_of_their_own(bench: Bench) -> None:
    """The same webhook is asked about each rollout."""
    await bench.judge(bench.hook)
    bench.gates.forget("other")

    assert bench.gates.judge("other", bench.hook, INPUTS).verdict is Verdict.UNKNOWN
    assert bench.gates.judge("shop", bench.hook, INPUTS).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("value", "gate", "guard"), [("3", Verdict.OK, Verdict.BROKEN), ("1", Verdict.BROKEN, Verdict.OK)]
)
async def test_a_comparison_that_holds_passes_a_gate_and_breaks_a_guard(
    bench: Bench, value: str, gate: Verdict, guard: Verdict
) -> None:
    """A gate says what must be, a guard what must not."""
    bench.server.figure(value)
    query = bench.query()

    passed = await bench.judge(query)
    assert (passed.verdict, passed.value, passed.bound) == (gate, float(value), 2.0)
    assert (await bench.judge(Guard(query, Do.PAUSE))).verdict is guard


async def test_no_number_is_unknown_with_the_reason(bench: Bench) -> None:
    """A figure that is gone lets nothing pass and breaks nothing."""
    bench.server.figure()
    judgement = await bench.judge(bench.query())

    assert (judgement.verdict, judgement.reason) == (Verdict.UNKNOWN, "the query gives no numbers, not one")


async def test_a_guard_breaks_when_its_comparison_has_held_for_long_enough(bench: Bench) -> None:
    """``for: 1m`` means every answer of a minute."""
    guard = Guard(bench.query(window_seconds=60.0), Do.ROLLBACK)
    bench.server.figure("3")

    verdicts = [(await bench.judge(guard, after=30)).verdict for _ in range(3)]
    assert verdicts == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.BROKEN]


@pytest.mark.parametrize("values", [("1",), ()])
async def test_one_answer_to_the_contrary_begins_the_time_anew(bench: Bench, values: tuple[str, ...]) -> None:
    """A value back in bounds, and a value that is missing, both do."""
    guard = Guard(bench.query(window_seconds=60.0), Do.ROLLBACK)
    bench.server.figure("3")
    await bench.judge(guard, after=30)
    bench.server.figure(*values)
    await bench.judge(guard, after=30)
    bench.server.figure("3")

    assert (await bench.judge(guard, after=30)).reason == "not_long_enough"


async def test_a_time_in_which_nobody_asked_proves_nothing(bench: Bench) -> None:
    """Two answers an hour apart are not an hour of answers."""
    guard = Guard(bench.query(window_seconds=60.0), Do.ROLLBACK)
    bench.server.figure("3")
    await bench.judge(guard)

    assert (await bench.judge(guard, after=3600)).reason == "not_long_enough"


async def test_a_new_stage_takes_no_time_from_guards_but_a_restart_does(bench: Bench) -> None:
    """What broke before a resume does not count after it."""
    guard = Guard(bench.query(), Do.ROLLBACK)
    bench.server.figure("3")
    await bench.judge(guard)

    bench.gates.forget("shop")
    assert bench.gates.judge("shop", guard, INPUTS).verdict is Verdict.BROKEN
    bench.gates.restart("shop")
    assert bench.gates.judge("shop", guard, INPUTS).verdict is Verdict.UNKNOWN


async def test_closing_ends_questions_under_way(bench: Bench) -> None:
    """A gateway that stops waits for nobody's opinion."""
    bench.gates.judge("shop", bench.hook, INPUTS)
    await bench.gates.close()

    assert not bench.gates._tasks


def test_a_rule_of_our_own_is_not_asked_of_others() -> None:
    """The watch judges those."""
    with pytest.raises(TypeError):
        gate_of(Guard(Rule("errors > 1", Metric.ERRORS, Op.ABOVE, Bound(1.0)), Do.PAUSE))
