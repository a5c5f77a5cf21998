"""What the demo saw, and whether the promises held.

The load reports every `Answer`; the story says which percentage is in force. The gateway changes that by itself, so the
story hears of a change only afterwards: an answer is *settled* when the percentage at which it began was seen to be in
force still after it had ended. One that was under way during a change may have taken either side, so it counts as an
answer but proves nothing about sides. All settled ones must agree with one law that holds over the whole story, however
often the percentage goes up and down: a user whom the baseline answered at some percentage is answered by it at every
smaller one too, and a user whom the candidate answered at some percentage is answered by it at every larger one.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, inf, sqrt

from gateway.core.types import Arm
from gateway.demo.drift import Drift

WINDOW_SECONDS = 5.0
"""What the live table shows: long enough to be calm, short enough to see a change at once."""

SHARE_SIGMAS = 5.0
"""How far a share may be from what was asked, in standard deviations: one honest run in a million is further off."""

MOST_FALLBACK_SECONDS = 20.0
"""Mostly it is two or three. Where the machine has other things to do, the requests that are evidence come slower."""

MOST_SEEN_ERRORS = 10
"""Mostly there are none: the old shop answers in the new one's place, within the budget of the failover."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's outcome, as the client saw it."""

    ended_at: float
    """Seconds on the monotonic clock."""
    user: str
    path: str
    """The template, method first: ``GET /api/orders/{id}``."""
    arm: Arm | None
    """None: there was no answer, or it named no arm."""
    is_right: bool
    """The expected status and a whole body, from the service that the arm names."""
    is_staged: bool = False
    """A failure that the demo itself staged in the candidate."""
    latency_seconds: float = 0.0
    """To the response's header."""
    epoch: int | None = None
    """Which stretch of a constant percentage it lies in wholly; None: the percentage changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A row of the live table."""

    requests: int = 0
    errors: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that must not happen, or not more than so much, and how much it did."""

    breach: str
    count: float
    most: float = 0

    @property
    def is_kept(self) -> bool:
        """Whether it stayed within its bound."""
        return self.count <= self.most


@dataclass(slots=True)
class Sides:
    """Per user, the smallest percentage at which the candidate answered, and the largest at which the baseline did."""

    candidate_from: dict[str, float] = field(default_factory=dict)
    baseline_up_to: dict[str, float] = field(default_factory=dict)

    def note(self, user: str, arm: Arm, percent: float) -> None:
        """A settled answer at this percentage."""
        if arm is Arm.CANDIDATE:
            self.candidate_from[user] = min(percent, self.candidate_from.get(user, percent))
        else:
            self.baseline_up_to[user] = max(percent, self.baseline_up_to.get(user, percent))

    def list_switched(self) -> list[str]:
        """Users who saw both sides under one percentage."""
        return self._list(lambda candidate, baseline: candidate == baseline)

    def list_astray(self) -> list[str]:
        """Users who went back while the percentage grew, or forth while it fell."""
        return self._list(lambda candidate, baseline: candidate < baseline)

    def _list(self, is_broken: Callable[[float, float], bool]) -> list[str]:
        both = self.candidate_from.keys() & self.baseline_up_to.keys()
        return sorted(user for user in both if is_broken(self.candidate_from[user], self.baseline_up_to[user]))


@dataclass(frozen=True, slots=True)
class Fallback:
    """What became of the staged fault."""

    failed: int
    """Requests that the candidate failed."""
    seconds: float
    """From the first of them to the last request that reached the candidate."""
    late: int
    """Requests that reached it after everybody was back on the baseline."""


@dataclass(slots=True)
class Chapter:
    """What was seen while one percentage was in force."""

    title: str
    percent: float
    requests: int = 0
    errors: int = 0
    """All that failed, staged or not."""
    users: dict[str, Arm] = field(default_factory=dict)

    @property
    def share(self) -> float | None:
        """The percentage of the users seen whom the candidate answered; None: nobody was seen."""
        if not self.users:
            return None
        return 100 * sum(arm is Arm.CANDIDATE for arm in self.users.values()) / len(self.users)

    @property
    def is_share_right(self) -> bool:
        """Whether the share is as asked, as far as so many users can tell."""
        if self.share is None:
            return True
        wanted = self.percent / 100
        return abs(self.share / 100 - wanted) <= SHARE_SIGMAS * sqrt(wanted * (1 - wanted) / len(self.users))


class Tally:
    """Every answer of the load, counted once."""

    def __init__(self) -> None:
        self.chapters: list[Chapter] = []
        self.sides = Sides()
        self.requests = 0
        self.staged_errors = 0
        """Failures of the staged fault that users saw."""
        self.failed: list[Answer] = []
        """Failures that nobody staged: there should be none."""
        self.fallback: Fallback | None = None
        """None: there was no fault."""
        self.drift = Drift()
        """What comparing has found so far."""
        self.found: Drift | None = None
        """The same, before anybody was answered by the candidate; None: nobody looked."""
        self._drift_before = Drift()
        self._unsettled: deque[tuple[Chapter, Answer]] = deque()
        self._window: deque[Answer] = deque()
        self._window_from = -inf
        self._epoch = 0
        self._is_changing = True

    @property
    def epoch(self) -> int | None:
        """What a request that begins now is stamped with; None while nobody knows which percentage is in force."""
        return None if self._is_changing else self._epoch

    def begin_change(self) -> None:
        """Another percentage is, or may soon be, in force: what is not settled by now proves nothing about sides."""
        self._is_changing = True
        self._epoch += 1
        self._unsettled.clear()

    def begin_chapter(self, chapter: Chapter, now: float, *, is_settling: bool = True) -> None:
        """Its percentage is in force in every worker. The window begins anew, so that it shows one chapter only.

        Without ``is_settling`` nothing in it proves anything about sides.
        """
        self.chapters.append(chapter)
        self._window.clear()
        self._window_from = now
        self._drift_before = self.drift
        self._is_changing = not is_settling

    def settle(self, until: float) -> None:
        """The chapter's percentage was in force still at ``until``: what had ended by then took the side of it."""
        while self._unsettled and self._unsettled[0][1].ended_at < until:
            chapter, answer = self._unsettled.popleft()
            if answer.arm is not None:
                self.sides.note(answer.user, answer.arm, chapter.percent)
                chapter.users[answer.user] = answer.arm

    def note(self, answer: Answer) -> None:
        """Count one answer."""
        self.requests += 1
        self._window.append(answer)
        if not answer.is_right:
            self._note_failure(answer)
        if self.chapters:
            self._note_chapter(self.chapters[-1], answer)

    def _note_failure(self, answer: Answer) -> None:
        if answer.is_staged:
            self.staged_errors += 1
        else:
            self.failed.append(answer)

    def _note_chapter(self, chapter: Chapter, answer: Answer) -> None:
        chapter.requests += 1
        chapter.errors += not answer.is_right
        if answer.arm is not None and answer.epoch is not None and answer.epoch == self.epoch:
            self._unsettled.append((chapter, answer))

    def list_recent(self, now: float) -> list[Answer]:
        """The answers of the last `WINDOW_SECONDS`, or since the chapter began."""
        while self._window and self._window[0].ended_at < now - WINDOW_SECONDS:
            self._window.popleft()
        return list(self._window)

    def measure_window(self, now: float) -> float:
        """How many seconds `list_recent` covers."""
        return min(WINDOW_SECONDS, now - self._window_from)

    def list_drift(self) -> Drift:
        """What comparing has found since the chapter began."""
        return self.drift.since(self._drift_before)

    def list_promises(self) -> list[Promise]:
        """What the gateway promises, each with how often it did not hold."""
        wrong = [chapter for chapter in self.chapters if not chapter.is_share_right]
        promises = [
            Promise("users who changed sides while nothing was changed", len(self.sides.list_switched())),
            Promise("users who moved the wrong way", len(self.sides.list_astray())),
            Promise("requests that failed without a staged fault", len(self.failed)),
            Promise("percentages whose share of users was another", len(wrong)),
        ]
        if self.found is not None:
            promises += _list_promises_of_comparing(self.found)
        return promises if self.fallback is None else promises + self._list_promises_of(self.fallback)

    def _list_promises_of(self, fallback: Fallback) -> list[Promise]:
        return [
            Promise("errors of the new shop that users saw", self.staged_errors, MOST_SEEN_ERRORS),
            Promise(
                "seconds from its first error to the last request that it got", fallback.seconds, MOST_FALLBACK_SECONDS
            ),
            Promise("requests that it got after everybody was back", fallback.late),
        ]


def _list_promises_of_comparing(found: Drift) -> list[Promise]:
    return [
        Promise("planted bugs that comparing did not find", found.misses),
        Promise("differences that it took for bugs and that were none", found.false_alarms),
    ]


def summarize(answers: Iterable[Answer]) -> Figures:
    """Counts and latencies of some answers."""
    taken = list(answers)
    milliseconds = sorted(1000 * answer.latency_seconds for answer in taken if answer.arm is not None)
    return Figures(
        requests=len(taken),
        errors=sum(not answer.is_right for answer in taken),
        p50_ms=find_quantile(milliseconds, 0.50),
        p95_ms=find_quantile(milliseconds, 0.95),
    )


def summarize_by_path(answers: Iterable[Answer]) -> dict[str, dict[Arm, Figures]]:
    """The same for each path and arm, paths in order."""
    groups: defaultdict[str, defaultdict[Arm, list[Answer]]] = defaultdict(lambda: defaultdict(list))
    for answer in answers:
        if answer.arm is not None:
            groups[answer.path][answer.arm].append(answer)
    return {path: {arm: summarize(group) for arm, group in groups[path].items()} for path in sorted(groups)}


def find_quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile of ascending values; None when there are none."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
