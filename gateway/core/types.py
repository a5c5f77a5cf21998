"""The routing table: everything that a worker needs to know, as immutable values.

The controller compiles it from the configuration (`gateway.settings.compile`) and sends it to each worker, which builds
its indexes from it (`gateway.core.matching`, `gateway.core.decision`). The structs are msgspec's so that the same
definition is the value and its wire form. Durations are seconds, sizes bytes, shares percentages from 0 to 100.
"""

from __future__ import annotations

from enum import StrEnum

from gateway.core.plans import Plan, Value
from gateway.core.shadowing import Journal, Shadow
from gateway.core.tokens import TokenPolicy


class Arm(StrEnum):
    """The side that a request takes."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"


class Mode(StrEnum):
    """What a rollout may do with live traffic."""

    OFF = "off"  # nothing reaches the candidate
    SHADOW = "shadow"  # copies only: the candidate answers nobody
    LIVE = "live"


class MissingKey(StrEnum):
    """What happens to a request in which none of the key sources is present."""

    BASELINE = "baseline"
    RANDOM = "random"  # a share of such requests, each by itself
    COOKIE = "cookie"  # the gateway issues a sticky key


class Hash(StrEnum):
    """How a key becomes a place between 0 and 100 %; see `gateway.core.hashing`."""

    MURMUR3 = "murmur3"
    UNLEASH = "unleash"
    FLAGD = "flagd"
    NGINX = "nginx"
    MD5_MOD100 = "md5_mod100"


class KeyKind(StrEnum):
    """Where in a request a part of the key is found."""

    HEADER = "header"
    COOKIE = "cookie"
    QUERY = "query"
    PATH = "path"
    JWT = "jwt"
    CLIENT_IP = "client_ip"


class Held(StrEnum):
    """Why nobody is answered by the candidate, whatever the percentage: the state of a rollout that says so."""

    PENDING = "pending"  # a plan that nobody has started
    ROLLED_BACK = "rolled_back"


class AccessLog(StrEnum):
    """Which requests get a line in the access log."""

    OFF = "off"
    ERRORS = "errors"
    ALL = "all"


class KeySource(Value, frozen=True):
    """One place to look for a key: ``header:X-User-ID``. ``client_ip`` has no name."""

    kind: KeyKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)


KeyChain = tuple[tuple[KeySource, ...], ...]
"""Alternatives in order; the parts of one (``a+b``) are all required and joined with ``|``."""


class Condition(Value, frozen=True):
    """``source`` is present and equals one of ``patterns``, in which ``*`` stands for any characters."""

    source: KeySource
    patterns: tuple[str, ...]


class Cohort(Value, frozen=True):
    """A named group of keys with a rule of its own, looked at before the percentage.

    Exactly one of ``arm`` and ``percent`` is set. All conditions must hold.
    """

    name: str
    when: tuple[Condition, ...]
    arm: Arm | None = None
    percent: float | None = None
    """A floor: the larger of it and the rollout's percentage counts."""


class Rollout(Value, frozen=True):
    """By which share, and for which keys, the candidate answers."""

    name: str
    mode: Mode
    key: KeyChain
    on_missing_key: MissingKey
    salt: str
    hash: Hash
    cohorts: tuple[Cohort, ...]
    percent: float
    """What holds now: already capped by ``CROSSFADE_PERCENT_<ROLLOUT>``."""
    killed: bool = False
    """``CROSSFADE_ROLLBACK`` names it: everything goes to the baseline."""
    cap: float = 100.0
    """``CROSSFADE_PERCENT_<ROLLOUT>``: bounds ``percent`` and the cohorts' floors."""
    held: Held | None = None
    """The state, where it keeps everybody from the candidate; the decision's reason then."""
    copies: bool = True
    """Whether requests are copied, where a route says which."""
    plan: Plan = Plan()
    """What the control plane does with it. Workers get an empty one: they need none of it."""


class HeaderPattern(Value, frozen=True):
    """A request header that must have one of ``patterns`` (``*``: any characters). The name is lower-case."""

    name: str
    patterns: tuple[str, ...]


class Match(Value, frozen=True):
    """Which requests a route serves; an empty tuple does not restrict."""

    paths: tuple[str, ...] = ("/**",)
    """Patterns: ``*`` or ``{name}`` one segment, a final ``**`` the rest (also nothing)."""
    hosts: tuple[str, ...] = ()
    """Lower-case, without port; ``*.example.com`` stands for every name below example.com."""
    methods: tuple[str, ...] = ()
    headers: tuple[HeaderPattern, ...] = ()


