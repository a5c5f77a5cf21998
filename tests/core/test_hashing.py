"""The published figures of the systems that each scheme follows, and what every scheme promises."""

from __future__ import annotations

from itertools import pairwise

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.hashing import WHOLE, murmur2, scheme_of
from gateway.core.types import Hash

KEYS = [b"user-%d" % number for number in range(100_000)]
FINE = [Hash.MURMUR3, Hash.FLAGD, Hash.NGINX]
WHOLE_PERCENT = [Hash.UNLEASH, Hash.MD5_MOD100]
SMHASHER_MURMUR3 = 0xB0F57EE3
SMHASHER_MURMUR2 = 0x27864C1E
SUITS = ["clubs", "diamonds", "hearts", "spades"]

percentages = st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)
schemes = st.sampled_from(list(Hash))


def test_murmur3_passes_smhashers_verification() -> None:
    """Keys of 0 to 255 bytes, hashed with seeds 256 down to 1, hashed together: the value that SMHasher publishes."""
    hashes = (mmh3.mmh3_32_uintdigest(bytes(range(length)), 256 - length) for length in range(256))
    together = b"".join(value.to_bytes(4, "little") for value in hashes)

    assert mmh3.mmh3_32_uintdigest(together, 0) == SMHASHER_MURMUR3


@pytest.mark.parametrize(("salt", "key", "value"), [("gr1", b"123", 73), ("groupX", b"999", 25)])
def test_unleash_gives_the_normalized_values_of_the_client_tests(salt: str, key: bytes, value: int) -> None:
    """Unleash counts from 1, so its 73 is position 72, in at 73 % and out at 72 %."""
    scheme = scheme_of(Hash.UNLEASH, salt)

    assert scheme.position(key) == value - 1
    assert scheme.position(key) < scheme.threshold(value)
    assert not scheme.position(key) < scheme.threshold(value - 1)


@pytest.mark.parametrize(
    ("feature", "percent", "key", "enabled"),
    [
        ("Feature.flexibleRollout.10", 10, b"174", True),
        ("Feature.flexibleRollout.10", 10, b"499", False),
        ("Feature.flexibleRollout.userId.55", 55, b"25", True),
        ("Feature.flexibleRollout.sessionId.42", 42, b"147", True),
    ],
)
def test_unleash_agrees_with_the_client_specification(feature: str, percent: int, key: bytes, enabled: bool) -> None:
    """The cases of Unleash's 10-flexible-rollout-strategy.json that a key decides."""
    scheme = scheme_of(Hash.UNLEASH, feature)

    assert (scheme.position(key) < scheme.threshold(percent)) is enabled


@pytest.mark.parametrize(
    ("flag", "key", "suit"),
    [
        ("fractional-flag", b"jack", "hearts"),
        ("fractional-flag", b"queen", "spades"),
        ("fractional-flag", b"ten", "clubs"),
        ("fractional-flag", b"nine", "diamonds"),
        ("fractional-flag", b"3", "clubs"),
        ("shared-seed", b"seven", "hearts"),
        ("shared-seed", b"eight", "diamonds"),
        ("shared-seed", b"nine", "clubs"),
        ("shared-seed", b"two", "spades"),
    ],
)
def test_flagd_agrees_with_its_testbed(flag: str, key: bytes, suit: str) -> None:
    """The fractional-v2 cases of flagd-testbed's targeting.feature: four variants of 25 each, in this order."""
    scheme = scheme_of(Hash.FLAGD, flag)

    place = sum(scheme.position(key) >= scheme.threshold(25 * part) for part in (1, 2, 3))

    assert SUITS[place] == suit


@pytest.mark.parametrize(
    ("key", "position"),
    [(b"ejOoVL", 0), (b"bY9fO-", 1), (b"SI7p-", 2**31 - 1), (b"6LvT0", 2**31), (b"ceQdGm", 2**32 - 1)],
)
def test_flagd_stands_at_the_edges_that_its_testbed_names(key: bytes, position: int) -> None:
    """Preimages of the critical hashes: the lower half ends exactly between 2^31 - 1 and 2^31."""
    scheme = scheme_of(Hash.FLAGD, "")

    assert scheme.position(key) == position
    assert (position < scheme.threshold(50)) is (position < 2**31)
    assert position < scheme.threshold(100)


