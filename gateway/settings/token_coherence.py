"""What has to hold between `jwt` and the keys that it names, and what is risky about tokens."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from gateway.core.types import KeyKind
from gateway.settings.faults import Fault
from gateway.settings.plan_coherence import Planned
from gateway.settings.schema.tokens import Jwt


def find_token_faults(jwt: Jwt | None) -> Iterator[Fault]:
    """A secret that others could read, and a file whose keys verify nothing."""
    if jwt is None:
        return
    if jwt.is_published and jwt.secret_algorithms:
        yield Fault(
            ("jwt", "algorithms"),
            f"{jwt.secret_algorithms[0]} needs a secret, and whoever can read the URL would have it; use a file",
        )
    try:
        jwt.read_keys()
    except ValueError as error:
        yield Fault(("jwt", "jwks"), str(error))


def find_token_risks(jwt: Jwt | None, rollouts: Iterable[Planned]) -> Iterator[Fault]:
    """Keys that clients may choose, or that somebody on the way could."""
    if jwt is None:
        for planned in rollouts:
            yield from _find_unverified(planned)
    elif jwt.is_published and not _is_protected(jwt.jwks.source):
        yield Fault(("jwt", "jwks"), "is asked in the clear: whoever is on the way chooses the keys; use https://")


def _find_unverified(planned: Planned) -> Iterator[Fault]:
    for index, alternative in enumerate(planned.rollout.key):
        if any(source.kind is KeyKind.JWT for source in alternative):
            yield Fault(
                (*planned.loc, "key", index), "`jwt:` reads the token unverified: a client may choose its own key"
            )


def _is_protected(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    return False
