"""JSON Web Key Sets (RFC 7517): which of their keys may verify a token, and by which algorithm.

Keys come from two places. A file is the operator's own, so whatever is wrong in it is worth an error. A set that others
publish may hold keys that we don't understand or can't use, and the rest of it counts (RFC 7517, section 5).

Only public members are kept. A symmetric key, which could also sign, is taken from a file alone.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec

from gateway.core.plans import Value

ASYMMETRIC: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""The algorithms of RFC 7518, section 3.1, and RFC 8037, whose keys may be published."""
SYMMETRIC: Final = ("HS256", "HS384", "HS512")
"""Those whose key both signs and verifies."""
LARGEST_SET_BYTES: Final = 256 * 1024
MOST_KEYS: Final = 100

_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")
_LEAST_RSA_BITS: Final = 2048  # RFC 7518, sections 3.3 and 3.5
_MOST_RSA_BITS: Final = 16_384  # OpenSSL verifies with no larger one
_CURVES: Final = {
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA"}),
    "Ed448": frozenset({"EdDSA"}),
}
_KINDS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "oct": ("k",)}
_RSA: Final = frozenset(name for name in ASYMMETRIC if name[:2] in {"RS", "PS"})


class Jwk(Value, frozen=True, omit_defaults=True):
    """One key, without private members."""

    kty: str
    kid: str | None = None
    alg: str | None = None
    """The only algorithm that it is for; None: any that fits it."""
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""
    k: str = ""
    """The secret of a symmetric one."""


class _Written(Jwk, frozen=True, forbid_unknown_fields=False):
    """One key as it stands in a set."""

    use: str | None = None
    key_ops: tuple[str, ...] | None = None
    d: str | None = None


class _Set(msgspec.Struct):
    keys: list[msgspec.Raw]


def read_own(content: bytes, algorithms: Collection[str]) -> tuple[Jwk, ...]:
    """The keys of a file that may verify by one of ``algorithms``; raises ValueError with what is wrong with it."""
    keys = []
    for place, raw in enumerate(_split(content)):
        try:
            key = _read(raw)
            if key is not None:
                keys.append(_check_own(key, algorithms))
        except ValueError as error:
            raise ValueError(f"its key {place}{_name(raw)} {error}") from None
    return _check_any(keys, algorithms)


def read_published(content: bytes, algorithms: Collection[str]) -> tuple[Jwk, ...]:
    """The keys of a published set that may verify by one of ``algorithms``: the rest is left out.

    Raises ValueError where there is none.
    """
    return _check_any(list(_read_usable(content)), algorithms)


def _read_usable(content: bytes) -> Iterator[Jwk]:
    for raw in _split(content):
        try:
            key = _read(raw)
        except ValueError:
            continue
        if key is not None and key.kty != "oct":
            yield key


def _split(content: bytes) -> list[msgspec.Raw]:
    if len(content) > LARGEST_SET_BYTES:
        raise ValueError(f"is larger than {LARGEST_SET_BYTES >> 10} KiB")
    try:
        keys = msgspec.json.decode(content, type=_Set).keys
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ValueError('is not a JWK Set; write {"keys": [{"kty": …}, …]} (RFC 7517)') from None
    if len(keys) > MOST_KEYS:
        raise ValueError(f"has {len(keys)} keys; at most {MOST_KEYS} are taken")
    return keys


def _name(raw: msgspec.Raw) -> str:
    try:
        kid = msgspec.json.decode(raw, type=_Written).kid
    except msgspec.DecodeError:
        return ""
    return f" (kid {kid[:60]!r})" if kid else ""


def _read(raw: msgspec.Raw) -> Jwk | None:
    """The key; None for one that is for something else. Raises ValueError for one that can't be used."""
    try:
        written = msgspec.json.decode(raw, type=_Written)
    except (msgspec.DecodeError, UnicodeError):
        raise ValueError("is no JSON Web Key (RFC 7517, section 4)") from None
    members = _KINDS.get(written.kty)
    is_for_tokens = written.use in {None, "sig"} and (written.key_ops is None or "verify" in written.key_ops)
    if members is None or not is_for_tokens or ("crv" in members and written.crv not in _CURVES):
        return None
    if written.d is not None and written.kty != "oct":
        raise ValueError("is private (it has `d`): leave only its public members, as whoever signs keeps the others")
    if lacking := [name for name in members if not getattr(written, name)]:
        raise ValueError(f"lacks `{lacking[0]}` (RFC 7518, section 6)")
    key = Jwk(written.kty, written.kid, written.alg, **{name: getattr(written, name) for name in members})
    _check_material(key)
    return key


def _check_material(key: Jwk) -> None:
    """Whether the numbers of it are a key at all."""
    if key.kty == "RSA":
        bits = int.from_bytes(_decode(key.n)).bit_length()
        if not _LEAST_RSA_BITS <= bits <= _MOST_RSA_BITS:
            raise ValueError(f"has {bits} bits; from {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} are taken (RFC 7518, 3.3)")
    if key.kty == "oct":
        if len(_decode(key.k)) < _least_secret("HS256"):
            raise ValueError(f"has {len(_decode(key.k))} bytes; HS256 needs 32 at least (RFC 7518, 3.2)")
        return
    from joserfc.errors import JoseError  # noqa: PLC0415 - only where tokens are verified

    try:
        import_key(key).public_key  # noqa: B018 - it is made now
    except (JoseError, ValueError, TypeError, Base64Error):
        raise ValueError(f"is no {key.kty} key: its numbers do not fit together") from None


def import_key(key: Jwk) -> Any:
    """The key as joserfc has it."""
    from joserfc.jwk import JWKRegistry  # noqa: PLC0415 - only where tokens are verified

    members = {name: getattr(key, name) for name in _KINDS[key.kty]}
    return JWKRegistry.import_key({"kty": key.kty, **members})


def fits(key: Jwk, algorithm: str) -> bool:
    """Whether a key may be used with an algorithm: an EC key by its curve, a secret by its length (RFC 8725, 3.1)."""
    if key.alg not in {None, algorithm}:
        return False
    if key.kty == "RSA":
        return algorithm in _RSA
    if key.kty == "oct":
        return algorithm in SYMMETRIC and len(_decode(key.k)) >= _least_secret(algorithm)
    return algorithm in _CURVES[key.crv]


def _least_secret(algorithm: str) -> int:
    """Bytes: as many as the hash has (RFC 7518, section 3.2)."""
    return int(algorithm[2:]) // 8


def _decode(text: str) -> bytes:
    data = text.rstrip("=").encode().translate(_FROM_URL)
    try:
        return a2b_base64(data + b"=" * (-len(data) % 4), strict_mode=True)
    except Base64Error:
        raise ValueError("has a number that is not in base64url") from None


def _check_own(key: Jwk, algorithms: Collection[str]) -> Jwk:
    if key.kty == "oct" and not set(SYMMETRIC) & set(algorithms):
        raise ValueError("is symmetric (kty `oct`): whoever has it can sign; write HS256 in `algorithms` to mean it")
    return key


def _check_any(keys: list[Jwk], algorithms: Collection[str]) -> tuple[Jwk, ...]:
    """Those of ``keys`` that fit."""
    fitting = tuple(key for key in keys if any(fits(key, each) for each in algorithms))
    if not fitting:
        raise ValueError(f"has no key that verifies {', '.join(algorithms)}")
    return fitting