@given(st.integers(0, WHOLE - 1), st.integers(1, 2**31 - 1), st.data())
def test_flagds_arithmetic_is_ours_whatever_the_weights_are_scaled_by(
    hashed: int, total: int, data: st.DataObject
) -> None:
    """``(hash * total) >> 32 < weight`` is the same as ``hash < ceil(weight / total * 2^32)``."""
    weight = data.draw(st.integers(0, total))

    assert ((hashed * total) >> 32 < weight) is (hashed < -(-weight * WHOLE // total))


def test_murmur2_passes_smhashers_verification() -> None:
    """The hash under nginx's scheme, verified as murmur3 is; that nginx answers so is proved in tests/e2e."""
    hashes = (murmur2(bytes(range(length)), 256 - length) for length in range(256))
    together = b"".join(value.to_bytes(4, "little") for value in hashes)

    assert murmur2(together) == SMHASHER_MURMUR2


def test_nginx_keeps_two_decimals_and_gives_everyone_to_100_percent() -> None:
    """ngx_http_split_clients_module.c: ``percent * 0xffffffff / 10000``, in integers."""
    threshold = scheme_of(Hash.NGINX, "").threshold

    assert threshold(0.01) == 0xFFFFFFFF // 10_000
    assert threshold(33.33) == 3333 * 0xFFFFFFFF // 10_000
    assert threshold(100) == WHOLE


def test_md5_mod100_reads_the_digest_as_one_big_number() -> None:
    """``int(md5(key).hexdigest(), 16) % 100``, with the digest of RFC 1321's test suite for ``abc``."""
    scheme = scheme_of(Hash.MD5_MOD100, "unused")

    assert scheme.position(b"abc") == 0x900150983CD24FB0D6963F7D28E17F72 % 100


@given(schemes, st.text(max_size=8), st.binary(max_size=64))
def test_the_same_key_has_the_same_place(name: Hash, salt: str, key: bytes) -> None:
    """A place depends on scheme, salt and key alone, and lies within the scheme's size."""
    first, second = scheme_of(name, salt), scheme_of(name, salt)

    assert first.position(key) == second.position(key)
    assert 0 <= first.position(key) < first.size
    assert 0 <= first.bucket(key) < 100


@given(schemes, percentages, percentages)
def test_growing_a_percentage_only_adds_keys(name: Hash, one: float, other: float) -> None:
    """Thresholds grow with percentages, from nobody at 0 to everybody at 100."""
    scheme = scheme_of(name, "salt")
    low, high = sorted((one, other))

    assert 0 == scheme.threshold(0) <= scheme.threshold(low) <= scheme.threshold(high) <= scheme.threshold(100)
    assert scheme.threshold(100) == scheme.size


@given(st.binary(max_size=64), percentages)
def test_a_bucket_below_the_percentage_is_what_takes_the_candidate(key: bytes, percent: float) -> None:
    """What people are shown decides: bucket < percent, and nothing is lost to rounding."""
    scheme = scheme_of(Hash.MURMUR3, "salt")

    assert (scheme.position(key) < scheme.threshold(percent)) is (scheme.bucket(key) < percent)


@pytest.mark.parametrize("name", list(Hash))
@pytest.mark.parametrize("percent", [0.01, 1, 5, 50, 99])
def test_the_share_is_the_percentage(name: Hash, percent: float) -> None:
    """Over 100,000 keys the share is within 0.3 points of the percentage."""
    if name in WHOLE_PERCENT and percent < 1:
        percent = 1
    scheme = scheme_of(name, "checkout")
    threshold = scheme.threshold(percent)

    share = 100 * sum(scheme.position(key) < threshold for key in KEYS) / len(KEYS)

    assert abs(share - percent) < 0.3


@pytest.mark.parametrize("name", [Hash.MURMUR3, Hash.FLAGD, Hash.UNLEASH])
def test_two_salts_are_independent(name: Hash) -> None:
    """Who is in one rollout says nothing about who is in another: the correlation over 100,000 keys is noise."""
    ours = [scheme_of(name, "checkout").bucket(key) / 100 - 0.5 for key in KEYS]
    theirs = [scheme_of(name, "search").bucket(key) / 100 - 0.5 for key in KEYS]

    correlation = 12 * sum(one * other for one, other in zip(ours, theirs, strict=True)) / len(KEYS)

    assert abs(correlation) < 0.015  # four standard deviations of 1 / sqrt(100,000)


@pytest.mark.parametrize("name", list(Hash))
def test_shares_in_a_row_of_percentages_never_shrink(name: Hash) -> None:
    """A rollout's stages, key by key: whoever is in stays in."""
    scheme = scheme_of(name, "checkout")
    stages = [
        {key for key in KEYS[:5000] if scheme.position(key) < scheme.threshold(percent)} for percent in range(0, 101, 5)
    ]

    assert all(before <= after for before, after in pairwise(stages))
    assert (len(stages[0]), len(stages[-1])) == (0, 5000)
