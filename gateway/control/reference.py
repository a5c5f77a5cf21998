"""The picture of a rollout's life in ``docs/rollouts.md``, drawn from the table that the gateway goes by.

Each move of the table is tried from each state that it has, so an arrow is there because the gateway would go there.
``python -m gateway.control.reference --write`` draws it, ``--check`` fails when it is not what would be drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from gateway.core.effects import Ask, Effect, change, enter
from gateway.core.lifecycle import BY_GUARD, BY_PLAN, TABLE
from gateway.core.plans import Plan, Stage
from gateway.core.progress import Action, Progress, State
from gateway.core.types import Hash, MissingKey, Mode, Rollout
from gateway.errors import WrongAction

PAGE: Final = "docs/rollouts.md"
BEGIN: Final = "<!-- Drawn by `python -m gateway.control.reference --write` from gateway/core/lifecycle.py. -->\n"
END: Final = "<!-- End of what is drawn. -->\n"

BY_ITSELF: Final = {
    "approval": "hold over and gates ok, a person must approve",
    "stage": "hold over and gates ok",
    "retry": "cooldown over and a retry left",
}
"""What a plan's own moves are called, and when they happen."""

GUARD: Final = "a guard, "

SAMPLE: Final = Rollout(
    name="sample",
    mode=Mode.LIVE,
    key=(),
    on_missing_key=MissingKey.BASELINE,
    salt="",
    hash=Hash.MURMUR3,
    cohorts=(),
    percent=0.0,
    plan=Plan(stages=(Stage(1.0), Stage(10.0), Stage(100.0)), retries=1),
)
"""Has a first stage, a last one, and one between."""


class Move(NamedTuple):
    """Something that may happen, and from where."""

    cause: str
    states: frozenset[State]
    effect: Effect
    is_guard: bool = False


def list_moves() -> Iterator[Move]:
    """Everything that leads anywhere; percentages change no state."""
    for action, row in TABLE.items():
        if action not in {Action.SET, Action.UNSET}:
            yield Move(action, row.states, row.effect)
    for do, row in BY_GUARD.items():
        yield Move(f"{GUARD}{do}", row.states, row.effect, is_guard=True)
    for name, row in BY_PLAN.items():
        yield Move(BY_ITSELF[name], row.states, row.effect)


def list_arrows() -> dict[tuple[State, State], list[str]]:
    """From where to where, and by what."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for move in list_moves():
        for state in State:
            for after in _try(move, state) if state in move.states else ():
                causes = arrows.setdefault((state, after), [])
                if move.cause not in causes:
                    causes.append(move.cause)
    return arrows


def _try(move: Move, state: State) -> Iterator[State]:
    """Where a move leads from a state, in each stage, also when a guard has stepped back from it once."""
    stages = 1 if state is State.PENDING else len(SAMPLE.plan.stages)
    for stage in range(stages):
        for stepped in ((), (stage,)) if stage else ((),):
            entered = enter(SAMPLE, Progress(state=state, stepped_back_from=stepped), 0.0, stage)
            for force in (False, True):
                ask = Ask(SAMPLE, change(entered, state=state), 0.0, force=force, is_guard=move.is_guard)
                try:
                    yield move.effect(ask).state
                except WrongAction:
                    continue


def draw() -> str:
    """The picture, in Mermaid, and the actions, as a table."""
    lines = [
        "    [*] --> pending: a plan",
        "    [*] --> running: a fixed percentage, or start auto",
        *(f"    {before} --> {after}: {_say(causes)}" for (before, after), causes in list_arrows().items()),
    ]
    return "```mermaid\nstateDiagram-v2\n" + "\n".join(lines) + "\n```\n\n" + _draw_actions()


def _say(causes: Sequence[str]) -> str:
    """One below the other, guards together."""
    guards = [cause.removeprefix(GUARD) for cause in causes if cause.startswith(GUARD)]
    others = [cause for cause in causes if not cause.startswith(GUARD)]
    return "<br/>".join([*others, GUARD + ", ".join(guards)] if guards else others)


def _draw_actions() -> str:
    rows = [f"| `{action}` | {_name(row.states)} | {_name(_results(action))} |\n" for action, row in TABLE.items()]
    return "| action | from | leads to |\n|---|---|---|\n" + "".join(rows)


def _results(action: Action) -> set[State]:
    return {after for (_, after), causes in list_arrows().items() if action in causes}


def _name(states: set[State] | frozenset[State]) -> str:
    missing = [state for state in State if state not in states]
    if not states:
        return "where it was"
    if not missing:
        return "all"
    if len(missing) < len(states):
        return "all but " + ", ".join(f"`{state}`" for state in missing)
    return ", ".join(f"`{state}`" for state in State if state in states)


def redraw(page: str) -> str:
    """The page with what is drawn as it should be. Raises ValueError where it has no place for that."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} has no lines that say where the picture begins and ends")
    return f"{before}{BEGIN}\n{draw()}\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    """Write or check the page below the current directory; the exit status."""
    page = Path(PAGE)
    if list(arguments) == ["--write"]:
        page.write_text(redraw(page.read_text()))
        return 0
    if list(arguments) != ["--check"]:
        sys.stderr.write("--write or --check\n")
        return 2
    if page.exists() and page.read_text() == redraw(page.read_text()):
        return 0
    sys.stderr.write(f"{PAGE} is not what the lifecycle says: python -m gateway.control.reference --write\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
