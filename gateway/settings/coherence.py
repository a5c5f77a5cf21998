"""What has to hold between the sections of a configuration, and what is allowed but risky."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.core.paths import is_wild, split_pattern
from gateway.core.store_urls import RedisUrl, file_of, parse_store
from gateway.core.types import KeyKind
from gateway.settings.faults import Fault, Loc
from gateway.settings.names import suggest
from gateway.settings.plan_coherence import Planned, find_plan_faults, find_plan_risks
from gateway.settings.quantities import show
from gateway.settings.schema import Config, Rollout, Route
from gateway.settings.shadow_coherence import Copied, find_comparing_risks, find_copying_risks
from gateway.settings.token_coherence import find_token_faults, find_token_risks


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the checks look at. ``positions`` are the routes' places in the file, where some may have been left out."""

    config: Config
    backends: Collection[str]
    rollouts: Collection[str]
    positions: Sequence[int]
    left_out: Collection[str]
    """Names of routes with faults of their own."""
    routes_by_rollout: dict[str, list[Route]] = field(default_factory=dict)

    def routes(self) -> Iterator[tuple[Loc, Route]]:
        for position, route in zip(self.positions, self.config.routes, strict=True):
            yield ("routes", position), route

    def planned(self) -> Iterator[Planned]:
        """Each rollout, wherever it is written."""
        for name, rollout in self.config.rollouts.items():
            yield Planned(("rollouts", name), rollout, self.routes_by_rollout.get(name, []))
        for loc, route in self.routes():
            if isinstance(route.rollout, Rollout):
                yield Planned((*loc, "rollout"), route.rollout, [route])

    def copied(self) -> Iterator[Copied]:
        """Each route that has a candidate, with its rollout."""
        rollouts = self.config.rollouts_in_use()
        for loc, route in self.routes():
            if route.rollout_name is not None:
                yield Copied(loc, route, rollouts[route.rollout_name])


def find_faults(
    config: Config,
    backends: Collection[str] | None = None,
    rollouts: Collection[str] | None = None,
    positions: Sequence[int] | None = None,
    left_out: Collection[str] = (),
) -> list[Fault]:
    """Everything that contradicts itself in a configuration whose sections are valid, each taken alone.

    When sections with faults of their own were left out of ``config``, ``backends`` and ``rollouts`` are all names that
    the file defines, ``positions`` the places of the remaining routes, and ``left_out`` the names of the others.
    """
    ground = _survey(
        config,
        config.backends if backends is None else backends,
        config.rollouts if rollouts is None else rollouts,
        range(len(config.routes)) if positions is None else positions,
        left_out,
    )
    checks = (_check_route_names, _check_references, _check_path_keys, _check_addresses, _check_cache, _check_plans)
    return [*(fault for check in checks for fault in check(ground)), *find_token_faults(config.jwt)]


def _survey(
    config: Config,
    backends: Collection[str],
    rollouts: Collection[str],
    positions: Sequence[int],
    left_out: Collection[str] = (),
) -> _Ground:
    ground = _Ground(config, backends, rollouts, positions, left_out)
    for route in config.routes:
        ground.routes_by_rollout.setdefault(route.rollout_name or "", []).append(route)
    return ground


def _check_plans(ground: _Ground) -> Iterator[Fault]:
    for planned in ground.planned():
        yield from find_plan_faults(planned, ground.left_out)


def _check_route_names(ground: _Ground) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for loc, route in ground.routes():
        position = int(loc[1])
        if seen.setdefault(route.name, position) != position:
            yield Fault(
                (*loc, "name"), f"{show(route.name)} is the name of routes.{seen[route.name]}, too; names are unique"
            )
        if isinstance(route.rollout, Rollout) and route.name in ground.rollouts:
            yield Fault(
                (*loc, "rollout"), f"is written here and so named {show(route.name)}, as one under `rollouts` is"
            )


def _check_references(ground: _Ground) -> Iterator[Fault]:
    for loc, route in ground.routes():
        for side in ("baseline", "candidate", "backend"):
            yield from _check_reference((*loc, side), getattr(route, side), "backend", ground.backends)
        if not isinstance(route.rollout, Rollout):
            yield from _check_reference((*loc, "rollout"), route.rollout, "rollout", ground.rollouts)


def _check_reference(loc: Loc, name: str | None, noun: str, known: Collection[str]) -> Iterator[Fault]:
    if name is not None and name not in known:
        advice = suggest(name, known) or f"; define it under `{noun}s`"
        yield Fault(loc, f"there is no {noun} {show(name)}{advice}")


def _check_path_keys(ground: _Ground) -> Iterator[Fault]:
    """A `path:` source needs its `{name}` wherever the rollout is used, or users would silently lose their key."""
    for planned in ground.planned():
        for loc, wanted in _path_sources(planned.rollout):
            yield from _check_captures((*planned.loc, *loc), wanted, planned.routes)


