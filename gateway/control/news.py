"""What people are told of a rollout though nothing changes: that a rule is broken, or a gate holds up its stage.

Each is told once, until it has been well for a while (`gateway.core.conducting.list_untold`); and what people were told
by whoever watched the rollout before, another controller or another leader, nobody tells them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.control.recall import recall_told
from gateway.control.telling import blockage_of, notification_of
from gateway.core.conducting import blocked_by, broken_quietly, list_untold
from gateway.core.verdicts import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.control.rollouts import Rollouts
    from gateway.control.watches import Clocks, Sight
    from gateway.core.conducting import Outcome
    from gateway.core.types import Rollout
    from gateway.core.verdicts import Judgement

_SEEN: Final = frozenset({Reason.BROKEN, Reason.BOTH_ARMS, Reason.LITTLE_EVIDENCE})
"""What a guard says while what it fears is seen."""


class News:
    """See the module; of the rollout of this name."""

    def __init__(self, name: str, rollouts: Rollouts, sight: Sight, clocks: Clocks) -> None:
        self._name = name
        self._rollouts = rollouts
        self._sight = sight
        self._clocks = clocks
        self._told: dict[str, float] = {}
        """The rules that people were told of, and when each was broken last."""
        self._blocked: dict[str, float] = {}
        """The same of the gates that hold up the stage."""

    def recall(self, said: Iterable[Judgement]) -> None:
        """What people were told already; ``said`` is what rules said when somebody else watched last."""
        now, second, progress = self._clocks.now(), self._clocks.monotonic(), self._rollouts.progress(self._name)
        told = recall_told(self._sight.list_events(self._name), said, progress, now.timestamp())
        self._told |= {rule: second - ago for rule, ago in told["notify"].items()}
        self._blocked |= {rule: second - ago for rule, ago in told["blocked"].items()}

    def recall_alone(self, rollout: Rollout, outcome: Outcome) -> None:
        """The same where nobody has left what rules said: by the first second that is judged with what was before it.

        What is seen in that second was there before; what has been well by then is as long ago as people were told.
        """
        seen = [said for _, said in outcome.guards if said.reason in _SEEN]
        self.recall([*seen, *blocked_by(rollout, outcome).values()])

    def turn_page(self) -> None:
        """Another stage begins: whatever holds that up is another matter."""
        self._blocked.clear()

    def is_any(self, rollout: Rollout, outcome: Outcome) -> bool:
        """Whether there is anything that people are to be told; ``rollout`` is the file's."""
        second = self._clocks.monotonic()
        untold = list_untold(self._told, broken_quietly(outcome), second)
        return bool(list_untold(self._blocked, blocked_by(rollout, outcome), second) or untold)

    async def tell(self, rollout: Rollout, outcome: Outcome, routes: frozenset[str]) -> None:
        """Tell it; ``routes`` are those that share the rollout. Raises `StoreUnavailable`: it is still to be told."""
        name, clock, progress = self._name, self._clocks.monotonic, self._rollouts.progress
        for rule, judgement in list_untold(self._told, broken_quietly(outcome), clock()).items():
            await self._rollouts.tell(name, notification_of(judgement, progress(name)))
            self._told[rule] = clock()
        for rule, judgement in list_untold(self._blocked, blocked_by(rollout, outcome), clock()).items():
            looked_at = frozenset({judgement.route}) if judgement.route is not None else routes
            worst = self._sight.find_worst(looked_at, judgement.path)
            await self._rollouts.tell(name, blockage_of(judgement, progress(name), worst))
            self._blocked[rule] = clock()
