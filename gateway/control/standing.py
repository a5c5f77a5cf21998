"""How a rollout stands: what the file asks for, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gateway.core import lifecycle
from gateway.core.lifecycle import SHADOW, Action, Progress, State
from gateway.core.types import Hash, Rollout, Route, Table
from gateway.errors import BadValue, WrongAction

Source = Literal["file", "plan", "operator", "switch"]

MOST_PERCENT: Final = 100.0
WHOLE_PERCENTAGES: Final = frozenset({Hash.UNLEASH, Hash.MD5_MOD100})
"""Schemes with 100 places: a fraction of a percentage has no meaning in them."""


@dataclass(frozen=True, slots=True)
class RolloutState:
    """How one rollout stands."""

    rollout: Rollout
    """As the file has it."""
    progress: Progress
    routes: tuple[str, ...]
    """Those that share it."""
    revision: str
    """Of the configuration in force."""

    @property
    def name(self) -> str:
        """The rollout's."""
        return self.rollout.name

    @property
    def state(self) -> str:
        """One of `State`."""
        return str(self.progress.state)

    @property
    def percent(self) -> float:
        """The share in force."""
        return lifecycle.share_of(self.rollout, self.progress)

    @property
    def source(self) -> Source:
        """Who or what set the share that is in force."""
        wanted, cap = self.progress.percent, self.rollout.cap
        share = self.progress.stage_percent if wanted is None else wanted
        is_bounded = share > cap or (wanted is None and share == cap < MOST_PERCENT)
        if self.rollout.killed or is_bounded:
            return "switch"
        if wanted is not None:
            return "operator"
        return "plan" if self.rollout.plan.stages else "file"


def foresee(  # noqa: PLR0913 - the parts of one wish
    state: RolloutState,
    action: Action,
    now: float,
    *,
    percent: float | None = None,
    force: bool = False,
    to: str | None = None,
    version: int | None = None,
    unmet: Callable[[str], Sequence[str]],
) -> tuple[str, Progress]:
    """What an operator's action leads to at ``now``, with the kind of its event; nothing is done.

    ``version`` is the one that the operator saw, None for whichever it is. ``unmet`` says which gates of a rollout are
    not ok. Raises `BadValue` for what is no percentage of the rollout's, `WrongAction` where it is at another version,
    or the action does not fit how it stands.
    """
    if action is not Action.ROLLBACK:  # an emergency: whoever wants it wants it however the rollout stands
        check_version(state, version)
    if percent is not None:
        check_percent(state.rollout, percent)
    if action is Action.PROMOTE and not force and state.progress.state is State.WAITING:
        _check_gates(state.name, unmet(state.name))
    return lifecycle.act(state.rollout, state.progress, action, now, percent=percent, force=force, to=to)


def check_copies(name: str, to: str | None, routes: Sequence[Route]) -> None:
    """Whether copies can go on after a rollback to shadow, of the rollout with these routes. Raises `WrongAction`."""
    if to == SHADOW and not any(route.shadow is not None for route in routes):
        raise WrongAction(f"no route of `{name}` has `shadow`, so no copies can go on; roll back without `--to shadow`")


def check_version(state: RolloutState, version: int | None) -> None:
    """Whether the rollout stands as whoever acts has seen it. Raises `WrongAction` with the version that it is at."""
    newest = state.progress.version
    if version is not None and version != newest:
        moved = "has moved on meanwhile: it is" if version < newest else "is"
        raise WrongAction(f"`{state.name}` {moved} at version {newest}, not {version}; look again")


def _check_gates(name: str, unmet: Sequence[str]) -> None:
    """Gates that were ok when the waiting began may not be so any more."""
    if unmet:
        raise WrongAction(
            f"`{name}` waits for more than an approval: {', '.join(unmet)}; promote with `--force` skips it"
        )


def check_percent(rollout: Rollout, percent: float) -> None:
    """Raises `BadValue` for what is not from 0 to 100, or a fraction where the hash knows none."""
    if not 0 <= percent <= MOST_PERCENT:
        raise BadValue("percent", f"{percent:g} is not a percentage; it must be from 0 to 100")
    if rollout.hash in WHOLE_PERCENTAGES and percent % 1:
        raise BadValue("percent", f"`hash: {rollout.hash}` takes whole percentages only, not {percent:g}")


def list_standing(rollout: Rollout, progress: Progress) -> tuple[object, ...]:
    """What of a rollout, when it changes, is an event."""
    where = (progress.state, progress.stage, progress.stage_percent, progress.stage_cohorts)
    return (*where, lifecycle.is_live(rollout), lifecycle.share_of(rollout, progress))


def group_routes(table: Table) -> dict[str, tuple[Route, ...]]:
    """The routes that share each rollout."""
    shared: dict[str, list[Route]] = {}
    for route in table.routes:
        if route.rollout is not None:
            shared.setdefault(route.rollout, []).append(route)
    return {name: tuple(routes) for name, routes in shared.items()}
