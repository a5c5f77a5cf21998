"""Notices: telling people what happened, wherever they are: Slack, PagerDuty, mail, webhooks, by apprise.

Whoever offers a notice never waits. Each target has a queue, a thread and retries of its own, so that one that hangs
holds up neither the gateway nor the other targets. A queue is bounded: what is too much goes, the oldest first, and is
counted. A target that fails is tried again after growing pauses, `ATTEMPTS` times in all, about a quarter of an hour.

Targets' URLs have secrets in them, so they are never logged: a target is called by its place in the configuration and
its scheme (``notify.0 slack``). apprise's own log is silenced for the same reason.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

import structlog

from gateway.control.readings import say_judgement
from gateway.core.progress import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from gateway.core.verdicts import Judgement
    from gateway.store.records import Event

MOST_WAITING: Final = 100
"""Notices for one target."""
ATTEMPTS: Final = 20
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
CLOSE_SECONDS: Final = 2.0
"""How long a controller that stops waits for notices to leave."""

ALARMS: Final = frozenset({"rollback", "step_back", "pause", "notify", "blocked"})
"""The kinds of events that somebody should look at now, rather than read about."""

_UNCHANGING: Final = frozenset({"notify", "blocked"})
"""The kinds of events by which no share changes."""

_SAYINGS: Final = {
    "start": "started",
    "resume": "resumed",
    "retry": "started again after its cooldown",
    "stage": "went on to its next stage",
    "approval": "waits for approval",
    "blocked": "is held up by a gate",
    "pause": "paused",
    "step_back": "stepped back",
    "rollback": "rolled back",
    "complete": "completed",
    "percent": "got an operator's percentage",
    "unset": "was given back to its plan",
    "edit": "follows its edited plan",
}

log = structlog.get_logger()


class Notice(NamedTuple):
    """What people read."""

    title: str
    body: str
    urgency: Literal["failure", "warning", "info"]
    """``failure`` is what a rule did or found, ``warning`` what a person took back, ``info`` the rest."""


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody to tell. ``url`` is one of apprise's, ``events`` the kinds that they want to hear of."""

    url: str
    events: frozenset[str]


class Messenger(Protocol):
    """Whoever carries a notice to a target. Called in a thread of the target's own, which it may hold up."""

    def __call__(self, notice: Notice) -> bool:
        """Whether it arrived."""


def compose(event: Event, judgement: Judgement | None, admin_url: str) -> Notice:
    """What people are told of an event: rule, figures, percentages, and where to look further."""
    title = f"Crossfade: {_say_title(event)}"
    lines = [title.removeprefix("Crossfade: "), *_say_percents(event), *_say_cause(event, judgement)]
    lines += [f"revision: {event.revision}", f"time: {event.time}", f"see {link_to(event, admin_url)}"]
    percents = f" ({lines[1]})" if event.before and event.after and event.before.percent != event.after.percent else ""
    return Notice(title + percents, "\n".join(lines[1:]), _rate(event))


def _rate(event: Event) -> Literal["failure", "warning", "info"]:
    if event.kind not in ALARMS:
        return "info"
    return "failure" if event.actor.type == "rule" else "warning"


def _say_title(event: Event) -> str:
    if event.rollout is None:
        return "a configuration was put in force" if event.kind == "config" else event.kind
    if event.kind == "notify":
        return f"{event.rollout}: {event.actor.name} is broken"
    said = f"{event.rollout} {_SAYINGS.get(event.kind, event.kind)}"
    return f"{said}, is paused and waits for a person" if is_stopped(event) and event.kind != "pause" else said


def is_stopped(event: Event) -> bool:
    """Whether a rule has stopped a plan, by whatever kind of event: nothing goes on until a person says so."""
    if event.actor.type != "rule" or event.before is None or event.after is None:
        return False
    return event.after.state == State.PAUSED != event.before.state


def list_kinds(event: Event) -> frozenset[str]:
    """What of the configuration's `notify.events` an event is."""
    kind = "notify" if event.kind == "blocked" else event.kind
    return frozenset({kind, "pause"} if is_stopped(event) else {kind})


def link_to(event: Event, admin_url: str) -> str:
    """Where the admin API tells more: the incident if there is one, else the rollout, else the configuration."""
    base = admin_url.rstrip("/") + "/api/v1"
    if incident := event.inputs.get("incident"):
        return f"{base}/incidents/{incident}"
    return f"{base}/config" if event.rollout is None else f"{base}/rollouts/{event.rollout}"


def _say_percents(event: Event) -> Iterator[str]:
    if event.before is not None and event.after is not None and event.kind not in _UNCHANGING:
        yield f"{event.before.percent:.10g} % -> {event.after.percent:.10g} %"


def _say_cause(event: Event, judgement: Judgement | None) -> Iterator[str]:
    if judgement is not None and event.kind != "blocked":  # its reason says more
        yield f"rule: {judgement.rule}"
        place = " ".join(part for part in (judgement.route, judgement.path) if part)
        yield f"figures: {say_judgement(judgement)}" + (f", on {place}" if place else "")
    yield f"by: {event.actor.type} {event.actor.name}"
    if event.reason and (judgement is None or event.kind == "blocked"):  # else the figures have said it
        yield f"reason: {event.reason}"


