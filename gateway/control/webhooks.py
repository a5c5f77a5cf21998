"""Asking a webhook whether a rollout may go on, and signing what it is asked.

The body is JSON. With a secret two headers let the receiver see who asks, and that nobody plays an old question again:

- ``X-Crossfade-Timestamp``: seconds since the epoch, whole;
- ``X-Crossfade-Signature``: ``sha256=`` and, in hexadecimal, the HMAC (RFC 2104) with SHA-256, keyed with the secret,
  of the timestamp's digits, a full stop, and the body as it was sent.

A receiver computes the same over the bytes that it got, compares in constant time, and refuses a timestamp that is more
than a few minutes off.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import aiohttp

from gateway.core.verdicts import Judgement, Verdict

if TYPE_CHECKING:
    from gateway.core.plans import Webhook

SIGNATURE_HEADER: Final = "X-Crossfade-Signature"
TIMESTAMP_HEADER: Final = "X-Crossfade-Timestamp"

MOST_READ_BYTES: Final = 4096
"""Of an answer: it is only read for a few words."""
MOST_SAID: Final = 200
"""Characters of an answer that become part of the reason."""

_GOOD: Final = range(200, 300)


def sign(body: bytes, secret: str, timestamp: int) -> dict[str, str]:
    """The headers that prove where ``body`` comes from; none without a secret."""
    if not secret:
        return {}
    signed = b"%d.%b" % (timestamp, body)
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {TIMESTAMP_HEADER: str(timestamp), SIGNATURE_HEADER: f"sha256={digest}"}


async def ask_webhook(session: aiohttp.ClientSession, gate: Webhook, body: bytes, timestamp: int) -> Judgement:
    """What a webhook answers: 2xx is ``ok``, any other status ``broken``. Redirects are not followed.

    Raises aiohttp.ClientError, OSError or TimeoutError when it does not answer in time.
    """
    headers = {"Content-Type": "application/json"} | sign(body, gate.secret, timestamp)
    timeout = aiohttp.ClientTimeout(total=gate.timeout_seconds)
    async with session.post(gate.url, data=body, headers=headers, timeout=timeout, allow_redirects=False) as response:
        if response.status in _GOOD:
            return Judgement(rule=gate.text, verdict=Verdict.OK, reason=f"it answered {response.status}")
        words = await _read_words(response)
    reason = f"it answered {response.status}" + (f": {words}" if words else "")
    return Judgement(rule=gate.text, verdict=Verdict.BROKEN, reason=reason)


async def read_start(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """A body up to a bound; the rest is left where it is, and the connection with it."""
    content = bytearray()
    await _read_into(content, response, most_bytes)
    return bytes(content[:most_bytes])


async def _read_into(content: bytearray, response: aiohttp.ClientResponse, most_bytes: int) -> None:
    """Read until the bound or the end; what came before a fault is there all the same."""
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) >= most_bytes:
            response.close()
            break


async def _read_words(response: aiohttp.ClientResponse) -> str:
    """The beginning of a text, on one line; nothing of what is no text. Of one that breaks off, what came."""
    if not response.content_type.startswith("text/") and "json" not in response.content_type:
        return ""
    content = bytearray()
    with suppress(aiohttp.ClientError, OSError, TimeoutError):  # the status has said enough
        await _read_into(content, response, MOST_READ_BYTES)
    words = " ".join(content[:MOST_READ_BYTES].decode(errors="replace").split())
    return "".join(each for each in words if each.isprintable())[:MOST_SAID]
