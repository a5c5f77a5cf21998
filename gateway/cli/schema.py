"""`crossfade schema`: what editors need to complete and check a configuration."""

from __future__ import annotations

import click


@click.command(name="schema")
def command() -> None:
    """Print the JSON Schema of the configuration (draft 7).

    Editors with a YAML language server take it from a comment in the first line:
    # yaml-language-server: $schema=schema.json
    """
    from gateway.settings.json_schema import render_schema  # noqa: PLC0415 - pydantic's import is paid for here only

    click.echo(render_schema(), nl=False)
