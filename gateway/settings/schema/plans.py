"""What moves a rollout forward, and what takes it back: stages, gates and guards."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Discriminator, Field, PlainValidator, Tag, model_validator

from gateway.core.plans import Metric, Op, Rule
from gateway.core.rules import parse_comparison, parse_rule
from gateway.settings.fields import (
    Duration,
    Json,
    Kind,
    Many,
    Name,
    Patience,
    Pattern,
    Percent,
    Secret,
    Section,
    Text,
    text,
)
from gateway.settings.quantities import parse_percent, show

LEAST_CONFIDENCE: Final = 50.0
"""Below it an alarm would more likely be false than true."""

_RULE_PATTERN: Final = rf"^\s*({'|'.join(Metric)})\s*[<>]=?\s*[0-9b]"
_RULE: Final[Json] = {"type": "string", "pattern": _RULE_PATTERN}
_URL: Final[Json] = {"type": "string", "pattern": "^https?://"}


def _check_webhook(url: str) -> str:
    parts = _split_url(url)
    if parts.username or parts.password:
        raise ValueError("has a user in it, but the URL names the gate in events and figures; use `secret` to sign")
    return url


def _check_server(url: str) -> str:
    parts = _split_url(url)
    if parts.query or parts.fragment:
        raise ValueError("is the server's address, `http://HOST:9090`; what is asked goes into `query`")
    return url.rstrip("/")


def _split_url(url: str) -> SplitResult:
    """The parts of a URL to ask. What is refused is not shown: it may have a secret in it."""
    if not _is_url(url):
        raise ValueError("is not a URL to ask; write http://HOST or https://HOST, with a path where it needs one")
    return urlsplit(url)


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    is_text = url.isprintable() and " " not in url
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and has_port and is_text


def _check_confidence(value: object) -> float | None:
    if value == "none":
        return None
    try:
        percent = parse_percent(value)
    except ValueError:
        percent = 0.0
    if not LEAST_CONFIDENCE <= percent < 100:  # noqa: PLR2004 - certainty is not to be had
        raise ValueError(f"{show(value)} is not allowed; write a percentage from 50 up to below 100, or none")
    return percent


RuleText = Annotated[Rule, text(parse_rule), Kind("rule", _RULE)]
Comparison = Annotated[
    tuple[Op, float],
    text(parse_comparison),
    Kind("comparison", {"type": "string", "pattern": r"^\s*[<>]=?\s*[-+0-9]"}),
]
WebhookUrl = Annotated[str, text(_check_webhook), Kind("URL", _URL)]
ServerUrl = Annotated[str, text(_check_server), Kind("URL", _URL)]
Confidence = Annotated[
    float | None,
    PlainValidator(_check_confidence),
    Kind(
        "percentage, or `none`",
        {"anyOf": [{"type": "number", "minimum": 50, "exclusiveMaximum": 100}, {"type": "string"}]},
    ),
]
"""In percent."""


class _Narrowed(Section):
    """A rule, and what of the rollout it looks at."""

    when: RuleText
    """`METRIC OP BOUND [for DURATION]`."""
    route: Name | None = None
    """Looks at this route of the rollout only."""
    path: Pattern | None = None
    """Looks at this path template only, such as `/api/orders/{id}`."""
    per: Literal["path"] | None = None
    """`path`: applied to every path of the rollout; the worst acts."""
    shared: Literal["act"] | None = None
    """`act`: believed although the baseline breaks the same bound. Without it such a fault is nobody's."""

    @model_validator(mode="before")
    @classmethod
    def _take_short_form(cls, value: Any) -> Any:
        return value if isinstance(value, dict | cls) else {"when": value}

    @model_validator(mode="after")
    def _check_narrowing(self) -> Self:
        if self.per and (self.path or self.route):
            other = "path" if self.path else "route"
            raise ValueError(f"`per: path` is about every path of the rollout; leave out `{other}`, or `per`")
        return self


class RuleGate(_Narrowed):
    """A rule that must be `ok` before a stage ends. The short form is its text."""

    form: ClassVar[str] = "rule"
    short: ClassVar[Json] = _RULE


