"""Bearer tokens whose signature counts: JSON Web Tokens (RFC 7519) by the keys of a set.

A token is good when all of this holds; otherwise it is as if there were none:

- it is a JWS in compact form (RFC 7515, section 7.1) of at most 8 KiB, in base64url to the letter;
- its header asks for nothing that we would have to understand (``crit``);
- its ``alg`` is one that the configuration allows, and a key of the set fits it: that decides, not the header alone
  (RFC 8725, sections 3.1 and 3.2). With a ``kid`` only keys of that name are asked, without one the first few;
- it is not expired, nor too early (``exp``, ``nbf``; RFC 7519, section 4.1), with some leeway. Without ``exp`` it
  is good for ever;
- ``iss`` and ``aud`` are those that the configuration wants, where it wants any;
- its signature is right.

A token that was good is remembered by its SHA-256 until it expires, in the policy's own verifier: another set of keys
begins with nothing. Bad ones are not remembered, or strangers could push out the good ones.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable
from hashlib import sha256
from math import inf
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from gateway.core.jwks import Jwk, fits, import_key
from gateway.core.plans import Value

LONGEST_BYTES: Final = 8 * 1024
MOST_REMEMBERED: Final = 8192
"""Tokens in each worker: some 200 bytes for each."""

MOST_TRIED: Final = 8
"""Keys that one token may cost: whoever writes none of their names would else have all of them tried."""

_TOKEN_PARTS: Final = 3
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")  # RFC 4648, section 5

Check = Callable[[bytes, bytes], bool]
"""Whether a signature (the second) is a key's, of a text."""


class TokenPolicy(Value, frozen=True):
    """Which tokens are good."""

    source: str
    """Where the keys come from: an http(s) URL, or a file's absolute path."""
    algorithms: tuple[str, ...]
    keys: tuple[Jwk, ...] = ()
    """Empty: none were had from the URL yet, and no token is good."""
    issuer: str = ""
    """What ``iss`` must be; empty: anything."""
    audience: str = ""
    """What ``aud`` must have; empty: anything."""
    leeway_seconds: float = 0.0
    refresh_seconds: float = 0.0
    """How often the URL is asked."""

    @property
    def is_published(self) -> bool:
        """Whether the keys come from a URL."""
        return self.source.startswith(("http://", "https://"))


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    crit: Any = UNSET


class _Claims(msgspec.Struct):
    exp: float | UnsetType = UNSET
    nbf: float | UnsetType = UNSET
    iss: Any = None
    aud: Any = None


_read_header = msgspec.json.Decoder(_Header).decode
_read_claims = msgspec.json.Decoder(_Claims).decode


class Verifier:
    """Knows good tokens by ``policy``; ``now`` tells the time of day, in seconds since the epoch.

    One that is blind looks at everything but the signature: to explain what would be, where the keys are not at hand.
    """

    __slots__ = ("_checks", "_known", "_now", "is_blind", "policy")

    def __init__(self, policy: TokenPolicy, now: Callable[[], float], *, is_blind: bool = False) -> None:
        self.policy = policy
        self.is_blind = is_blind
        self._now = now
        self._checks = {} if is_blind else {name: _compile_checks(policy.keys, name) for name in policy.algorithms}
        self._known: dict[bytes, float] = {}
        """Digests of good tokens, those used last at the end, and until when they are good."""

    def is_good(self, token: bytes) -> bool:
        """Whether what ``token`` says may be believed."""
        if len(token) > LONGEST_BYTES:
            return False
        digest = sha256(token).digest()
        ends_at = self._known.pop(digest, None)
        if ends_at is None:
            fault, ends_at = self._examine(token)
            if fault is not None:
                return False
        elif self._now() >= ends_at:
            return False
        self._known[digest] = ends_at
        if len(self._known) > MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        return True

    def find_fault(self, token: bytes) -> str | None:
        """Why ``token`` is not good, in a few words that have nothing of it; None when it is."""
        return "too long" if len(token) > LONGEST_BYTES else self._examine(token)[0]

    def _examine(self, token: bytes) -> tuple[str | None, float]:
        """What is wrong (None: nothing), and until when it is good. What is cheap comes first."""
        parts = token.split(b".")
        if len(parts) != _TOKEN_PARTS:
            return "not a JSON Web Token", 0.0
        try:
            header, claims = _read_header(_decode(parts[0])), _read_claims(_decode(parts[1]))
            signature = _decode(parts[2])
        except (Base64Error, msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
            return "not a JSON Web Token", 0.0
        fault = self._judge_header(header) or self._judge_claims(claims)
        if fault is None and not self.is_blind:
            fault = self._judge_signature(header, token[: -len(parts[2]) - 1], signature)
        return fault, inf if claims.exp is UNSET else claims.exp + self.policy.leeway_seconds

    def _judge_header(self, header: _Header) -> str | None:
        if header.crit is not UNSET:  # we understand no extension (RFC 7515, section 4.1.11)
            return "with an extension that is not understood"
        return None if header.alg in self.policy.algorithms else "signed by an algorithm that is not allowed"

    def _judge_claims(self, claims: _Claims) -> str | None:
        policy, now = self.policy, self._now()
        if claims.exp is not UNSET and now >= claims.exp + policy.leeway_seconds:
            return "expired"
        if claims.nbf is not UNSET and now < claims.nbf - policy.leeway_seconds:
            return "not valid yet"
        if policy.issuer and claims.iss != policy.issuer:
            return "of another issuer"
        audiences = claims.aud if isinstance(claims.aud, list) else [claims.aud]
        return "for another audience" if policy.audience and policy.audience not in audiences else None

    def _judge_signature(self, header: _Header, text: bytes, signature: bytes) -> str | None:
        if not self.policy.keys:
            return "not verified: there are no keys yet"
        checks = [check for kid, check in self._checks[header.alg] if header.kid in {None, kid}]
        if not checks:
            return "signed by an unknown key"
        return None if any(check(text, signature) for check in checks[:MOST_TRIED]) else "with a wrong signature"


def load_library() -> None:
    """Take the time and the memory that verifying needs now: what a master has, its children share."""
    from joserfc import jwk, jws  # noqa: F401, PLC0415 - only where tokens are verified


def _compile_checks(keys: tuple[Jwk, ...], algorithm: str) -> list[tuple[str | None, Check]]:
    """The keys that fit an algorithm, by name."""
    return [(key.kid, _compile_check(key, algorithm)) for key in keys if fits(key, algorithm)]


def _compile_check(key: Jwk, algorithm: str) -> Check:
    from joserfc.jws import JWSRegistry  # noqa: PLC0415 - only where tokens are verified: it takes memory

    verify, imported = JWSRegistry.algorithms[algorithm].verify, import_key(key)
    return lambda text, signature: verify(text, signature, imported)


def _decode(part: bytes) -> bytes:
    """base64url without padding; raises ValueError for any other way to write the same bytes."""
    data = a2b_base64(part.translate(_FROM_URL) + b"=" * (-len(part) % 4), strict_mode=True)
    if urlsafe_b64encode(data).rstrip(b"=") != part:
        raise ValueError("not as base64url writes it")
    return data
