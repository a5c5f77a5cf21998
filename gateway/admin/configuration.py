"""The configuration over the API: what is in force, reading the file again, and trying a text."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from gateway.admin.answers import answer_json, show_time
from gateway.admin.control import Call, compute
from gateway.admin.problems import Declined
from gateway.admin.questions import TEXT_LIMIT_BYTES, read_bytes
from gateway.core.movement import GENERATED_KEYS, Movement, compare_tables, generate_keys
from gateway.errors import ConfigError
from gateway.settings.redaction import strike_refused, strike_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.admin.control import Control
    from gateway.control.configuration import Configuration
    from gateway.core.types import Table
    from gateway.errors import Problem


PLACED_KEYS: Final = 2_000_000
"""How many keys are placed for a draft, over all its rollouts: about two seconds' work."""
FEWEST_KEYS: Final = 100
"""Of one rollout, however many there are."""


class ProblemView(msgspec.Struct, frozen=True):
    """One fault of a configuration's text."""

    line: int
    """1 for the first line; 0 when it belongs to the file as a whole."""
    column: int
    path: str
    """Where in the document: `rollouts.checkout.percent`."""
    message: str
    """What is wrong and what is allowed."""


class ConfigView(msgspec.Struct, frozen=True):
    """The configuration in force, and what was wrong with the newest text if that isn't."""

    revision: str
    loaded_at: str
    """RFC 3339, UTC."""
    file: str
    yaml: str
    """As it was read, environment references unexpanded, and `"***"` for each secret that is written in it."""
    last_reload_ok: bool
    problems: list[ProblemView]
    """Of the text that was last refused."""
    waits_for_restart: list[str]
    """The changed fields that only a restart puts in force."""
    refused_yaml: str | None = None
    """The text to which `problems` belong, as far as it is YAML, and `"***"` for whatever may be a secret in it; null
    when the last one was good, and when there was none to read.
    """


class ValidateView(msgspec.Struct, frozen=True):
    """What there is to say of a configuration's text."""

    ok: bool
    problems: list[ProblemView]
    warnings: list[ProblemView]
    changes: Movement | None = None
    """What it would do if it were put in force now, as `crossfade diff` says it: which routes, backends and rollouts
    differ, and how many of the `keys` made-up ones would change their arm or, by `moves`, a route's backend. Plans
    count as far as they are now, cohorts are not counted with. Null where there are problems, and before the first
    configuration."""


async def show_config(call: Call) -> ConfigView:
    """The configuration in force."""
    return await compute(view_config, call.control.configuration)


async def reload_config(call: Call) -> web.Response:
    """Read the configuration's file now.

    200 when it is in force in every worker, 503 when a worker lags. 422 when it is refused: with what stays in force,
    and under `problems` what is wrong with the new text.
    """
    control = call.control
    is_good = await control.reload()
    if is_good:
        await control.wait_until_applied()
    view = await compute(view_config, control.configuration)
    return answer_json(view, HTTPStatus.OK if is_good else HTTPStatus.UNPROCESSABLE_ENTITY)


async def validate_config(call: Call) -> ValidateView:
    """Say what is wrong with a configuration's text, or what it would change, without touching anything.

    The body is the YAML text, whatever its content type says.
    """
    source = call.control.configuration.source
    content = await read_bytes(call.request, TEXT_LIMIT_BYTES)
    try:
        loaded, table = await compute(source.load, content)
    except ConfigError as error:
        return ValidateView(ok=False, problems=view_problems(error.problems), warnings=[])
    changes = await compare_draft(call.control, table)
    return ValidateView(ok=True, problems=[], warnings=view_problems(loaded.warnings), changes=changes)


async def compare_draft(control: Control, draft: Table) -> Movement | None:
    """What ``draft`` would change in what is in force, users included; None where nothing is."""
    accepted, rollouts = control.configuration.accepted, control.rollouts
    if accepted is None:
        return None
    progresses = {name: rollouts.progress(name) for name in rollouts.plans()}
    keys = generate_keys(
        max(FEWEST_KEYS, min(GENERATED_KEYS, PLACED_KEYS // max(1, len(draft.rollouts), len(accepted.table.rollouts))))
    )
    return await compute(compare_tables, accepted.table, draft, keys, progresses)


def view_problems(problems: Sequence[Problem]) -> list[ProblemView]:
    """The problems in the API's shape."""
    return [ProblemView(found.line, found.column, found.path, found.message) for found in problems]


def view_config(configuration: Configuration) -> ConfigView:
    """The configuration in force. Of a long one it takes a second: it is for a thread.

    Raises Declined (503) before there is one.
    """
    accepted = configuration.accepted
    if accepted is None:
        raise Declined(503, "no configuration has been compiled yet")
    return ConfigView(
        revision=accepted.loaded.revision,
        loaded_at=show_time(accepted.loaded_at),
        file=str(configuration.source.path),
        yaml=strike_secrets(accepted.loaded.text),
        last_reload_ok=configuration.last_reload_ok,
        problems=view_problems(configuration.problems),
        waits_for_restart=configuration.waits_for_restart,
        refused_yaml=None if configuration.refused_text is None else strike_refused(configuration.refused_text),
    )
