"""How a key becomes a position, and a percentage a threshold: the key takes the candidate iff position < threshold.

A scheme never asks for anything but the key and its salt, so a key keeps its arm for as long as the percentage stands.
Every threshold grows with the percentage, so a larger percentage only adds keys and a smaller one only removes keys.

Crossfade's own scheme is ``murmur3``. The others give, bit for bit, the answers of the system that they are named
after, so that a rollout that began there can go on here without reshuffling anyone:

=============  ====================================================  ==================================================
scheme         position                                              source
=============  ====================================================  ==================================================
`murmur3`      murmur3_x86_32(salt + ":" + key), 0 to 2^32 - 1       SMHasher's MurmurHash3_x86_32, seed 0
`unleash`      murmur3_x86_32(salt + ":" + key) mod 100              Unleash client specification, normalized value - 1
`flagd`        murmur3_x86_32(salt + key), 0 to 2^32 - 1             flagd's ``fractional``, integer arithmetic of 2026
`nginx`        MurmurHash2(key), 0 to 2^32 - 1                       ngx_http_split_clients_module.c
`md5_mod100`   int(md5(key)) mod 100, big-endian                     the usual home-made split
=============  ====================================================  ==================================================

flagd computes ``bucket = (hash * total_weight) >> 32`` and gives the first variant the buckets below its weight. With
the weights ``[percent, 100 - percent]`` (whatever they are scaled by) this is ``hash < ceil(percent / 100 * 2^32)``.
nginx keeps two decimals of a percentage and multiplies with 0xffffffff; the default part takes the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import md5
from math import ceil, floor
from typing import NamedTuple

from mmh3 import mmh3_32_uintdigest

from gateway.core.types import Hash

WHOLE = 1 << 32
"""How many values a hash of 32 bits has."""

_NGINX_MIX = 0x5BD1E995  # MurmurHash2's multiplier
_WORD = 0xFFFFFFFF
_NGINX_PARTS = 10_000  # nginx keeps two decimals of a percentage


class Scheme(NamedTuple):
    """A hash with its salt bound."""

    position: Callable[[bytes], int]
    """Where a key stands: 0 up to, not including, ``size``."""
    threshold: Callable[[float], int]
    """How many positions a percentage (0 to 100) gives to the candidate."""
    size: int
    """How many positions there are."""

    def bucket(self, key: bytes) -> float:
        """The key's position on the scale of percentages, 0 up to 100: what people are shown."""
        return self.position(key) * 100 / self.size


def scheme_of(name: Hash, salt: str) -> Scheme:
    """The scheme ``name`` with ``salt`` bound; `nginx` and `md5_mod100` don't use the salt."""
    return _SCHEMES[name](salt.encode())


def murmur2(key: bytes, seed: int = 0) -> int:
    """MurmurHash2 of ``key``, 32 bits; with seed 0 it is nginx's ``ngx_murmur_hash2``."""
    end = len(key) & ~3
    h = (seed ^ len(key)) & _WORD
    for at in range(0, end, 4):
        k = int.from_bytes(key[at : at + 4], "little") * _NGINX_MIX & _WORD
        k = (k ^ k >> 24) * _NGINX_MIX & _WORD
        h = (h * _NGINX_MIX & _WORD) ^ k
    if end < len(key):
        h = (h ^ int.from_bytes(key[end:], "little")) * _NGINX_MIX & _WORD
    h = (h ^ h >> 13) * _NGINX_MIX & _WORD
    return h ^ h >> 15


def _murmur3(salt: bytes) -> Scheme:
    digest, prefix = mmh3_32_uintdigest, salt + b":"
    return Scheme(lambda key: digest(prefix + key), _share_of_32_bits, WHOLE)


def _unleash(salt: bytes) -> Scheme:
    digest, prefix = mmh3_32_uintdigest, salt + b":"
    return Scheme(lambda key: digest(prefix + key) % 100, floor, 100)


def _flagd(salt: bytes) -> Scheme:
    digest = mmh3_32_uintdigest
    return Scheme(lambda key: digest(salt + key), _share_of_32_bits, WHOLE)


def _nginx(_salt: bytes) -> Scheme:
    return Scheme(murmur2, _nginx_share, WHOLE)


def _md5_mod100(_salt: bytes) -> Scheme:
    return Scheme(_md5_position, ceil, 100)


def _md5_position(key: bytes) -> int:
    return int.from_bytes(md5(key, usedforsecurity=False).digest()) % 100


def _share_of_32_bits(percent: float) -> int:
    """The count of hashes ``h`` with ``h < percent / 100 * 2^32``, for any binary fraction exact."""
    numerator, denominator = float(percent).as_integer_ratio()
    return -(-numerator * WHOLE // (denominator * 100))


def _nginx_share(percent: float) -> int:
    """Nginx's own arithmetic, but 100 % is everyone: nginx leaves the one hash 0xffffffff to its default part."""
    part = round(percent * _NGINX_PARTS / 100)
    return WHOLE if part >= _NGINX_PARTS else part * _WORD // _NGINX_PARTS


_SCHEMES: dict[Hash, Callable[[bytes], Scheme]] = {
    Hash.MURMUR3: _murmur3,
    Hash.UNLEASH: _unleash,
    Hash.FLAGD: _flagd,
    Hash.NGINX: _nginx,
    Hash.MD5_MOD100: _md5_mod100,
}
