"""What comparing both shops' answers has found, and whether it is what was planted: the bug, and not the noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.admin.mismatches import MismatchList
from gateway.control.findings import MismatchView

_PRODUCT: Final = "/api/products/{id}"

BUG: Final = (_PRODUCT, "$.price_with_tax", "value")
"""Path, field and kind of the one difference that matters."""

NOISE: Final = frozenset({(_PRODUCT, "$.served_at", "value"), (_PRODUCT, "$.also_bought", "order")})
"""Differences on the same path that no two answers are without."""

LEAST_COMPARED: Final = 20
"""Of a path: what a few answers show, which were under way during a change, tells nothing of the time after it."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Differences by path, field and kind."""

    items: tuple[MismatchView, ...] = ()
    compared: int = 0
    """Pairs of answers."""

    @classmethod
    def read(cls, found: MismatchList) -> Drift:
        """As the admin API tells it."""
        totals = found.totals
        return cls(tuple(found.items), totals.match + totals.mismatch + totals.noise)

    def list_counted(self) -> list[MismatchView]:
        """What counts as different, the worst first."""
        return [view for view in self.items if view.counted and not view.noise]

    def list_noise(self) -> list[MismatchView]:
        """What was set apart, as two answers of the old shop differ so, too."""
        return [view for view in self.items if view.noise]

    @property
    def is_told_apart(self) -> bool:
        """Whether the bug is known for one, and the noise around it for noise."""
        return self.misses == 0 and _places(self.list_noise()) >= NOISE

    @property
    def misses(self) -> int:
        """Planted bugs that were not found: one or none."""
        return int(BUG not in _places(self.list_counted()))

    @property
    def false_alarms(self) -> int:
        """What counts though nobody planted it as a bug."""
        return len(_places(self.list_counted()) - {BUG})

    def since(self, before: Drift) -> Drift:
        """What has come after ``before``, on paths of which enough was compared since."""
        known = {_place(view): view for view in before.items}
        grown = (_subtract(view, known.get(_place(view))) for view in self.items)
        items = tuple(view for view in grown if view.count and view.compared >= LEAST_COMPARED)
        return Drift(items, self.compared - before.compared)


def _place(view: MismatchView) -> tuple[str, str, str]:
    return view.path, view.field, view.kind


def _places(views: Iterable[MismatchView]) -> set[tuple[str, str, str]]:
    return set(map(_place, views))


def _subtract(view: MismatchView, before: MismatchView | None) -> MismatchView:
    if before is None:
        return view
    count, compared = view.count - before.count, view.compared - before.compared
    return msgspec.structs.replace(
        view,
        count=count,
        compared=compared,
        counted=view.counted - before.counted,
        rate=count / compared if compared else None,
    )
