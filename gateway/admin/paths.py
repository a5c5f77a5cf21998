"""What happens per path and arm, over a trailing window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.admin.control import compute
from gateway.admin.problems import Declined
from gateway.admin.questions import DEFAULT_WINDOW, Question, Window, read_window
from gateway.control.paths import PathView, view_paths
from gateway.settings.names import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.admin.control import Call
    from gateway.core.figures import Subject
    from gateway.core.types import Route, Table


class PathList(msgspec.Struct, frozen=True):
    """Paths by route, in the routes' order; of a route first those with the most requests."""

    items: list[PathView]
    next: None


class PathsQuery(Question, frozen=True):
    """Which paths, and over which time."""

    route: str = ""
    """Only this route's."""
    rollout: str = ""
    """Only those of the routes that share this rollout."""
    window: Window = DEFAULT_WINDOW
    """The trailing time, from `1s` to `24h`."""


async def list_paths(call: Call, asked: PathsQuery) -> PathList:
    """What happens per path and arm.

    Every path that had requests in the window, and every path that the configuration names.
    """
    control = call.control
    seconds = read_window(asked.window)
    routes = choose_routes(control.table, asked.route, asked.rollout)
    now = control.now().timestamp()
    since = now - seconds
    wanted = want({route.name for route in routes})
    # The first second counts from its beginning.
    lasted = max(1.0, now - max(int(since), control.figures.started_at))
    return await compute(
        lambda: PathList(view_paths(routes, control.figures.windows.sum(since, now, wanted), lasted), None)
    )


def choose_routes(table: Table, name: str, rollout: str = "") -> Sequence[Route]:
    """The route of that name, or all when it is empty; of them those that share ``rollout``. Raises Declined (404)."""
    _check_name("route", name, [each.name for each in table.routes])
    _check_name("rollout", rollout, [each.name for each in table.rollouts])
    return [route for route in table.routes if name in {"", route.name} and rollout in {"", route.rollout}]


def _check_name(kind: str, name: str, known: Sequence[str]) -> None:
    if name and name not in known:
        raise Declined(404, f"there is no {kind} `{name}`{suggest(name, known)}", kind)


def want(routes: set[str], path: str = "") -> Callable[[Subject], bool]:
    """Whether a subject is of one of these routes, and of this path if there is one."""
    return lambda subject: subject.route in routes and path in {"", subject.path}
