"""`server`, `admin` and `store`: the gateway itself."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from gateway.core.store_urls import PATTERN, RedisUrl, parse_store
from gateway.settings.cpus import usable_cpus
from gateway.settings.fields import (
    Duration,
    File,
    Json,
    Kind,
    Listening,
    Many,
    Network,
    Patience,
    Secret,
    Section,
    Size,
    Switch,
    text,
    whole_kind,
)
from gateway.settings.names import Address
from gateway.settings.quantities import format_size, show
from gateway.settings.scalars import settle

MOST_WORKERS = 256
SMALLEST_HEAD_BYTES = 1024
"""Below it ordinary browsers would be refused."""
LARGEST_HEAD_BYTES = 1 << 20
"""A head is held in memory whole, for each connection."""


def _check_workers(value: object) -> object:
    number = settle(value)
    if number == "auto" or (isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= MOST_WORKERS):
        return number
    raise ValueError(f"{show(value)} is not allowed; write `auto`, or a whole number from 1 to {MOST_WORKERS}")


_WORKERS_SCHEMA: Json = {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": MOST_WORKERS}]}
Workers = Annotated[
    int | Literal["auto"], PlainValidator(_check_workers), Kind("whole number or `auto`", _WORKERS_SCHEMA)
]


def _check_head_bytes(size: int) -> int:
    if not SMALLEST_HEAD_BYTES <= size <= LARGEST_HEAD_BYTES:
        raise ValueError(f"must be from {format_size(SMALLEST_HEAD_BYTES)} to {format_size(LARGEST_HEAD_BYTES)}")
    return size


def _check_store(url: str) -> str:
    found = parse_store(url)
    for option, file in found.tls_files.items() if isinstance(found, RedisUrl) else ():
        if not Path(file).is_file():
            advice = "a relative path counts from the directory that the gateway is started in"
            raise ValueError(f"there is no file {Path(file).absolute()} for `{option}`; {advice}")
    return url


Store = Annotated[str, text(_check_store), Kind("URL", {"type": "string", "pattern": PATTERN})]


class ListenerTls(Section):
    """The certificate that a listener shows. Both files are read again when they change."""

    cert: File
    """PEM file with the certificate and those between it and the root; relative to this configuration."""
    key: File
    """PEM file with the private key, without a passphrase; relative to this configuration."""

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.cert, self.key, password="")
        except (ssl.SSLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ValueError(f"`cert` and `key` are not a pair that can be used: {reason}") from None
        return self


class Listener(Section):
    """One address that clients connect to."""

    short: ClassVar[Json] = {"type": "string"}

    address: Listening
    """`host:port`; IPv6 in brackets. Port 0 is any free one."""
    tls: ListenerTls | None = None
    """With it the listener speaks HTTPS."""

    @model_validator(mode="before")
    @classmethod
    def _take_short_form(cls, value: Any) -> Any:
        return {"address": str(value)} if isinstance(value, str | int | float) else value

    @property
    def host(self) -> str:
        """The address without port and brackets."""
        return self.address.host

    @property
    def port(self) -> int:
        """0 is any free one."""
        return self.address.port


class Override(Section):
    """Who may choose an arm with the header `X-Crossfade-Arm`. From all others the header is removed."""

    networks: Many[Network] = Field(default=(), alias="from")
    """Peers whose wish counts, as networks: `10.0.0.0/8`, or single addresses."""
    token: Secret = ""
    """Whoever sends it as `X-Crossfade-Token` may choose, too. Empty: nobody."""


class ServerLimits(Section):
    """Bounds on what a client may send."""

    header_bytes: Annotated[Size, AfterValidator(_check_head_bytes)] = 32 * 1024
    """The largest head of a request, its first line included; more is answered with 431."""
    header_count: Annotated[int, *whole_kind(1, 10_000)] = 100
    """The most header lines of a request; more are answered with 431."""
    body: Size = 0
    """The largest body of a request; more is answered with 413. 0 is no limit."""
    connections: Annotated[int, *whole_kind(1, 1_000_000)] = 10_000
    """The most client connections of one worker; beyond it accepting pauses."""


class ServerTimeouts(Section):
    """How long the gateway waits for clients."""

    header: Duration = 10.0
    """From the first byte of a request to the end of its head; then 408."""
    idle: Duration = 75.0
    """Between two requests of a connection, and without progress within one."""
    drain: Patience = 30.0
    """How long a stopping worker waits for the requests under way."""


class Server(Section):
    """The side that clients see."""

    listen: Many[Listener] = (Listener.model_construct(address=Address("0.0.0.0:8080"), tls=None),)
    """Where clients connect: `host:port`, or `{address, tls}`. Needs a restart."""
    workers: Workers = "auto"
    """How many processes carry traffic; `auto` is one per usable CPU (affinity and cgroup quota). Needs a restart."""
    trusted_proxies: Many[Network] = ("127.0.0.0/8",)
    """Peers whose `X-Forwarded-*` headers are believed."""
    override: Override = Override()
    """Who may choose an arm by header."""
    expose: Switch = False
    """Whether responses name route, arm and reason in `X-Crossfade-*` headers."""
    access_log: Literal["off", "errors", "all"] = "errors"
    """Which requests get a line of JSON on standard output."""
    limits: ServerLimits = ServerLimits()
    """Bounds on what a client may send."""
    timeouts: ServerTimeouts = ServerTimeouts()
    """How long the gateway waits for clients."""

    @property
    def worker_count(self) -> int:
        """`workers`, counted when it is `auto`."""
        return usable_cpus() if self.workers == "auto" else self.workers

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        addresses = [listener.address for listener in self.listen if listener.port]
        twice = next((address for address in addresses if addresses.count(address) > 1), None)
        if twice or not self.listen:
            raise ValueError(f"`listen` names {twice} twice" if twice else "`listen` must name at least one address")
        return self


class Admin(Section):
    """The side that operators see: health, the API, metrics."""

    listen: Listening = Address("127.0.0.1:9900")
    """Where operators and probes connect. Needs a restart."""
    token: Secret = ""
    """What they show as `Authorization: Bearer …`. Without one, only a loopback address may be listened on."""
    metrics: Literal["token", "open"] = "token"
    """Whether `/metrics` wants the token, too."""

    @model_validator(mode="after")
    def _guard_open_address(self) -> Self:
        if not self.token and not self.listen.is_loopback:
            raise ValueError(
                f"`listen` {self.listen} can be reached from outside, so `token` must be set; "
                "without a token only a loopback address such as 127.0.0.1:9900 is allowed"
            )
        return self
