"""From a validated configuration to the routing table that workers serve by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.core import shadowing
from gateway.core.shadowing import Tolerance
from gateway.core.tokens import TokenPolicy
from gateway.core.types import (
    AccessLog,
    Arm,
    Backend,
    BackendTimeouts,
    BackendTls,
    Breaker,
    ClientTimeouts,
    Cohort,
    Condition,
    Eject,
    Failover,
    HeaderPattern,
    Health,
    Held,
    Limits,
    Match,
    MissingKey,
    Mode,
    Override,
    Rewrite,
    Rollout,
    Route,
    ServerPolicy,
    Table,
    Tracing,
)
from gateway.core.types import Hash as HashScheme
from gateway.settings import schema
from gateway.settings.planning import compile_plan
from gateway.settings.schema.backends import Health as HealthSection
from gateway.settings.schema.rollouts import Cohort as CohortSection
from gateway.settings.schema.routes import Breaker as BreakerSection
from gateway.settings.schema.routes import Failover as FailoverSection
from gateway.settings.schema.routes import Match as MatchSection
from gateway.settings.schema.routes import Rewrite as RewriteSection
from gateway.settings.schema.shadowing import Compare, Journal, Shadow
from gateway.settings.switches import Switches

__all__ = ["Switches", "compile_table"]


def compile_table(config: schema.Config, revision: str, switches: Switches, base_dir: Path) -> Table:
    """The table of ``config``, with the emergency switches applied; ``base_dir`` is where relative files are sought.

    Everything that could fail was checked when the configuration was loaded: this raises nothing.
    """
    return Table(
        revision=revision,
        server=_compile_server(config.server),
        backends=tuple(_compile_backend(name, backend, base_dir) for name, backend in config.backends.items()),
        rollouts=tuple(_compile_rollouts(config.rollouts_in_use(), switches)),
        routes=tuple(_compile_route(route) for route in config.routes),
        tracing=_compile_tracing(config.telemetry),
        tokens=_compile_tokens(config.jwt) if config.jwt else None,
    )


def _compile_tracing(telemetry: schema.Telemetry) -> Tracing | None:
    return Tracing(telemetry.traces_endpoint, telemetry.sample) if telemetry.otlp else None


def _compile_tokens(jwt: schema.Jwt) -> TokenPolicy:
    """Without keys where these come from a URL: it is asked while the gateway runs."""
    return TokenPolicy(
        source=jwt.jwks.source,
        algorithms=jwt.algorithms,
        keys=jwt.read_keys(),
        issuer=jwt.issuer or "",
        audience=jwt.audience or "",
        leeway_seconds=jwt.leeway,
        refresh_seconds=jwt.refresh,
    )


def _compile_server(server: schema.Server) -> ServerPolicy:
    limits, timeouts = server.limits, server.timeouts
    return ServerPolicy(
        trusted_proxies=server.trusted_proxies,
        override=Override(server.override.networks, server.override.token),
        expose=server.expose,
        access_log=AccessLog(server.access_log),
        limits=Limits(limits.header_bytes, limits.header_count, limits.body, limits.connections),
        timeouts=ClientTimeouts(timeouts.header, timeouts.idle, timeouts.drain),
    )


def _compile_backend(name: str, backend: schema.Backend, base_dir: Path) -> Backend:
    timeouts, ca = backend.timeouts, backend.tls.ca
    return Backend(
        name=name,
        endpoints=backend.endpoints,
        timeouts=BackendTimeouts(timeouts.connect, timeouts.response, timeouts.idle, timeouts.tunnel),
        connections=backend.connections,
        eject=Eject(backend.eject.consecutive_failures, backend.eject.rest),
        health=_compile_health(backend.health) if backend.health else None,
        tls=BackendTls(None if ca is None else str(base_dir / ca), backend.tls.verify),
    )


def _compile_health(health: HealthSection) -> Health:
    return Health(health.path, health.interval, health.timeout, health.unhealthy_after, health.healthy_after)


def _compile_rollouts(rollouts: Mapping[str, schema.Rollout], switches: Switches) -> Iterator[Rollout]:
    for name, rollout in rollouts.items():
        cap = switches.cap(name, rollout.hash)
        yield Rollout(
            name=name,
            mode=Mode(rollout.mode),
            key=rollout.key,
            on_missing_key=MissingKey(rollout.on_missing_key),
            salt=name if rollout.salt is None else rollout.salt,
            hash=HashScheme(rollout.hash),
            cohorts=tuple(_compile_cohort(cohort) for cohort in rollout.cohorts),
            percent=min(rollout.percent, cap),
            killed=switches.is_killed(name),
            cap=cap,
            held=Held.PENDING if rollout.stages else None,  # until its progress is known, nobody is moved by a plan
            plan=compile_plan(rollout),
        )


def _compile_cohort(cohort: CohortSection) -> Cohort:
    when = tuple(Condition(source, patterns) for source, patterns in cohort.when.items())
    return Cohort(cohort.name, when, Arm(cohort.arm) if cohort.arm else None, cohort.percent)


def _compile_route(route: schema.Route) -> Route:
    return Route(
        name=route.name,
        match=_compile_match(route.match),
        baseline=route.backend or route.baseline or "",
        candidate=route.candidate,
        rollout=route.rollout_name,
        paths=route.paths,
        rewrites=tuple(_compile_rewrite(rewrite, Arm(route.rewritten_by_default)) for rewrite in route.rewrite),
        failover=_compile_failover(route.failover) if route.candidate and route.failover != "off" else None,
        breaker=_compile_breaker(route.breaker) if route.candidate and route.breaker != "off" else None,
        shadow=_compile_shadow(route.shadow) if route.shadow else None,
        journal=_compile_journal(route.journal) if route.journal else None,
    )


def _compile_failover(failover: FailoverSection) -> Failover:
    """With ``protocol`` where ``reset`` is: to a client, an answer that is not HTTP is one that broke off."""
    kinds = {failure for failure in failover.on if isinstance(failure, str)}
    return Failover(
        kinds=frozenset(kinds | {"protocol"} if "reset" in kinds else kinds),
        statuses=frozenset(failure for failure in failover.on if isinstance(failure, int)),
        methods=frozenset(failover.methods),
        budget=failover.budget,
        buffer_bytes=failover.buffer,
    )


def _compile_breaker(breaker: BreakerSection) -> Breaker:
    return Breaker(breaker.consecutive_failures, breaker.rest)


def _compile_shadow(shadow: Shadow) -> shadowing.Shadow:
    return shadowing.Shadow(
        percent=shadow.percent,
        methods=frozenset(shadow.methods),
        both=shadow.direction == "both",
        body_bytes=shadow.body,
        concurrency=shadow.concurrency,
        timeout_seconds=shadow.timeout,
        compare=_compile_compare(shadow.compare),
    )


def _compile_compare(compare: Compare) -> shadowing.Compare:
    return shadowing.Compare(
        status=compare.status,
        headers=compare.headers,
        ignore=compare.ignore,
        unordered=compare.unordered,
        tolerances=tuple(Tolerance(path, *margin) for path, margin in compare.tolerance.items()),
        noise=compare.noise,
        redact=compare.redact,
        samples=compare.samples,
    )


def _compile_journal(journal: Journal) -> shadowing.Journal:
    return shadowing.Journal(
        methods=frozenset(journal.methods),
        body_bytes=journal.body,
        keep_seconds=journal.keep,
        size_bytes=journal.size,
        drops_when_full=journal.when_full == "drop",
    )


def _compile_match(match: MatchSection) -> Match:
    headers = tuple(HeaderPattern(name.lower(), patterns) for name, patterns in match.headers.items())
    return Match(match.path, match.host, match.methods, headers)


def _compile_rewrite(rewrite: RewriteSection, default: Arm) -> Rewrite:
    return Rewrite(
        arm=Arm(rewrite.arm) if rewrite.arm else default,
        path=rewrite.path,
        set_headers=tuple(rewrite.headers.set.items()),
        remove_headers=rewrite.headers.remove,
    )
