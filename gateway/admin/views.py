"""The shapes of the admin API's answers. Fields may be added, never renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.control.configuration import Configuration
    from gateway.errors import Problem


class ProblemView(msgspec.Struct, frozen=True):
    """One fault of a configuration text."""

    line: int
    column: int
    path: str
    message: str


class ConfigView(msgspec.Struct, frozen=True):
    """``GET /api/v1/config``: what is in force, and what was wrong with the newest text if that isn't."""

    revision: str
    loaded_at: str
    """RFC 3339, UTC."""
    file: str
    yaml: str
    """As it was read, environment references unexpanded."""
    last_reload_ok: bool
    problems: list[ProblemView]
    waits_for_restart: list[str]


class ValidateView(msgspec.Struct, frozen=True):
    """``POST /api/v1/config/validate``."""

    ok: bool
    problems: list[ProblemView]
    warnings: list[ProblemView]


class ReadyView(msgspec.Struct, frozen=True):
    """``GET /readyz``."""

    ready: bool
    reasons: list[str]


class ProblemDocument(msgspec.Struct, frozen=True):
    """RFC 9457: what went wrong with a call."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"


def view_problems(problems: Sequence[Problem]) -> list[ProblemView]:
    """The problems in the API's shape."""
    return [ProblemView(found.line, found.column, found.path, found.message) for found in problems]


def view_config(configuration: Configuration) -> ConfigView | None:
    """The configuration in force; None before there is one."""
    accepted = configuration.accepted
    if accepted is None:
        return None
    return ConfigView(
        revision=accepted.loaded.revision,
        loaded_at=accepted.loaded_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        file=str(configuration.source.path),
        yaml=accepted.loaded.text,
        last_reload_ok=configuration.last_reload_ok,
        problems=view_problems(configuration.problems),
        waits_for_restart=configuration.waits_for_restart,
    )
