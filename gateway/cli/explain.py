"""`crossfade explain`: which route, key, bucket, arm and backend a request gets, and why, without sending anything."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit

import click
import msgspec

from gateway.cli.table import read_table
from gateway.core.explanation import Explanation, explain_request
from gateway.core.heads import RequestHead, parse_request
from gateway.errors import CommandError, ProxyError

_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"  # what is encoded already stays so
_NO_HOST = "localhost"
_LABEL_WIDTH = 10


@click.command(name="explain")
@click.option(
    "-c", "--config", "path", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The configuration."
)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header; repeatable.")
@click.option(
    "--client-ip", "peer", default="127.0.0.1", show_default=True, metavar="IP", help="Whose connection it would be."
)
@click.option("--json", "as_json", is_flag=True, help="Machine output.")
@click.argument("method")
@click.argument("url")
def command(path: Path, headers: tuple[str, ...], peer: str, as_json: bool, method: str, url: str) -> None:
    """Explain what becomes of a request, without sending it.

    URL is a path (/api/orders/81) or a whole URL; its host then counts for routes that name hosts.
    """
    table = read_table(path)
    try:
        explanation = explain_request(table, build_request(method, url, headers), peer)
    except ProxyError as error:
        raise CommandError(f"{error.status} {error.title}: {error.detail}") from error
    text = msgspec.json.encode(explanation).decode() if as_json else "\n".join(draw_explanation(explanation))
    click.echo(text)


def build_request(method: str, url: str, headers: tuple[str, ...]) -> RequestHead:
    """The request as a client would send it. Raises BadRequest where the gateway would."""
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe=_URL_SAFE)
    target = f"{path}?{quote(parts.query, safe=_URL_SAFE)}" if parts.query else path
    lines = [split_header(header) for header in headers]
    if not any(name.lower() == "host" for name, _ in lines):
        lines.insert(0, ("Host", parts.netloc.rpartition("@")[2] or _NO_HOST))
    fields = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return parse_request(f"{method.upper()} {target} HTTP/1.1\r\n{fields}\r\n".encode())


def split_header(header: str) -> tuple[str, str]:
    """Name and value of ``Name: value``."""
    name, colon, value = header.partition(":")
    if not colon or not name.strip() or "\r" in header or "\n" in header:
        raise click.BadParameter(f"{header!r} is not 'Name: value'", param_hint="-H")
    return name.strip(), value.strip()


def draw_explanation(explanation: Explanation) -> list[str]:
    """The explanation as lines of an aligned table, and the sentence below it."""
    rows = {
        "route": f"{explanation.route}  ({explanation.match})",
        "path": explanation.template,
        "rollout": explanation.rollout,
        "key": explanation.key and f"{explanation.key}  ({explanation.key_source})",
        "bucket": explanation.bucket,
        "percent": None if explanation.percent is None else f"{explanation.percent:g}",
        "arm": explanation.arm,
        "backend": explanation.backend,
        "sent as": explanation.path,
        "reason": explanation.reason,
    }
    return [
        *(f"{label:<{_LABEL_WIDTH}}{value}" for label, value in rows.items() if value is not None),
        "",
        explanation.why,
    ]
