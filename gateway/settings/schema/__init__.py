"""The configuration, written once: types, defaults, bounds and what each field means.

The docstring under a field is its documentation: `gateway.settings.reference` makes the reference page and the JSON
Schema from it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, PlainValidator

from gateway.settings.fields import Kind, Many, Name, Own, Section
from gateway.settings.quantities import show
from gateway.settings.scalars import settle
from gateway.settings.schema.backends import Backend
from gateway.settings.schema.notices import Notify
from gateway.settings.schema.rollouts import Rollout
from gateway.settings.schema.routes import Route
from gateway.settings.schema.server import Admin, Server, Store
from gateway.settings.schema.telemetry import Telemetry
from gateway.settings.schema.tokens import Jwt

__all__ = ["Admin", "Backend", "Config", "Jwt", "Notify", "Rollout", "Route", "Server", "Telemetry"]


def _check_version(value: object) -> int:
    if settle(value) != 1 or isinstance(value, bool):
        raise ValueError(f"{show(value)} is not known; this version of Crossfade reads version 1")
    return 1


def _check_mapping(value: object) -> object:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"is {show(value) if value else 'empty'}; write at least one `name: …`")
    return value


def _check_routes(value: object) -> object:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list with at least one route: each begins with `- name: …`")
    return tuple(value)


class Config(Section):
    """The whole file."""

    version: Annotated[int, PlainValidator(_check_version), Kind("1", {"const": 1})]
    """The version of this format."""
    server: Server = Server()
    """The side that clients see."""
    admin: Admin = Admin()
    """The side that operators see."""
    store: Store = "sqlite:./crossfade.db"
    """Where the state of rollouts, events and incidents are kept: `sqlite:FILE`, or Redis or Valkey as
    `redis://host:6379/0`, `rediss://…`, `redis+sentinel://host:26379,host:26379/service` or
    `redis+cluster://host:6379,host:6379`. Needs a restart."""
    store_cache: Own | None = None
    """A file in which a gateway of a fleet remembers how rollouts stand, should it start while Redis is away. It should
    outlive the process, and is no other gateway's. Journals are kept beside it. Not for a `sqlite:` store. Needs a
    restart."""
    telemetry: Telemetry = Telemetry()
    """Which requests are traced, and where their spans go."""
    jwt: Jwt | None = None
    """Which bearer tokens the key source `jwt:` believes. Without it, it reads them unverified."""
    notify: Many[Notify] = ()
    """Who is told what happens to rollouts."""
    backends: Annotated[dict[Name, Backend], BeforeValidator(_check_mapping)]
    """The services behind the gateway, by name. The short form is a URL, or a list of URLs."""
    rollouts: dict[Name, Rollout] = Field(default={})
    """By which share, and for which keys, candidates answer; by name."""
    routes: Annotated[tuple[Route, ...], BeforeValidator(_check_routes)]
    """Which requests go where. They are tried in order; the first match serves."""

    def rollouts_in_use(self) -> dict[str, Rollout]:
        """All rollouts by name, those written within a route (they have its name) included."""
        inline = {route.name: route.rollout for route in self.routes if isinstance(route.rollout, Rollout)}
        return {**self.rollouts, **inline}
