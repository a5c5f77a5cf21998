"""`routes`: which requests go where."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, PlainValidator, Tag, model_validator

from gateway.core.rewriting import unbound_parts
from gateway.settings.fields import (
    Duration,
    HeaderName,
    HeaderValue,
    Host,
    Json,
    Kind,
    Many,
    Method,
    Name,
    Pattern,
    Percent,
    Section,
    Size,
    whole_kind,
)
from gateway.settings.quantities import show
from gateway.settings.scalars import settle
from gateway.settings.schema.rollouts import Rollout
from gateway.settings.schema.shadowing import Journal, Shadow

FRAMING = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Hop-by-hop headers (RFC 9110, section 7.6.1) and those that say where a message ends: the gateway's alone."""

TRACED = frozenset({"x-request-id"})
"""By which logs and both backends know a request: a second one would contradict it."""
_AUTHORITY = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]{1,5})?", re.ASCII)
"""RFC 3986, section 3.2.2, with an optional port; as of requests, see `gateway.core.fields`."""

FAILURES = ("connect", "timeout", "reset")
"""What `failover` may list beside statuses."""


def _check_off(value: object) -> str:
    if value != "off":
        raise ValueError(f"{show(value)} is not allowed; write off, or a mapping (`name: value`)")
    return "off"


Off = Annotated[Literal["off"], PlainValidator(_check_off), Kind("off", {"const": "off"})]


def _check_failure(value: object) -> str | int:
    settled = settle(value)
    if settled in FAILURES or (isinstance(settled, int) and 500 <= settled <= 599):  # noqa: PLR2004 - what 5xx means
        return settled
    raise ValueError(f"{show(value)} is not allowed; write {', '.join(FAILURES)} or a status from 500 to 599")


Failure = Annotated[
    str | int,
    PlainValidator(_check_failure),
    Kind("failure", {"anyOf": [{"enum": [*FAILURES]}, {"type": "integer", "minimum": 500, "maximum": 599}]}),
]


def _check_authority(host: str) -> None:
    if not _AUTHORITY.fullmatch(host):
        raise ValueError(f"{show(host)} is no `Host`; write a name or an address, with `:PORT` where it needs one")


def _check_touchable(name: str) -> None:
    if name.lower() in FRAMING | TRACED or name.lower().startswith("x-crossfade-"):
        raise ValueError(f"{show(name)} is the gateway's own and can't be set or removed")


class Match(Section):
    """Which requests a route serves: all that is written must hold."""

    short: ClassVar[Json] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

    path: Many[Pattern] = ("/**",)
    """Patterns: `*` or `{name}` stand for one segment, a last `**` for the rest; `/a/**` matches `/a`, too."""
    host: Many[Host] = ()
    """Names without port; `*.example.com` stands for every name below example.com."""
    methods: Many[Method] = ()
    """Request methods, in capitals."""
    headers: dict[HeaderName, Many[HeaderValue]] = Field(default={})
    """Headers and the values that they must have; `*` stands for any characters."""

    @model_validator(mode="before")
    @classmethod
    def _take_short_form(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str | list) else value

    @model_validator(mode="after")
    def _check_paths(self) -> Self:
        if not self.path:
            raise ValueError("`path` must name at least one pattern; `/**` matches all")
        return self


class RewriteHeaders(Section):
    """Changes to the headers of a request."""

    set: dict[HeaderName, HeaderValue] = Field(default={})
    """Headers to set; those of the same name are replaced."""
    remove: Many[HeaderName] = ()
    """Headers to remove."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        for name in (*self.set, *self.remove):
            _check_touchable(name)
        for name, value in self.set.items():
            if name.lower() == "host":
                _check_authority(value)
        if "host" in {name.lower() for name in self.remove}:
            raise ValueError("`Host` can be set but not removed: HTTP/1.1 wants one")
        both = {name.lower() for name in self.set} & {name.lower() for name in self.remove}
        if both:
            raise ValueError(f"{show(min(both))} is both set and removed; `set` alone replaces it")
        return self


class Rewrite(Section):
    """What the requests of one arm need otherwise."""

    arm: Literal["baseline", "candidate"] | None = None
    """Whose requests are changed; `candidate` when omitted, and in a route with `backend` that backend's."""
    path: Pattern | None = None
    """The new path; `**`, `*` and `{name}` take what the same parts of the route's path matched."""
    headers: RewriteHeaders = RewriteHeaders()
    """Changes to the headers."""


def _tell_rollout(value: object) -> str:
    return "<written here>" if isinstance(value, dict | Rollout) else "<name>"


RolloutOrName = Annotated[
    Annotated[Name, Tag("<name>")] | Annotated[Rollout, Tag("<written here>")], Discriminator(_tell_rollout)
]


