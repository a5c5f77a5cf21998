"""Who may talk to the admin API.

With ``admin.token`` set, whoever shows it. Without, only this machine: `admin.listen` is then a loopback address, and
the guard closes the two ways in which a web page could reach that through its visitor's browser. A Host header that is
not loopback is refused (DNS rebinding: the page's own name was pointed at 127.0.0.1), and so is a write that a browser
marks as coming from another site (Fetch Metadata, Origin; RFC 6454). What orchestrators ask and the dashboard's first
page (`OPEN_PATHS`) are free, and so are the files that the page is made of (`STATIC`) and what `admin.metrics: open`
gives free.

The checks are pure functions; `gateway.admin.api` applies them to every request.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

OPEN_PATHS: Final = frozenset({"/", "/healthz", "/readyz"})

STATIC: Final = "/static/"
"""Below it are the dashboard's files. They tell nothing of the gateway: what they show, they ask the API for."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing here (RFC 9110, section 9.2.1)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is not let in."""

    status: int
    detail: str


def refusal(
    method: str, path: str, headers: Mapping[str, str], token: str, open_paths: AbstractSet[str] = OPEN_PATHS
) -> Refusal | None:
    """Why this call is refused, or None. ``headers`` finds names in any case; an empty ``token`` is none."""
    if (path in open_paths or path.startswith(STATIC)) and method in SAFE_METHODS:
        return None
    if token and not _shows(headers.get("Authorization", ""), token):
        return Refusal(401, "this needs the header 'Authorization: Bearer <admin.token>'")
    if not token and not is_loopback(headers.get("Host", "")):
        return Refusal(403, "without admin.token the Host must be a loopback name or address")
    if method not in SAFE_METHODS and _is_cross_site(headers):
        return Refusal(403, "a page of another site may not change anything here")
    return None


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine only: localhost, 127.0.0.0/8 or ::1, with or without a port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _shows(authorization: str, token: str) -> bool:
    scheme, _, shown = authorization.partition(" ")
    is_equal = hmac.compare_digest(
        _bytes_of(shown.strip()), _bytes_of(token)
    )  # takes the same time wherever they differ
    return is_equal and scheme.lower() == "bearer"


def _bytes_of(text: str) -> bytes:
    """Any text: what is not UTF-8 in a header or an environment variable comes as surrogates (PEP 383)."""
    return text.encode(errors="surrogatepass")


def _is_cross_site(headers: Mapping[str, str]) -> bool:
    """Browsers say where a request comes from; other clients send neither header."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("Origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get("Host", "").lower()
    except ValueError:
        return True
