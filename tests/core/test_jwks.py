"""Which keys of a set count."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.jwks import ASYMMETRIC, MOST_KEYS, SYMMETRIC, fits, read_own, read_published
from tests.core.signing import make_key, publish, secret_key

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["keys", "kty", "n", "k"]), inner),
    max_leaves=8,
)


def pack(*keys: object) -> bytes:
    """A set of keys as they are."""
    return json.dumps({"keys": keys}).encode()


def public(algorithm: str = "ES256", **members: object) -> dict[str, Any]:
    """The public part of a key, with some members more or other."""
    return {**make_key(algorithm).as_dict(private=False), **members}


@pytest.mark.parametrize("read", [read_own, read_published])
def test_public_keys_are_taken(read: Any) -> None:
    """Each with its name, and nothing but its public members."""
    keys = read(publish(make_key("RS256"), make_key("ES384"), make_key("EdDSA"), use="sig", x5t="?"), ASYMMETRIC)

    assert [(key.kty, key.kid) for key in keys] == [("RSA", "first"), ("EC", "first"), ("OKP", "first")]


@pytest.mark.parametrize("read", [read_own, read_published])
def test_keys_for_something_else_are_left_out(read: Any) -> None:
    """To encrypt, to sign, of kinds or curves that are not known (RFC 7517, section 5)."""
    others = [
        public(use="enc"),
        public(key_ops=["sign"]),
        {"kty": "LMS", "pub": "AAAA"},
        {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
        {"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"},
    ]

    assert len(read(pack(*others, public()), ASYMMETRIC)) == 1
    with pytest.raises(ValueError, match="has no key that verifies RS256"):
        read(pack(*others), ["RS256"])


BROKEN = [
    (make_key().as_dict(private=True), r"\(kid 'first'\) is private"),
    (public(x="AAAA"), "is no EC key"),
    (public(x="?"), "is no EC key"),
    ({"kty": "EC", "crv": "P-256", "x": "AAAA"}, "lacks `y`"),
    ({"kty": "RSA", "n": urlsafe_b64encode(b"\xff" * 128).decode(), "e": "AQAB"}, "has 1024 bits"),
    ({"kty": "RSA", "n": "***", "e": "AQAB"}, "is not in base64url|in base64url"),
    ({"kty": 7}, "is no JSON Web Key"),
    ("key", "is no JSON Web Key"),
    ({"kty": "oct", "k": "c2hvcnQ"}, "has 5 bytes"),
]


@pytest.mark.parametrize(("key", "fault"), BROKEN)
def test_a_broken_key_of_ones_own_is_an_error(key: object, fault: str) -> None:
    """It says which key it is, and what would be right."""
    with pytest.raises(ValueError, match=f"its key 1.*{fault}"):
        read_own(pack(public(), key), [*ASYMMETRIC, *SYMMETRIC])


@pytest.mark.parametrize(("key", "fault"), BROKEN)
def test_a_broken_key_of_others_is_left_out(key: object, fault: str) -> None:
    """The rest of the set counts."""
    assert len(read_published(pack(key, public()), ASYMMETRIC)) == 1, fault


def test_a_secret_is_ones_own_and_meant() -> None:
    """It is taken from a file, where its algorithm is written; never from others."""
    secret = publish(secret_key())

    assert [key.kty for key in read_own(secret, ["HS256"])] == ["oct"]
    with pytest.raises(ValueError, match="write HS256 in `algorithms`"):
        read_own(secret, ASYMMETRIC)
    with pytest.raises(ValueError, match="no key that verifies HS256"):
        read_published(secret, ["HS256"])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"keys": 1}', b'{"kty": "RSA"}', b"\xff", b"[" * 100_000])
def test_what_is_no_set_is_refused(content: bytes) -> None:
    """A single key, too: a set has `keys`."""
    for read in (read_own, read_published):
        with pytest.raises(ValueError, match="is not a JWK Set"):
            read(content, ASYMMETRIC)


def test_sets_are_bounded() -> None:
    """In bytes and in keys."""
    with pytest.raises(ValueError, match="256 KiB"):
        read_own(b" " * (256 * 1024 + 1), ASYMMETRIC)
    with pytest.raises(ValueError, match="at most 100"):
        read_own(pack(*[{"kty": "?"}] * (MOST_KEYS + 1)), ASYMMETRIC)


@given(JSON)
def test_any_json_is_keys_or_an_error(content: object) -> None:
    """Nothing else comes out."""
    for read in (read_own, read_published):
        with pytest.raises(ValueError, match=r".+"):
            read(json.dumps({"keys": [content]}).encode(), ASYMMETRIC)


def test_a_curve_has_one_algorithm() -> None:
    """And a secret is as long as the hash (RFC 7518, sections 3.2 and 3.4)."""
    (elliptic,) = read_own(publish(make_key("ES384")), ASYMMETRIC)
    (secret,) = read_own(pack({"kty": "oct", "k": "A" * 43}), ["HS256"])

    assert [each for each in (*ASYMMETRIC, *SYMMETRIC) if fits(elliptic, each)] == ["ES384"]
    assert [each for each in (*ASYMMETRIC, *SYMMETRIC) if fits(secret, each)] == ["HS256"]
