"""`crossfade status`: the running gateway at a glance."""

from __future__ import annotations

from collections.abc import Iterator

import click

from gateway.admin.configuration import ConfigView
from gateway.admin.rollouts import RolloutList, RolloutView, RuleView
from gateway.admin.status import StatusView, TokensView
from gateway.cli.admin import Admin, admin_options, read, show
from gateway.cli.fleet import draw_line, draw_remarks
from gateway.cli.grid import draw_table, show_percent, show_span
from gateway.cli.set import path_of
from gateway.control.readings import say_cause, say_value, unit_of
from gateway.core import progress

_HEALTH = {True: "healthy", False: "unhealthy", None: "not checked"}


@click.command(name="status")
@click.argument("rollout", required=False, default="")
@admin_options
def command(admin: Admin, as_json: bool, rollout: str) -> None:
    """Show rollouts, workers, backends and the store of a running gateway; or only ROLLOUT, with its version."""
    content = admin.get(path_of(rollout) if rollout else "/api/v1/status")
    if as_json:
        click.echo(content)
    elif rollout:
        draw_rollout(read(content, RolloutView))
    else:
        draw_all(admin, read(content, StatusView))


def draw_rollout(rollout: RolloutView) -> None:
    """One, and what its rules say."""
    click.echo(f"{show(rollout.name)}, version {rollout.version}")
    rollouts = RolloutList([rollout], None)
    draw_rollouts(rollouts)
    draw_rules(rollouts)


def draw_all(admin: Admin, status: StatusView) -> None:
    """The whole gateway."""
    draw_head(status)
    config = read(admin.get("/api/v1/config"), ConfigView)
    draw_refusal(config)
    draw_restart(config)
    rollouts = read(admin.get("/api/v1/rollouts"), RolloutList)
    draw_rollouts(rollouts)
    draw_rules(rollouts)
    draw_workers(status)
    draw_backends(status)


def draw_head(status: StatusView) -> None:
    """What concerns the whole."""
    ready = "ready" if status.ready else "not ready"
    revision = show(status.revision or "none yet")
    click.echo(f"crossfade {show(status.version)}, {ready}, up {show_span(status.uptime_s)}, revision {revision}")
    store = f"store {show(status.store.kind)}, {show(status.store.file)}"
    if status.store.ok:
        click.echo(f"{store}, ok")
    elif status.fleet is not None and status.degraded is not None:
        click.echo(f"{store}, can't be used")  # why comes with what follows from it
    else:
        reason = show(status.store.reason or "not used yet")
        effect = "" if status.fleet else ": nothing but a rollback can be done until it can"
        click.echo(f"{store}, can't be used ({reason}){effect}")
    if status.fleet is not None:
        draw_line(status.fleet)
        draw_remarks(status.fleet.revisions, status.degraded)
    if status.tokens is not None:
        draw_tokens(status.tokens)


def draw_tokens(tokens: TokensView) -> None:
    """By which keys tokens are verified, and what is wrong with where they come from."""
    keys = f"{tokens.keys} key{'' if tokens.keys == 1 else 's'}"
    if tokens.fault is None:
        click.echo(f"tokens verified by {keys} of {show(tokens.source)}")
        return
    effect = f"the {keys} from before" if tokens.keys else "no token is believed"
    click.echo(f"keys of tokens, {show(tokens.source)}, can't be had ({show(tokens.fault)}): {effect}")


def draw_refusal(config: ConfigView) -> None:
    """That the file's newest text is not in force, and its first fault; nothing when it is."""
    if config.last_reload_ok:
        return
    line = f"configuration {show(config.file)} was refused: what was in force stays"
    if config.problems:
        first, more = config.problems[0], len(config.problems) - 1
        place = f"line {first.line}, column {first.column}: " if first.line else ""
        path = f"{show(first.path)}: " if first.path else ""
        line += f"\n  {place}{path}{show(first.message)}" + (f" (and {more:,} more)" if more else "")
    click.echo(line)


def draw_restart(config: ConfigView) -> None:
    """Which changed fields are not in force before a restart; nothing when all are."""
    if config.waits_for_restart:
        click.echo(f"changed in {show(config.file)}, and waiting for a restart: {', '.join(config.waits_for_restart)}")


def draw_rollouts(rollouts: RolloutList) -> None:
    """A row for each."""
    if rollouts.items:
        click.echo()
        draw_table(
            ("rollout", "state", "percent>", "by", "stage", "waits for", "mode", "routes"),
            (
                (
                    each.name,
                    say_state(each),
                    show_percent(each.percent),
                    each.source,
                    f"{each.stage.index} of {each.stage.of}" if each.stage else None,
                    ", ".join(list_waits(each)) or None,
                    each.mode,
                    ", ".join(each.routes),
                )
                for each in rollouts.items
            ),
        )


def say_state(rollout: RolloutView) -> str:
    """Its state, and what one has to know of it."""
    remarks = {
        "to shadow": rollout.to_shadow,
        "not stored yet": not rollout.stored,
        "not read from the store yet": not rollout.read,
    }
    return ", ".join([progress.say_state(rollout.state), *(remark for remark, is_so in remarks.items() if is_so)])


def list_waits(rollout: RolloutView) -> Iterator[str]:
    """What has to happen before it goes on."""
    if not rollout.read:
        yield "the store"
    elif rollout.state == "pending":
        yield "start"
    elif rollout.state == "rolled_back":
        yield f"its cooldown, until {rollout.cooldown_until}" if rollout.cooldown_until else "resume"
    elif rollout.stage is not None and rollout.state != "completed":
        left = rollout.stage.hold_left_s
        yield from (f"hold ({show_span(left)})" if each == "hold" else each for each in rollout.stage.waits_for)
    elif rollout.state == "paused":
        yield "resume"


def draw_rules(rollouts: RolloutList) -> None:
    """A row for each rule that has not found all well."""
    rows = [(each.name, *_list_cells(rule)) for each in rollouts.items for rule in each.rules if rule.verdict != "ok"]
    if rows:
        click.echo()
        draw_table(("rollout", "rule", "is", "verdict", "because", "value>", "bound>", "where"), rows)


def _list_cells(rule: RuleView) -> tuple[object, ...]:
    unit = unit_of(rule.when)
    value, bound = (None if each is None else say_value(each, unit) for each in (rule.value, rule.bound))
    kind = f"{rule.kind}, {rule.do}" if rule.do else rule.kind
    said = say_cause(rule.when, rule.reason, rule.needs, is_gate=rule.kind == "gate")
    reason = None if rule.reason == rule.verdict else said
    where = " ".join(part for part in (rule.route, rule.path) if part)
    return rule.id, kind, rule.verdict, reason, value, bound, where or None


def draw_workers(status: StatusView) -> None:
    """A row for each."""
    click.echo()
    draw_table(
        ("worker", "connections>", "in flight>", "revision"),
        ((each.pid, each.connections, each.in_flight, each.revision) for each in status.workers),
    )


def draw_backends(status: StatusView) -> None:
    """A row for each endpoint."""
    click.echo()
    draw_table(
        ("backend", "endpoint", "health"),
        ((backend.name, each.url, _HEALTH[each.healthy]) for backend in status.backends for each in backend.endpoints),
    )