class WebhookGate(Section):
    """Somebody else is asked before a stage ends: JSON is posted, a 2xx answer passes."""

    form: ClassVar[str] = "webhook"

    webhook: WebhookUrl
    """Where to ask, when all rules are ok. The URL names the gate in events and figures: it is no place for secrets."""
    timeout: Duration = 10.0
    """Who does not answer in time has not said yes."""
    interval: Duration = 30.0
    """Asked at most so often."""
    secret: Secret = ""
    """Signs what is sent, by HMAC-SHA256; without it nothing is signed."""


class _Asked(Section):
    """A figure that no proxy sees."""

    form: ClassVar[str] = "prometheus"

    prometheus: ServerUrl
    """The address of a Prometheus server."""
    query: Text
    """In PromQL; its answer must be one number."""
    when: Comparison
    """What the answer is compared with: `"< 0.8"`."""
    timeout: Duration = 10.0
    """Without an answer in time nothing is known."""
    interval: Duration = 30.0
    """Asked at most so often."""


class QueryGate(_Asked):
    """A figure of a Prometheus server that must be so before a stage ends."""


def _tell_gate(value: object) -> str:
    names = value if isinstance(value, dict) else {}
    return "<webhook>" if "webhook" in names else _tell_guard(value)


def _tell_guard(value: object) -> str:
    names = value if isinstance(value, dict) else {}
    return "<prometheus>" if "prometheus" in names or "query" in names else "<rule>"


Gate = Annotated[
    Annotated[RuleGate, Tag("<rule>")]
    | Annotated[WebhookGate, Tag("<webhook>")]
    | Annotated[QueryGate, Tag("<prometheus>")],
    Discriminator(_tell_gate),
]

Deed = Literal["notify", "pause", "step_back", "shadow", "rollback"]


class RuleGuard(_Narrowed):
    """A rule that acts at once when it is broken. The short form is its text, and rolls back."""

    form: ClassVar[str] = "rule"
    short: ClassVar[Json] = _RULE

    do: Deed = "rollback"
    """What it does; `shadow` is a rollback after which requests are still copied."""


class QueryGuard(_Asked):
    """A figure of a Prometheus server that acts when it is so."""

    holds: Patience = Field(default=0.0, alias="for")
    """How long it must have been so."""
    do: Deed = "rollback"
    """What it does, as with rules."""


Guard = Annotated[
    Annotated[RuleGuard, Tag("<rule>")] | Annotated[QueryGuard, Tag("<prometheus>")], Discriminator(_tell_guard)
]


def _guard(rule: str) -> RuleGuard:
    return RuleGuard.model_validate({"when": rule})


DEFAULT_GUARD: Final[tuple[RuleGuard, ...]] = (
    _guard("error_rate > 20% for 5s"),
    _guard("error_rate > 5% for 1m"),
    _guard("error_rate > baseline + 1% for 1m"),
    _guard("client_error_rate > baseline + 10% for 5m"),
    _guard("p99 > 2x baseline for 5m"),
)


class Stage(Section):
    """One step of a plan. It ends when its hold is over, its gates are ok and, where it asks for that, a person has
    approved.
    """

    percent: Percent | None = None
    """The candidate's share of all keys; without it only cohorts are on the candidate."""
    hold: Patience = 0.0
    """How long it lasts at least; only the time counts in which it runs and is watched."""
    cohorts: Many[Name] = ()
    """Of the cohorts that send to the candidate only these; without it all."""
    approval: Literal["manual"] | None = None
    """`manual`: a person must promote the rollout to the next stage."""
    gates: Many[Gate] | None = None
    """In place of the plan's; an empty list is none."""
    guard: Many[Guard] = ()
    """Beside the rollout's, while this stage lasts."""

    @model_validator(mode="after")
    def _check_share(self) -> Self:
        if self.percent is None and not self.cohorts:
            raise ValueError("needs `percent`, `cohorts` or both, or nobody would be on the candidate")
        return self
