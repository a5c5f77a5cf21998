"""Which bearer tokens are believed."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import tokens
from gateway.core.jwks import ASYMMETRIC, SYMMETRIC, read_own
from gateway.core.tokens import TokenPolicy, Verifier
from tests.core.signing import encode, make_key, publish, secret_key, sign

NOW = 1_800_000_000.0
CLAIMS = {"sub": "ann", "exp": NOW + 60}


def policy(*keys: Any, algorithms: tuple[str, ...] = ASYMMETRIC, **more: Any) -> TokenPolicy:
    """One that believes these keys; by default that of `sign`."""
    content = publish(*(keys or (make_key(),)))
    return TokenPolicy("/keys.json", algorithms, read_own(content, algorithms), **more)


def fault_of(token: bytes, of: TokenPolicy | None = None, now: float = NOW) -> str | None:
    """What is wrong with a token."""
    verifier = Verifier(of or policy(), lambda: now)
    assert verifier.is_good(token) is (verifier.find_fault(token) is None)
    return verifier.find_fault(token)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_token_signed_by_a_key_of_the_set_is_good(algorithm: str) -> None:
    """By each algorithm that is on by default, with the key that it needs."""
    assert fault_of(sign(CLAIMS, algorithm), policy(make_key(algorithm))) is None


def test_an_ed448_key_signs_too() -> None:
    """EdDSA has two curves (RFC 8037)."""
    key = make_key("EdDSA").generate_key("Ed448", {"kid": "first"})

    assert fault_of(sign(CLAIMS, "EdDSA", key), policy(key)) is None


@pytest.mark.parametrize("algorithm", SYMMETRIC)
def test_a_secret_counts_where_its_algorithm_is_written(algorithm: str) -> None:
    """And nowhere else."""
    token = sign(CLAIMS, algorithm, secret_key(), "secret")

    assert fault_of(token, policy(secret_key(), algorithms=(algorithm,))) is None
    assert fault_of(token) == "signed by an algorithm that is not allowed"


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
@example(0, 1)
def test_a_token_that_was_tampered_with_is_not_good(place: int, change: int) -> None:
    """Whichever byte it is, and whatever it becomes: also what base64 would read as the same."""
    whole = bytearray(sign(CLAIMS))
    whole[place % len(whole)] ^= change

    assert fault_of(bytes(whole)) is not None


def test_the_spare_bits_of_the_last_character_count() -> None:
    """Else one token would have several spellings (RFC 4648, section 3.5)."""
    token = sign(CLAIMS)
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [token[:-1] + bytes([each]) for each in alphabet if each != token[-1]]

    assert all(fault_of(other) for other in others)


@given(st.binary(max_size=120))
def test_no_token_can_raise(junk: bytes) -> None:
    """Whatever a client sends, it is good or it is not."""
    header = encode({"alg": "ES256"})
    for token in (junk, b".".join([junk] * 3), b".".join([header, encode(junk), encode(junk)]), encode(junk) + b".."):
        assert fault_of(token) is not None


def test_a_public_key_is_no_secret() -> None:
    """Who takes the RSA key for the secret of HS256 forges nothing, also where HS256 is allowed (RFC 8725, 2.1)."""
    key = make_key("RS256")
    text = encode({"alg": "HS256", "kid": "first"}) + b"." + encode(CLAIMS)
    both = policy(key, secret_key(), algorithms=("RS256", "HS256"))

    for secret in (key.as_pem(private=False), publish(key), json.dumps(key.as_dict(private=False)).encode()):
        forged = text + b"." + encode(hmac.new(secret, text, sha256).digest())

        assert fault_of(forged, both) == "signed by an unknown key"
        assert fault_of(forged, policy(key)) == "signed by an algorithm that is not allowed"


@pytest.mark.parametrize("name", ["none", "None", "nOnE", "", "HS256", "ES256K"])
def test_an_algorithm_that_is_not_allowed_is_none(name: str) -> None:
    """`none` least of all, however it is spelt (RFC 8725, section 3.2)."""
    unsigned = encode({"alg": name}) + b"." + encode(CLAIMS) + b"."

    assert fault_of(unsigned) == "signed by an algorithm that is not allowed"


def test_an_algorithm_left_out_is_not_allowed() -> None:
    """A good signature does not help."""
    rs_only = policy(make_key("RS256"), make_key("ES256", "other"), algorithms=("RS256",))

    assert fault_of(sign(CLAIMS), rs_only) == "signed by an algorithm that is not allowed"


def test_the_key_says_what_it_is_for() -> None:
    """A key for one algorithm verifies no other, although its kind could."""
    key = make_key("RS256")
    only = TokenPolicy("/k", ASYMMETRIC, read_own(publish(key, alg="RS256"), ASYMMETRIC))

    assert fault_of(sign(CLAIMS, "RS256", key), only) is None
    assert fault_of(sign(CLAIMS, "PS256", key), only) == "signed by an unknown key"


def test_the_key_is_found_by_its_name() -> None:
    """A token with a name gets the key of that name only; one without is tried with all that fit."""
    first, second = make_key(), make_key(kid="second")
    both = policy(first, second)

    assert fault_of(sign(CLAIMS, key=second, kid="second"), both) is None
    assert fault_of(sign(CLAIMS, key=second, kid=None), both) is None
    assert fault_of(sign(CLAIMS, key=second, kid="first"), both) == "with a wrong signature"
    assert fault_of(sign(CLAIMS, key=second, kid="third"), both) == "signed by an unknown key"


def test_a_token_without_a_name_costs_a_few_keys_only() -> None:
    """Else a set of a hundred keys would be a way to keep a worker busy."""
    many = policy(*(make_key(kid=f"key-{number}") for number in range(tokens.MOST_TRIED + 1)))
    faults = [fault_of(sign(CLAIMS, key=make_key(kid=f"key-{n}"), kid=None), many) for n in (7, 8)]

    assert faults == [None, "with a wrong signature"]


def test_nobodys_key_signs_nothing() -> None:
    """Nor does one that the token brings along (RFC 8725, section 3.10)."""
    stranger = make_key(kid="stranger")
    token = sign(CLAIMS, key=stranger, jwk=stranger.as_dict(private=False), jku="https://evil.example/keys")

    assert fault_of(token) == "with a wrong signature"


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], None, "b64"])
def test_what_must_be_understood_is_not(crit: object) -> None:
    """No extension of a header is known here (RFC 7515, section 4.1.11)."""
    assert fault_of(sign(CLAIMS, crit=crit)) == "with an extension that is not understood"


def test_other_header_fields_are_ignored() -> None:
    """Those that nobody has to understand (RFC 7515, section 4)."""
    assert fault_of(sign(CLAIMS, typ="at+jwt", x5t="abc", b64=False, made={"up": 1})) is None


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"exp": NOW + 1}, None),
        ({"exp": NOW - 29}, None),
        ({"exp": NOW - 30}, "expired"),
        ({"exp": NOW - 3600.5}, "expired"),
        ({"nbf": NOW + 30}, None),
        ({"nbf": NOW + 31}, "not valid yet"),
        ({}, None),
        ({"exp": str(NOW + 60)}, "not a JSON Web Token"),
        ({"exp": None}, "not a JSON Web Token"),
        ({"exp": True}, "not a JSON Web Token"),
        ({"nbf": [1]}, "not a JSON Web Token"),
    ],
)
def test_a_token_has_its_time(claims: dict[str, object], fault: str | None) -> None:
    """Clocks may differ by the leeway; a time that is no number is none (RFC 7519, sections 4.1.4 and 4.1.5)."""
    assert fault_of(sign(claims), policy(leeway_seconds=30.0)) == fault


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"iss": "https://id", "aud": "shop"}, None),
        ({"iss": "https://id", "aud": ["desk", "shop"]}, None),
        ({"iss": "https://id/", "aud": "shop"}, "of another issuer"),
        ({"iss": ["https://id"], "aud": "shop"}, "of another issuer"),
        ({"aud": "shop"}, "of another issuer"),
        ({"iss": "https://id", "aud": "shops"}, "for another audience"),
        ({"iss": "https://id", "aud": [["shop"]]}, "for another audience"),
        ({"iss": "https://id", "aud": {"shop": 1}}, "for another audience"),
        ({"iss": "https://id"}, "for another audience"),
    ],
)
def test_issuer_and_audience_are_those_that_are_wanted(claims: dict[str, object], fault: str | None) -> None:
    """To the letter; of several audiences one is enough (RFC 7519, sections 4.1.1 and 4.1.3)."""
    assert fault_of(sign(claims), policy(issuer="https://id", audience="shop")) == fault


def test_without_keys_nothing_is_good() -> None:
    """As long as the URL was never heard of."""
    assert fault_of(sign(CLAIMS), TokenPolicy("https://id", ASYMMETRIC)) == "not verified: there are no keys yet"


def test_a_blind_one_looks_at_all_but_the_signature() -> None:
    """For those who ask what would be, where the keys are not at hand."""
    blind = Verifier(TokenPolicy("https://id", ASYMMETRIC), lambda: NOW, is_blind=True)

    assert blind.find_fault(sign(CLAIMS)) is None
    assert blind.find_fault(sign({"exp": 1})) == "expired"


def test_a_long_token_is_not_looked_at() -> None:
    """8 KiB are more than any head should have."""
    long = sign({**CLAIMS, "pad": "x" * 7000})

    assert fault_of(long) == "too long"
    assert fault_of(sign({**CLAIMS, "pad": "x" * 4000})) is None


def test_a_known_token_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it expires: then it is not good, however well it is known."""
    token, times, looks = sign(CLAIMS), iter([NOW, NOW + 59.9, NOW + 60.0]), count()
    verifier = Verifier(policy(), lambda: next(times))
    examine = verifier._examine
    monkeypatch.setattr(Verifier, "_examine", lambda _, token: (next(looks), examine(token))[1])

    assert verifier.is_good(token)
    assert verifier.is_good(token)
    assert not verifier.is_good(token)
    assert next(looks) == 1


def test_bad_tokens_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor more good ones than there is room for: those that were used last stay."""
    monkeypatch.setattr(tokens, "MOST_REMEMBERED", 2)
    verifier = Verifier(policy(), lambda: NOW)
    good = [sign({**CLAIMS, "sub": name}) for name in "abc"]
    for token in (good[0], b"bad", good[1], good[0], b"bad.bad.bad", good[2]):
        verifier.is_good(token)

    assert list(verifier._known) == [sha256(good[0]).digest(), sha256(good[2]).digest()]