class Rewrite(Value, frozen=True):
    """What one arm's requests need otherwise."""

    arm: Arm
    path: str | None = None
    """A pattern in which ``**``, ``*`` and ``{name}`` take what the same parts of the route's path matched."""
    set_headers: tuple[tuple[str, str], ...] = ()
    remove_headers: tuple[str, ...] = ()


class Failover(Value, frozen=True):
    """When the baseline answers a request that the candidate failed."""

    kinds: frozenset[str]
    """Of `ERROR_KINDS`, without ``5xx``. A refused connection counts for every method."""
    statuses: frozenset[int]
    methods: frozenset[str]
    budget: float
    """The share, in percent, of the candidate's requests of the last ten seconds that may fail over."""
    buffer_bytes: int
    """Requests with a larger body can't be sent again."""


class Breaker(Value, frozen=True):
    """After so many failures in a row the candidate rests for ``open_seconds``; then probes may close it again."""

    consecutive_failures: int
    open_seconds: float


class Route(Value, frozen=True):
    """Which requests go to which pair of backends."""

    name: str
    match: Match
    baseline: str
    candidate: str | None = None
    rollout: str | None = None
    """None: everything goes to ``baseline``."""
    paths: tuple[str, ...] = ()
    """Templates for the per-path figures."""
    rewrites: tuple[Rewrite, ...] = ()
    failover: Failover | None = None
    """None: the candidate's failures are the client's."""
    breaker: Breaker | None = None
    """Of the candidate, in each worker by itself."""
    shadow: Shadow | None = None
    """None: nothing is copied."""
    journal: Journal | None = None
    """None: nothing is kept of writes."""


class Endpoint(Value, frozen=True):
    """One address of a backend."""

    url: str
    host: str
    port: int
    tls: bool = False

    @property
    def authority(self) -> str:
        """``host:port`` as a Host header would have it (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Health(Value, frozen=True):
    """Active checks of each endpoint."""

    path: str
    interval: float
    timeout: float
    unhealthy_after: int
    healthy_after: int


class Eject(Value, frozen=True):
    """Passive health: after so many failures in a row an endpoint rests for ``seconds``."""

    consecutive_failures: int
    seconds: float


class BackendTimeouts(Value, frozen=True):
    """All in seconds; SPEC section 3 says from what to what each counts."""

    connect: float
    response: float
    idle: float
    tunnel: float


class BackendTls(Value, frozen=True):
    """How ``https`` endpoints are verified: ``ca`` is a PEM file, None the system's."""

    ca: str | None = None
    verify: bool = True


class Backend(Value, frozen=True):
    """A named service: interchangeable endpoints."""

    name: str
    endpoints: tuple[Endpoint, ...]
    timeouts: BackendTimeouts
    connections: int
    """Upper bound per worker, over all endpoints."""
    eject: Eject | None
    health: Health | None = None
    tls: BackendTls = BackendTls()


class Limits(Value, frozen=True):
    """Bounds on what a client may send. A body limit of 0 is none."""

    header_bytes: int
    header_count: int
    body: int
    connections: int


class ClientTimeouts(Value, frozen=True):
    """``header``: from a request's first byte to its head's end; ``idle``: between requests, and without progress;
    ``drain``: how long a stopping worker waits for what is under way.
    """

    header: float
    idle: float
    drain: float


class Override(Value, frozen=True):
    """Who may choose an arm by ``X-Crossfade-Arm``: peers in ``networks``, whoever shows ``token`` (empty: nobody)."""

    networks: tuple[str, ...]
    token: str


class ServerPolicy(Value, frozen=True):
    """The part of ``server`` that a reload changes."""

    trusted_proxies: tuple[str, ...]
    override: Override
    expose: bool
    access_log: AccessLog
    limits: Limits
    timeouts: ClientTimeouts


class Tracing(Value, frozen=True):
    """Which requests are traced, and where their spans go."""

    endpoint: str
    """An OTLP/HTTP address for traces, whole: ``http://collector:4318/v1/traces``."""
    share: float
    """The percentage of the traces beginning here that are recorded."""


class Table(Value, frozen=True):
    """One consistent view of the configuration. A request keeps the table that it began with to its end."""

    revision: str
    """Names the configuration that it was compiled from."""
    server: ServerPolicy
    backends: tuple[Backend, ...]
    rollouts: tuple[Rollout, ...]
    routes: tuple[Route, ...]
    tracing: Tracing | None = None
    tokens: TokenPolicy | None = None
    """Which bearer tokens `jwt:` believes; None: all, as no signature is looked at."""
