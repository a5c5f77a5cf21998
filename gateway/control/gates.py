"""External gates and guards: what is asked of others, and what they answered last.

The conductor judges every second and never waits: `ExternalGates.judge` returns what is known now and, when it is time,
starts to ask in the background, one question at a time for each gate and at most one every ``interval``.

What is not known is ``unknown``, never ``ok``: before the first answer, when nobody answers in time, and when the last
answer is too old to be true still. A figure with ``for`` must have compared alike in every answer for that long; an
answer that is missing in between begins the time anew.

A gate passes when its comparison holds, a guard breaks when it does.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec

from gateway.control.queries import NoFigure, ask_prometheus, is_met
from gateway.control.webhooks import ask_webhook
from gateway.core.plans import Guard, Query, Webhook
from gateway.core.verdicts import Judgement, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from gateway.core.plans import Rule

ASKING: Final = "asking"
"""The reason while the first answer is awaited."""
PENDING: Final = "not_long_enough"
"""The reason while a comparison holds, but not yet for as long as it must."""

_SLACK_SECONDS: Final = 2.0
"""A judge comes by once a second, so a question may be asked that much late, and its answer be seen that much late."""

_FORGOTTEN_SECONDS: Final = 3600.0
"""What nobody judges any more for so long belongs to a plan that was edited."""

Asked = Webhook | Query | Guard
_Key = tuple[str, Asked]


class _Line:
    """What is known of one gate. Times are the clock's."""

    __slots__ = ("answer", "answered_at", "asked_at", "held_since", "judged_at", "task")

    def __init__(self) -> None:
        self.answer: Judgement | None = None
        self.asked_at = -float("inf")
        """When the last question was put."""
        self.answered_at = -float("inf")
        """When the question was put that ``answer`` is the answer to."""
        self.held_since: float | None = None
        """Since when every answer met the comparison."""
        self.judged_at = 0.0
        self.task: asyncio.Task[None] | None = None


class ExternalGates:
    """See the module. ``clock`` is monotonic, ``now`` gives seconds since the epoch; both are injected."""

    def __init__(self, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._clock = clock
        self._now = now
        self._lines: dict[_Key, _Line] = {}
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def judge(self, rollout: str, asked: Asked, inputs: Mapping[str, object]) -> Judgement:
        """What a gate of ``rollout`` says now, or a guard, which is given whole. Must be called on the loop.

        ``inputs`` is what a webhook is told about the decision: plain values that JSON can hold.
        """
        second = self._clock()
        line = self._line(rollout, asked, second)
        gate = gate_of(asked)
        if line.task is None and second >= line.asked_at + gate.interval_seconds:
            line.asked_at = second
            line.task = self._start(self._ask(line, asked, msgspec.json.encode(inputs)))
        if line.answer is None or second > line.answered_at + _longest_age(gate):
            return Judgement(rule=gate.text, verdict=Verdict.UNKNOWN, reason=ASKING)
        return line.answer

    def forget(self, rollout: str) -> None:
        """Let what the gates of ``rollout`` answered be forgotten: its stage begins anew. Guards keep their time."""
        self._drop(lambda key: key[0] == rollout and not isinstance(key[1], Guard))

    def restart(self, rollout: str) -> None:
        """Let everything be forgotten that was asked for ``rollout``, guards' answers included."""
        self._drop(lambda key: key[0] == rollout)

    async def close(self) -> None:
        """Ask nobody any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _line(self, rollout: str, asked: Asked, second: float) -> _Line:
        line = self._lines.get((rollout, asked))
        if line is None:
            self._drop(lambda key: second > self._lines[key].judged_at + _FORGOTTEN_SECONDS)
            line = self._lines[rollout, asked] = _Line()
        line.judged_at = second
        return line

    def _drop(self, is_gone: Callable[[_Key], bool]) -> None:
        """An answer that is still under way for what is dropped reaches nobody."""
        for key in [key for key in self._lines if is_gone(key)]:
            line = self._lines.pop(key)
            if line.task is not None:
                line.task.cancel()

    def _start(self, asking: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(asking)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask(self, line: _Line, asked: Asked, body: bytes) -> None:
        at = line.asked_at
        try:
            line.answer, line.answered_at = await self._put(line, asked, body), at
        finally:
            line.task = None

    async def _put(self, line: _Line, asked: Asked, body: bytes) -> Judgement:
        """Put the question, and take whatever comes of it for an answer."""
        gate = gate_of(asked)
        session = self._open_session()
        try:
            if isinstance(gate, Webhook):
                return await ask_webhook(session, gate, body, int(self._now()))
            value = await ask_prometheus(session, gate)
        except NoFigure as error:
            reason = str(error)
        except TimeoutError:
            reason = f"no answer within {gate.timeout_seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a URL that can't be asked
            reason = f"unreachable: {_name_fault(error)}"
        else:
            return judge_value(line, asked, gate, value)
        line.held_since = None
        return Judgement(rule=gate.text, verdict=Verdict.UNKNOWN, reason=reason)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def gate_of(asked: Asked) -> Webhook | Query:
    """The question of a gate or a guard. Raises TypeError for a guard whose rule is about the gateway's own figures."""
    gate: Webhook | Query | Rule = asked.when if isinstance(asked, Guard) else asked
    if isinstance(gate, Webhook | Query):
        return gate
    raise TypeError(f"{gate.text} is not asked of others")


def judge_value(line: _Line, asked: Asked, gate: Query, value: float) -> Judgement:
    """What a figure says that was asked for at ``line.asked_at``."""
    if not is_met(gate, value):
        line.held_since = None
        return _say(gate, value, *((Verdict.OK, Reason.QUIET) if isinstance(asked, Guard) else _NOT_MET))
    is_broken_off = line.asked_at > line.answered_at + _longest_age(gate)
    if line.held_since is None or is_broken_off:
        line.held_since = line.asked_at
    if line.asked_at - line.held_since < gate.window_seconds:
        return _say(gate, value, Verdict.UNKNOWN, PENDING)
    return _say(gate, value, *((Verdict.BROKEN, Reason.BROKEN) if isinstance(asked, Guard) else _MET))


_MET: Final = (Verdict.OK, Reason.MET)
_NOT_MET: Final = (Verdict.BROKEN, Reason.NOT_MET)


def _say(gate: Query, value: float, verdict: Verdict, reason: str) -> Judgement:
    return Judgement(rule=gate.text, verdict=verdict, reason=str(reason), value=value, bound=gate.value)


def _longest_age(gate: Webhook | Query) -> float:
    """How old an answer may be: the next one is asked for after the interval, and may take the time-out to come."""
    return gate.interval_seconds + gate.timeout_seconds + _SLACK_SECONDS


def _name_fault(error: Exception) -> str:
    """In a few words, none of them from the URL's secrets."""
    cause = getattr(error, "os_error", None) or error
    number = getattr(cause, "errno", None)
    if number is not None and number > 0:  # the resolver's are negative, and its words come with them
        return os.strerror(number)
    return getattr(cause, "strerror", None) or type(error).__name__
