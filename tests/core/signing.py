"""Tokens as those sign them who may, and as those forge them who may not."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc.jwk import JWKRegistry
from joserfc.jws import JWSRegistry

KINDS: dict[str, tuple[str, str | int]] = {
    "RS": ("RSA", 2048),
    "PS": ("RSA", 2048),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
SECRET = "c2VjcmV0IHRoYXQgaXMgbG9uZyBlbm91Z2ggZm9yIEhTNTEyLCBhbmQgdGhlbiBzb21lLCBzbyB0aGF0IGl0IGZpdHM"


def make_key(algorithm: str = "ES256", kid: str = "first") -> Any:
    """A private key for an algorithm, the same each time."""
    return _make(algorithm, kid)


@cache
def _make(algorithm: str, kid: str) -> Any:
    kty, size = KINDS.get(algorithm) or KINDS[algorithm[:2]]
    return JWKRegistry.generate_key(kty, size, {"kid": kid})


@cache
def secret_key(kid: str = "secret") -> Any:
    """A symmetric key."""
    return JWKRegistry.import_key({"kty": "oct", "k": SECRET, "kid": kid})


def publish(*keys: Any, **members: object) -> bytes:
    """A set with the public part of keys, each with some more members."""
    return json.dumps({"keys": [{**key.as_dict(private=key.key_type == "oct"), **members} for key in keys]}).encode()


def encode(content: bytes | Mapping[str, object]) -> bytes:
    """base64url, of bytes or of JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return urlsafe_b64encode(raw).rstrip(b"=")


def sign(
    claims: Mapping[str, object],
    algorithm: str = "ES256",
    key: Any = None,
    kid: str | None = "first",
    **header: object,
) -> bytes:
    """A token, signed by ``key``; by default that of `make_key`."""
    named = {"alg": algorithm, **({"kid": kid} if kid else {}), **header}
    text = encode(named) + b"." + encode(claims)
    signature = JWSRegistry.algorithms[algorithm].sign(text, key or make_key(algorithm))
    return text + b"." + encode(signature)
