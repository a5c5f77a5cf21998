"""How a rollout stands: what the file asks for, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from gateway.core import lifecycle
from gateway.core.lifecycle import Progress
from gateway.core.types import Hash, Rollout, Route, Table
from gateway.errors import BadValue

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