class Failover(Section):
    """When the baseline answers a request that the candidate failed before any of its answer reached the client."""

    on: Many[Failure] = ("connect", "timeout", "reset", 500, 502, 503, 504)
    """What counts as failed: `connect`, `timeout`, `reset` (an answer that is not HTTP, too), and statuses."""
    methods: Many[Method] = ("GET", "HEAD", "OPTIONS")
    """Whose requests are sent again; after a refused connection those of all methods, as nothing was sent."""
    budget: Percent = 20.0
    """The most that fail over, of each worker's candidate requests of the last 10 s, but never fewer than 10. While
    the breaker is open it does not bind."""
    buffer: Size = 64 * 1024
    """The longest body that is kept, to be sent again."""


class Breaker(Section):
    """The candidate rests when it fails again and again; then single requests try whether it is well."""

    consecutive_failures: Annotated[int, *whole_kind(1, 1000)] = 10
    """So many failures in a row, 5xx included, open it, in each worker by itself."""
    rest: Duration = Field(default=10.0, alias="open")
    """How long the baseline then answers everything."""


def _tell_off(value: object) -> str:
    return "<off>" if isinstance(value, str) else "<written>"


FailoverOrOff = Annotated[
    Annotated[Off, Tag("<off>")] | Annotated[Failover, Tag("<written>")], Discriminator(_tell_off)
]
BreakerOrOff = Annotated[Annotated[Off, Tag("<off>")] | Annotated[Breaker, Tag("<written>")], Discriminator(_tell_off)]


class Route(Section):
    """Which requests go to which pair of backends."""

    name: Name
    """Names the route in headers, metrics and commands; each name once."""
    match: Match
    """Which requests it serves. The short form is a path pattern, or a list of them."""
    baseline: Name | None = None
    """The backend that serves today."""
    candidate: Name | None = None
    """The backend that shall take over. Comes with `rollout`."""
    rollout: RolloutOrName | None = None
    """By which share: the name of a rollout, or a rollout written here (it then has the route's name)."""
    backend: Name | None = None
    """The only backend, in place of `baseline`, `candidate` and `rollout`."""
    paths: Many[Pattern] = ()
    """Templates for the per-path figures, such as `/api/orders/{id}`; other paths are grouped by themselves."""
    rewrite: Many[Rewrite] = ()
    """What the requests of an arm need otherwise."""
    failover: FailoverOrOff = Failover()
    """When the baseline answers what the candidate failed; `off`: the candidate's failures are the client's."""
    breaker: BreakerOrOff = Breaker()
    """When the candidate rests; `off`: never."""
    shadow: Shadow | None = None
    """Which requests are copied to the arm that does not answer them; none until written."""
    journal: Journal | None = None
    """Which writes that the candidate alone answered are kept; none until written."""

    @property
    def rollout_name(self) -> str | None:
        """The name of its rollout, wherever that is written."""
        return self.name if isinstance(self.rollout, Rollout) else self.rollout

    @model_validator(mode="after")
    def _check_backends(self) -> Self:
        if (self.backend is None) == (self.baseline is None):
            raise ValueError("needs either `backend`, or `baseline` (with `candidate` and `rollout`)")
        if self.backend is not None and (self.candidate or self.rollout):
            raise ValueError("`backend` stands alone; a route with `candidate` and `rollout` has a `baseline`")
        if self.candidate is None and self.rollout is not None:
            raise ValueError("has a `rollout` but no `candidate` that it could send to")
        if self.candidate is not None and self.rollout is None:
            raise ValueError("has a `candidate` but no `rollout` that would send anyone to it")
        return self

    @model_validator(mode="after")
    def _check_candidate(self) -> Self:
        for field in ("failover", "breaker", "shadow", "journal"):
            if self.candidate is None and field in self.model_fields_set and getattr(self, field) != "off":
                raise ValueError(f"`{field}` is about the candidate, but the route has none")
        return self

    @model_validator(mode="after")
    def _check_rewrites(self) -> Self:
        arms = [rewrite.arm or self.rewritten_by_default for rewrite in self.rewrite]
        if len(arms) != len(set(arms)):
            raise ValueError(f"`rewrite` has two entries for the {arms[0]}")
        if "candidate" in arms and self.candidate is None:
            raise ValueError("`rewrite` is for the candidate, but the route has none")
        for rewrite in self.rewrite:
            self._check_placeholders(rewrite.path or "/")
        return self

    @property
    def rewritten_by_default(self) -> Literal["baseline", "candidate"]:
        """Whose requests a rewrite without `arm` changes."""
        return "candidate" if self.candidate is not None else "baseline"

    def _check_placeholders(self, target: str) -> None:
        for path in self.match.path:
            for part in unbound_parts(path, target):
                raise ValueError(f"`rewrite.path` takes `{part}`, which `match.path` {show(path)} does not have")