class Notices:
    """See the module. ``admin_url`` is where people find the admin API; ``sleep`` and ``load`` are for tests."""

    def __init__(
        self,
        admin_url: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        load: Callable[[str], Messenger | None] | None = None,
    ) -> None:
        self._admin_url = admin_url
        self._sleep = sleep
        self._load = load or load_messenger
        self._posts: dict[Target, _Post] = {}
        self._lost_before = 0

    @property
    def lost(self) -> int:
        """Notices that reached nobody: there were too many, or their target took none of the attempts."""
        return self._lost_before + sum(post.lost for post in self._posts.values())

    def adopt(self, targets: Sequence[Target]) -> None:
        """Tell these from now on. Targets that stay keep what waits for them."""
        former, self._posts = self._posts, {}
        for index, target in enumerate(targets):
            name = f"notify.{index} {target.url.partition(':')[0]}"
            if target not in self._posts:  # written twice it is told once
                kept = former.pop(target, None)
                self._posts[target] = kept or _Post(name, target, self._sleep, self._load)
        for post in former.values():
            self._lost_before += post.lost
            post.end()

    def offer(self, event: Event, judgement: Judgement | None = None) -> None:
        """Tell everybody who wants to hear of this kind of event. Never waits, and never raises."""
        notice: Notice | None = None
        for target, post in self._posts.items():
            if list_kinds(event) & target.events:
                notice = notice or compose(event, judgement, self._admin_url)
                post.put(notice)

    async def close(self) -> None:
        """Let what waits leave, for at most `CLOSE_SECONDS`."""
        under_way = [asyncio.ensure_future(post.is_idle.wait()) for post in self._posts.values()]
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
        tasks = [post.end() for post in self._posts.values()]
        await asyncio.gather(*tasks, return_exceptions=True)


class _Post:
    """One target, its queue and its thread. Made within a running loop."""

    def __init__(
        self,
        name: str,
        target: Target,
        sleep: Callable[[float], Awaitable[None]],
        load: Callable[[str], Messenger | None],
    ) -> None:
        self.lost = 0
        self.is_idle = asyncio.Event()
        self.is_idle.set()
        self._name = name
        self._url = target.url
        self._sleep = sleep
        self._load = load
        self._waiting: deque[Notice] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="notices")
        self._task = asyncio.get_running_loop().create_task(self._live())

    def put(self, notice: Notice) -> None:
        """Add to what waits; the oldest makes room."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(notice)
        self._arrived.set()
        self.is_idle.clear()

    def end(self) -> asyncio.Task[None]:
        """Deliver nothing more; a delivery that hangs is left to itself."""
        self._task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)
        return self._task

    async def _live(self) -> None:
        messenger = await asyncio.get_running_loop().run_in_executor(self._thread, self._find)
        if messenger is None:
            log.error("notice_target_refused", target=self._name, effect="nobody is told there")
        while True:
            await self._arrived.wait()
            while self._waiting:
                await self._deliver(self._waiting.popleft(), messenger)
            self._arrived.clear()
            self.is_idle.set()

    def _find(self) -> Messenger | None:
        try:
            return self._load(self._url)
        except Exception:  # noqa: BLE001 - as in `_carry`; what it says may have the URL in it
            return None

    async def _deliver(self, notice: Notice, messenger: Messenger | None) -> None:
        """Try until it has arrived, or there is no hope."""
        loop = asyncio.get_running_loop()
        for pause in list_pauses() if messenger is not None else ():
            if await loop.run_in_executor(self._thread, _carry, messenger, notice):
                return
            log.warning("notice_failed", target=self._name, title=notice.title, again_in_seconds=pause)
            if pause is not None:
                await self._sleep(pause)
        self.lost += 1
        log.error("notice_lost", target=self._name, title=notice.title)


def list_pauses() -> list[float | None]:
    """After each attempt that fails, how long to wait for the next; None after the last."""
    pauses = (min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS) for attempt in range(ATTEMPTS - 1))
    return [*pauses, None]


# In the target's thread.


def load_messenger(url: str) -> Messenger | None:
    """What apprise has for a URL; None when it knows nothing of that kind. Its import takes a moment."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    apprise = importlib.import_module("apprise")
    asset = apprise.AppriseAsset(app_id="Crossfade", app_desc="Crossfade", app_url="", async_mode=False)
    service = apprise.Apprise.instantiate(url, asset=asset)
    if not service:
        return None

    def carry(notice: Notice) -> bool:
        return bool(service.notify(body=notice.body, title=notice.title, notify_type=notice.urgency))

    return carry


def _carry(messenger: Messenger | None, notice: Notice) -> bool:
    try:
        return messenger is not None and messenger(notice)
    except Exception:  # noqa: BLE001 - it is one of a hundred plugins; whatever it does wrong is tried again
        return False
