"""`jwt`: which bearer tokens the key source `jwt:` believes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationInfo

from gateway.core.jwks import ASYMMETRIC, LARGEST_SET_BYTES, SYMMETRIC, Jwk, read_own
from gateway.settings.fields import Duration, Kind, Many, Patience, Section, Text, text
from gateway.settings.quantities import show

LEAST_REFRESH_SECONDS = 1.0


class KeySet(NamedTuple):
    """Where the keys are."""

    source: str
    """A URL, or a file's absolute path."""
    content: bytes | None = None
    """Of the file; None for a URL, which is asked while the gateway runs."""
    is_recovered: bool = False
    """Whether somebody remembers the keys, should the file have none by now."""


def _check_source(source: str) -> str:
    if source.startswith(("http://", "https://")) and not _is_url(source):
        raise ValueError("is not the URL of a key set; write https://HOST/PATH, without user, password and fragment")
    if "://" in source and not source.startswith(("http://", "https://")):
        raise ValueError(f"{show(source)} is not allowed; write an http:// or https:// URL, or a file")
    if not source:
        raise ValueError("is empty; write the URL of a key set, or a file with one")
    return source


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    return bool(parts.hostname) and has_port and parts.username is None and not parts.fragment and url.isprintable()


def _read(source: str, info: ValidationInfo) -> KeySet:
    """What the file says; a relative one counts from the configuration's directory, which the context gives."""
    if source.startswith(("http://", "https://")):
        return KeySet(source)
    context = info.context or {}
    path, is_recovery = Path(context.get("base_dir", ""), source).absolute(), bool(context.get("is_recovery"))
    try:
        return KeySet(str(path), _read_file(path), is_recovery)
    except ValueError:
        if is_recovery:
            return KeySet(str(path), b"", is_recovery)
        raise


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"there is no file {path}; the path is relative to the configuration")
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_SET_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None


def _check_refresh(seconds: float) -> float:
    if seconds < LEAST_REFRESH_SECONDS:
        raise ValueError("must be 1s at least; whoever is asked has others to serve, too")
    return seconds


def _check_algorithms(algorithms: tuple[str, ...]) -> tuple[str, ...]:
    if not algorithms:
        raise ValueError("is empty; write at least one, or leave it out")
    return algorithms


Source = Annotated[
    KeySet, text(_check_source), AfterValidator(_read), Kind("URL or file", {"type": "string", "minLength": 1})
]
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"
]


class Jwt(Section):
    """Which bearer tokens the key source `jwt:` believes: one that is not signed, expired or for others is absent."""

    jwks: Source
    """The keys that tokens are signed with, as a JWK Set (RFC 7517): a URL, or a file, relative to this configuration.
    A file is read again when it changes."""
    algorithms: Annotated[Many[Algorithm], AfterValidator(_check_algorithms)] = ASYMMETRIC
    """By which tokens may be signed. `HS256`, `HS384` and `HS512` only where they are written, and with a file."""
    issuer: Text | None = None
    """What a token's `iss` must be."""
    audience: Text | None = None
    """What a token's `aud` must have."""
    refresh: Annotated[Duration, AfterValidator(_check_refresh)] = 600.0
    """How often the URL is asked again. New keys should be published that long before they sign."""
    leeway: Patience = 30.0
    """By how much clocks may differ, for `exp` and `nbf`."""

    @property
    def is_published(self) -> bool:
        """Whether the keys come from a URL."""
        return self.jwks.content is None

    @property
    def secret_algorithms(self) -> list[str]:
        """Those whose key is a secret."""
        return [each for each in self.algorithms if each in SYMMETRIC]

    def read_keys(self) -> tuple[Jwk, ...]:
        """Those of the file; none where a URL has them, or they are remembered.

        Raises ValueError for a file that can't be used.
        """
        if self.jwks.content is None:
            return ()
        try:
            return read_own(self.jwks.content, self.algorithms)
        except ValueError:
            if self.jwks.is_recovered:
                return ()
            raise
