"""Asking for the keys that tokens are signed with: a set that somebody publishes, or a file.

A redirect is followed as long as the scheme stays the same: who asks by https is not sent to a place where somebody on
the way could answer.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from gateway.control.webhooks import read_start
from gateway.core.jwks import ASYMMETRIC, LARGEST_SET_BYTES, Jwk, read_own, read_published
from gateway.core.tokens import TokenPolicy
from gateway.errors import KeysUnavailable

ASK_SECONDS: Final = 5.0
"""For all of it, redirects included."""
MOST_REDIRECTS: Final = 3

_ACCEPT: Final = {"Accept": "application/jwk-set+json, application/json"}  # RFC 7517, section 8.5.2
_GOOD: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


async def ask_keys(tokens: TokenPolicy) -> tuple[Jwk, ...]:
    """The keys as they are now, where ``tokens`` says. Raises `KeysUnavailable`."""
    try:
        if tokens.is_published:
            async with asyncio.timeout(ASK_SECONDS):
                return read_published(await _fetch(tokens.source), ASYMMETRIC)
        return await asyncio.to_thread(_read, tokens)
    except TimeoutError:
        raise KeysUnavailable(f"no answer within {ASK_SECONDS:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise KeysUnavailable(str(error) or type(error).__name__) from None


def _read(tokens: TokenPolicy) -> tuple[Jwk, ...]:
    path = Path(tokens.source)
    if not path.is_file():  # what is none, a pipe, could be waited for without end
        raise ValueError("there is no such file")
    with path.open("rb") as file:
        return read_own(file.read(LARGEST_SET_BYTES + 1), tokens.algorithms)


async def _fetch(url: str) -> bytes:
    """What is there; raises ValueError for an answer that is none."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        for _ in range(MOST_REDIRECTS + 1):
            async with session.get(url, headers=_ACCEPT, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await _take(response)
                target = urljoin(url, response.headers.get("Location", ""))
            if urlsplit(target).scheme != urlsplit(url).scheme:
                raise ValueError(f"it redirects from {urlsplit(url).scheme} to {urlsplit(target).scheme}")
            url = target
    raise ValueError("it redirects again and again")


async def _take(response: aiohttp.ClientResponse) -> bytes:
    if response.status != _GOOD:
        raise ValueError(f"it answered {response.status}")
    try:
        return await read_start(response, LARGEST_SET_BYTES + 1)
    except aiohttp.ClientPayloadError:
        raise ValueError("its answer broke off") from None