def _path_sources(rollout: Rollout) -> Iterator[tuple[Loc, str]]:
    for index, alternative in enumerate(rollout.key):
        yield from ((("key", index), source.name) for source in alternative if source.kind is KeyKind.PATH)
    for index, cohort in enumerate(rollout.cohorts):
        for source in cohort.when:
            if source.kind is KeyKind.PATH:
                yield ("cohorts", index, "when", str(source)), source.name


def _check_captures(loc: Loc, name: str, routes: Iterable[Route]) -> Iterator[Fault]:
    lacking = [route.name for route in routes if not _captures(route, name)]
    if lacking:
        yield Fault(loc, f"`path:{name}` needs `{{{name}}}` in `match.path` or `paths` of route {show(lacking[0])}")


def _captures(route: Route, name: str) -> bool:
    return all(_names(path, name) for path in route.match.path) or any(_names(path, name) for path in route.paths)


def _names(pattern: str, name: str) -> bool:
    return f"{{{name}}}" in split_pattern(pattern)


def _check_addresses(ground: _Ground) -> Iterator[Fault]:
    admin = ground.config.admin.listen
    if admin.port and admin in {listener.address for listener in ground.config.server.listen}:
        yield Fault(("server", "listen"), f"{admin} is the address of `admin.listen`, too; use another port")


def _check_cache(ground: _Ground) -> Iterator[Fault]:
    if ground.config.store_cache is not None and file_of(ground.config.store) is not None:
        yield Fault(("store_cache",), "is for a store on other machines, not for a `sqlite:` file; remove it")


def find_risks(config: Config) -> list[Fault]:
    """What is allowed, but may not be what was meant."""
    ground = _survey(config, config.backends, config.rollouts, range(len(config.routes)))
    return [
        *_find_unreachable(config),
        *find_token_risks(config.jwt, ground.planned()),
        *_find_unused(config),
        *_find_relative_store(config),
        *_find_told_twice(config),
        *(risk for planned in ground.planned() for risk in find_plan_risks(planned)),
        *(risk for planned in ground.planned() for risk in find_comparing_risks(planned)),
        *(risk for copied in ground.copied() for risk in find_copying_risks(copied)),
    ]


def _find_unreachable(config: Config) -> Iterator[Fault]:
    """Routes all of whose paths an earlier route without further conditions takes."""
    taken: dict[tuple[str, ...], str] = {}
    for index, route in enumerate(config.routes):
        shapes = [_shape(path) for path in route.match.path]
        owners = [_find_owner(shape, taken) for shape in shapes]
        if all(owners):
            yield Fault(("routes", index), f"never serves: route {show(owners[0])} before it takes all its requests")
        if not (route.match.host or route.match.methods or route.match.headers):
            for shape in shapes:
                taken.setdefault(shape, route.name)


def _shape(pattern: str) -> tuple[str, ...]:
    """The pattern's segments, all that stand for one segment written alike."""
    return tuple("*" if is_wild(segment) else segment for segment in split_pattern(pattern))


def _find_owner(shape: tuple[str, ...], taken: dict[tuple[str, ...], str]) -> str | None:
    """The route that takes all paths of ``shape``: it has the same one, or one that ends in ``**`` above it."""
    if shape in taken:
        return taken[shape]
    above = (taken.get((*shape[:length], "**")) for length in range(len(shape) + 1))
    return next((owner for owner in above if owner), None)


def _find_unused(config: Config) -> Iterator[Fault]:
    used = {name for route in config.routes for name in (route.baseline, route.candidate, route.backend) if name}
    for name in config.backends.keys() - used:
        yield Fault(("backends", name), "no route uses this backend", at_key=True)
    for name in config.rollouts.keys() - {route.rollout_name for route in config.routes}:
        yield Fault(("rollouts", name), "no route uses this rollout", at_key=True)


def _find_relative_store(config: Config) -> Iterator[Fault]:
    effect = "is relative: it depends on the directory that the gateway is started in"
    store = parse_store(config.store)
    if isinstance(store, RedisUrl):
        for option, file in store.tls_files.items():
            if not file.startswith("/"):
                yield Fault(("store",), f"`{option}` {effect}")
    elif "store" in config.model_fields_set and not store.startswith("/"):
        yield Fault(("store",), effect)


def _find_told_twice(config: Config) -> Iterator[Fault]:
    """Whose address is written again; it is not shown, as it has secrets in it."""
    told: dict[str, int] = {}
    for index, notify in enumerate(config.notify):
        former = told.setdefault(notify.url, index)
        shared = sorted(set(notify.events) & set(config.notify[former].events))
        if former != index and shared:
            yield Fault(
                ("notify", index), f"`notify.{former}` is the same `url` and hears of {', '.join(shared)} already"
            )
