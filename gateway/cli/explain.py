"""`crossfade explain`: which route, key, bucket, arm and backend a request gets, and why, without sending anything."""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path
from typing import cast

import click
import msgspec

from gateway.cli.admin import TOKEN_VARIABLE, Admin, read, show
from gateway.cli.table import read_table
from gateway.core.enquiry import build_request
from gateway.core.explanation import Explanation, explain_request
from gateway.core.lifecycle import begin, effect
from gateway.core.tokens import Verifier
from gateway.errors import CommandError, ProxyError

_LABEL_WIDTH = 10


@click.command(name="explain")
@click.option("-c", "--config", "path", metavar="FILE", type=click.Path(path_type=Path), help="Ask a configuration …")
@click.option("--admin", "url", metavar="URL", help="… or a running gateway, by its admin API.")
@click.option("--token", envvar=TOKEN_VARIABLE, default="", metavar="TOKEN", help=f"Or {TOKEN_VARIABLE}.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header; repeatable.")
@click.option(
    "--client-ip", "peer", default="127.0.0.1", show_default=True, metavar="IP", help="Whose connection it would be."
)
@click.option("--json", "as_json", is_flag=True, help="Machine output.")
@click.argument("method")
@click.argument("target", metavar="URL")
def command(  # noqa: PLR0913 - what a person may say
    *,
    path: Path | None,
    url: str | None,
    token: str,
    headers: tuple[str, ...],
    peer: str,
    as_json: bool,
    method: str,
    target: str,
) -> None:
    """Explain what becomes of a request, without sending it.

    URL is a path (/api/orders/81) or a whole URL; its host then counts for routes that name hosts. A configuration is
    explained as it begins: what operators and plans have done since, the running gateway knows.
    """
    lines, peer = [split_header(header) for header in headers], read_address(peer)
    if path is None and url is None:
        raise click.UsageError("say whom to ask: a configuration with -c FILE, or a running gateway with --admin URL")
    if path is not None and url is not None:
        raise click.UsageError("-c FILE and --admin URL are both given, but only one is asked; leave one out")
    if url is not None:
        asked = {"method": method, "url": target, "headers": lines, "client_ip": peer}
        content = Admin(url, token).send("POST", "/api/v1/explain", asked)
    else:
        content = msgspec.json.encode(explain_by_file(cast("Path", path), method, target, lines, peer))
    text = content.decode() if as_json else "\n".join(draw_explanation(read(content, Explanation)))
    click.echo(text)


def explain_by_file(path: Path, method: str, url: str, headers: list[tuple[str, str]], peer: str) -> Explanation:
    """What a gateway that begins with this configuration would do.

    Raises `CommandError` with what it would answer itself.
    """
    table = read_table(path)
    begun = tuple(effect(rollout, begin(rollout, 0.0)) for rollout in table.rollouts)
    table = msgspec.structs.replace(table, rollouts=begun)
    tokens = table.tokens
    verifier = None if tokens is None else Verifier(tokens, time.time, is_blind=tokens.is_published)
    try:
        return explain_request(table, build_request(method, url, headers), peer, verifier=verifier)
    except ProxyError as error:
        raise CommandError(f"{error.status} {error.title}: {error.detail}") from error


def split_header(header: str) -> tuple[str, str]:
    """Name and value of ``Name: value``."""
    name, colon, value = header.partition(":")
    if not colon or not name.strip() or "\r" in header or "\n" in header:
        raise click.BadParameter(f"{header!r} is not 'Name: value'", param_hint="-H")
    return name.strip(), value.strip()


def read_address(address: str) -> str:
    """An IP address in its shortest form, as connections have it."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise click.BadParameter(f"{address!r} is not an IP address", param_hint="--client-ip") from None


def draw_explanation(explanation: Explanation) -> list[str]:
    """The explanation as lines of an aligned table, and the sentence below it."""
    rows = {
        "route": f"{explanation.route}  ({explanation.match})",
        "path": explanation.template,
        "rollout": explanation.rollout,
        "key": explanation.key and f"{explanation.key}  ({explanation.key_source})",
        "token": explanation.token,
        "bucket": explanation.bucket,
        "percent": None if explanation.percent is None else f"{explanation.percent:g}",
        "arm": explanation.arm,
        "backend": explanation.backend,
        "sent as": explanation.path,
        "reason": explanation.reason,
    }
    return [
        *(f"{label:<{_LABEL_WIDTH}}{show(value)}" for label, value in rows.items() if value is not None),
        "",
        show(explanation.why),
    ]
