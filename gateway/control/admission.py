"""Which paths of a route have figures of their own: so many and no more, whatever clients ask for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from gateway.core.figures import Subject
from gateway.core.templates import OTHER, TEMPLATES_PER_ROUTE

if TYPE_CHECKING:
    from gateway.core.types import Route, Table


class Admission:
    """The paths of each route that have a place: those that the configuration names, then those that came first."""

    def __init__(self) -> None:
        self._paths: dict[str, dict[str, None]] = {}

    def adopt(self, table: Table) -> None:
        """Go by ``table`` from now on; of those that it does not name, who had a place keeps it while there are any."""
        self._paths = {route.name: self._find_places(route) for route in table.routes}

    def _find_places(self, route: Route) -> dict[str, None]:
        paths = dict.fromkeys((*route.paths, *self._paths.get(route.name, ())))
        return dict.fromkeys(islice(paths, max(TEMPLATES_PER_ROUTE, len(route.paths))))

    def begin(self, seen: Iterable[Subject]) -> None:
        """The paths of ``seen`` have places, in the order in which they came, and no others."""
        self._paths = {}
        for subject in seen:
            if subject.path != OTHER:
                self._paths.setdefault(subject.route, {})[subject.path] = None

    def admit(self, subject: Subject) -> Subject:
        """The subject, or ``{other}`` in its place when its route has paths enough."""
        paths = self._paths.setdefault(subject.route, {})
        if subject.path in paths or subject.path == OTHER:
            return subject
        if len(paths) >= TEMPLATES_PER_ROUTE:
            return subject._replace(path=OTHER)
        paths[subject.path] = None
        return subject
