"""The emergency switches: environment variables that hold whatever the file says, from start to end of the process."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.errors import CommandError
from gateway.settings.names import suggest
from gateway.settings.quantities import parse_percent
from gateway.settings.schema import Config
from gateway.settings.schema.rollouts import WHOLE_PERCENTAGES

ROLLBACK = "CROSSFADE_ROLLBACK"
CAP = "CROSSFADE_PERCENT_"
ALL = "all"


@dataclass(frozen=True, slots=True)
class Switches:
    """What the environment demands. The empty one demands nothing."""

    rollback: frozenset[str] = frozenset()
    """Rollouts that send everything to the baseline; the member ``all`` stands for every one."""
    caps: Mapping[str, float] = field(default_factory=dict)
    """The most that a rollout may send to the candidate, by `variable_suffix`."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Switches:
        """Read ``CROSSFADE_ROLLBACK`` and each ``CROSSFADE_PERCENT_<ROLLOUT>``.

        Raises CommandError when a percentage is none: in an emergency a mistyped switch must not be passed over.
        """
        named = (name.strip() for name in env.get(ROLLBACK, "").split(","))
        caps = {name.removeprefix(CAP): _read_cap(name, value) for name, value in env.items() if name.startswith(CAP)}
        return cls(frozenset(name for name in named if name), caps)

    def is_killed(self, rollout: str) -> bool:
        """Whether ``CROSSFADE_ROLLBACK`` names the rollout."""
        return rollout in self.rollback or ALL in self.rollback

    def cap(self, rollout: str, hash_name: str) -> float:
        """The most, in percent, that the rollout may send; for schemes of whole percentages rounded down."""
        cap = self.caps.get(variable_suffix(rollout), 100.0)
        return float(math.floor(cap)) if hash_name in WHOLE_PERCENTAGES else cap

    def holding(self, config: Config) -> tuple[str, ...]:
        """The rollouts of ``config`` that a switch holds back; only ``all``, where that is every one."""
        if ALL in self.rollback or not (self.rollback or self.caps):
            return (ALL,) if self.rollback else ()
        rollouts = sorted(config.rollouts_in_use())
        return tuple(name for name in rollouts if name in self.rollback or variable_suffix(name) in self.caps)

    def in_force(self, config: Config) -> list[str]:
        """One sentence for each rollout of ``config`` that a switch holds back."""
        rollouts = sorted(config.rollouts_in_use())
        capped = [(name, self.caps[variable_suffix(name)]) for name in rollouts if variable_suffix(name) in self.caps]
        return [
            *(f"{ROLLBACK} sends everything of `{name}` to the baseline" for name in rollouts if self.is_killed(name)),
            *(f"{CAP}{variable_suffix(name)} bounds the share of `{name}` to {cap:g} %" for name, cap in capped),
        ]

    def unknown(self, config: Config) -> list[str]:
        """One sentence for each switch that names no rollout of ``config``."""
        rollouts = config.rollouts_in_use()
        lost = sorted(self.rollback - {ALL, *rollouts})
        suffixes = {variable_suffix(name) for name in rollouts}
        return [
            *(f"{ROLLBACK} names `{name}`, but there is no such rollout{suggest(name, rollouts)}" for name in lost),
            *(f"{CAP}{name} is set, but there is no such rollout" for name in sorted(self.caps.keys() - suffixes)),
        ]


def variable_suffix(rollout: str) -> str:
    """The rollout's name in an environment variable: ``checkout-v2`` is ``CHECKOUT_V2``."""
    return re.sub(r"[^A-Z0-9]", "_", rollout.upper())


def _read_cap(name: str, value: str) -> float:
    try:
        return parse_percent(value.strip())
    except ValueError as error:
        raise CommandError(f"{name}: {error}") from None
