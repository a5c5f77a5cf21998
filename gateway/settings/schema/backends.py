"""`backends`: the services behind the gateway."""

from __future__ import annotations

import ssl
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from gateway.settings.fields import Duration, File, Json, Kind, Many, Section, Switch, Text, Url, whole_kind
from gateway.settings.quantities import show


def _check_request_path(path: str) -> str:
    if not path.startswith("/") or not path.isascii() or " " in path or "#" in path:
        raise ValueError(f"{show(path)} is not a path to ask for; it begins with `/` and is percent-encoded")
    return path


def _check_authorities(path: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError) as error:
        raise ValueError(f"{path} has no certificates that can be used: {error}") from None
    return path


class Health(Section):
    """Active checks: each endpoint is asked at every interval, and gets no traffic while it is unhealthy."""

    path: Annotated[Text, AfterValidator(_check_request_path), Kind("path", {"type": "string", "pattern": "^/"})] = (
        "/healthz"
    )
    """What is asked for; an answer from 200 to 399 is healthy."""
    interval: Duration = 5.0
    """From one check to the next."""
    timeout: Duration = 2.0
    """How long a check may take."""
    unhealthy_after: Annotated[int, *whole_kind(1, 100)] = 3
    """So many failed checks in a row make an endpoint unhealthy."""
    healthy_after: Annotated[int, *whole_kind(1, 100)] = 2
    """So many good checks in a row make it healthy again."""


class BackendTimeouts(Section):
    """How long the gateway waits for a backend."""

    connect: Duration = 1.0
    """For a connection: to open one, or for one to come free."""
    response: Duration = 30.0
    """From the last byte of the request to the response's header."""
    idle: Duration = 60.0
    """Without progress within an exchange; waiting for a slow client does not count."""
    tunnel: Duration = 3600.0
    """Without a byte either way on an upgraded connection (WebSocket)."""


class Eject(Section):
    """Passive health: an endpoint that keeps failing rests. A backend's last endpoint never does."""

    consecutive_failures: Annotated[int, *whole_kind(1, 1000)] = 5
    """So many failures in a row: refused or broken connections, time-outs, broken answers; statuses do not count."""
    rest: Duration = Field(default=30.0, alias="for")
    """How long the endpoint then gets no traffic."""


class BackendTls(Section):
    """How the certificates of `https` endpoints are verified."""

    ca: Annotated[File, AfterValidator(_check_authorities)] | None = None
    """PEM file with the authorities to trust in place of the system's; relative to this configuration."""
    verify: Switch = True
    """`false` accepts any certificate: for tests only."""


class Backend(Section):
    """A named service: interchangeable endpoints."""

    short: ClassVar[Json] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
    }

    endpoints: Many[Url]
    """Where it runs: `http://host:port` or `https://host`. Names are looked up again at least every 30 s."""
    tls: BackendTls = BackendTls()
    """How the certificates of `https` endpoints are verified."""
    health: Health | None = None
    """Active checks; none until written."""
    timeouts: BackendTimeouts = BackendTimeouts()
    """How long the gateway waits for it."""
    connections: Annotated[int, *whole_kind(1, 100_000)] = 1024
    """The most connections of one worker to it; requests past it wait at most `timeouts.connect`, then get 503."""
    eject: Eject = Eject()
    """Passive health of each endpoint."""

    @model_validator(mode="before")
    @classmethod
    def _take_short_form(cls, value: Any) -> Any:
        if isinstance(value, int | float):
            value = str(value)  # a bare port is told that it is no URL
        return {"endpoints": value} if isinstance(value, str | list) else value

    @model_validator(mode="after")
    def _check_endpoints(self) -> Self:
        urls = [endpoint.url for endpoint in self.endpoints]
        twice = next((url for url in urls if urls.count(url) > 1), None)
        if twice or not urls:
            raise ValueError(f"`endpoints` names {twice} twice" if twice else "`endpoints` must name at least one URL")
        return self
