"""Where in a request its key is found.

A chain names alternatives in order; the first whose parts are all present gives the key, and ``a+b`` joins its parts
with ``|``. Each source is compiled to a function once per table, so that a request pays for what its rollout asks for
and nothing else: the client's address is only worked out where a key or a cohort wants it.

What is taken from each source:

``header:NAME``   the first field of that name
``cookie:NAME``   the first cookie of that name (RFC 6265, section 5.4), quotes included; letter case counts
``query:NAME``    the first parameter of that name; names are compared form-decoded, the value is as received
``path:NAME``     the segment that ``{NAME}`` stands for, decoded
``jwt:CLAIM``     a claim of ``Authorization: Bearer``: a top-level name, else a path with dots. A string, or a number
                  as it is written in the token; anything else is absent. Without a verifier (`gateway.core.tokens`)
                  it is **not verified**; with one, a token that is not good is absent
``client_ip``     the client's address as `gateway.core.addresses` finds it, in its usual short form

Values are bytes as received with outer white space off; an empty value is absent, and so is a token that can't be read.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from urllib.parse import unquote_to_bytes

from msgspec import DecodeError, Raw
from msgspec.json import Decoder

from gateway.core.addresses import TrustedNetworks
from gateway.core.heads import RequestHead
from gateway.core.types import KeyChain, KeyKind, KeySource

Captures = Mapping[str, bytes]
"""What the ``{name}`` segments of the matched path stand for, decoded."""
Read = Callable[[RequestHead, Captures, str], bytes | None]
"""A value of a request, its captures and its peer's address; None when absent."""
ReadKey = Callable[[RequestHead, Captures, str], tuple[bytes, str] | None]
"""The key and the name of the source that gave it, ``header:X-User-ID``."""
Believe = Callable[[bytes], bool]
"""Whether what a bearer token says is believed."""

ISSUED_COOKIE = "crossfade_key"
"""The cookie that carries a key which the gateway issued."""
JOINT = b"|"

_BLANK = b" \t"
_FROM_URL = bytes.maketrans(b"-_", b"+/")  # RFC 4648, section 5
_TOKEN_PARTS = 3
_NUMBER = b"-0123456789"
_claims = Decoder(dict[str, Raw])
_text = Decoder(str)


def compile_chain(chain: KeyChain, trusted: TrustedNetworks, believe: Believe | None = None) -> ReadKey:
    """The function that reads the first alternative of ``chain`` that is present.

    ``trusted`` are the proxies; ``believe`` says which tokens count, None: all.
    """
    readers = tuple((_compile_joint(parts, trusted, believe), "+".join(map(str, parts))) for parts in chain)
    if len(readers) == 1:
        return _compile_only(*readers[0])

    def read_key(request: RequestHead, captures: Captures, peer: str) -> tuple[bytes, str] | None:
        for read, name in readers:
            value = read(request, captures, peer)
            if value:
                return value, name
        return None

    return read_key


def _compile_only(read: Read, name: str) -> ReadKey:
    """The chain of one alternative, without the loop."""

    def read_only(request: RequestHead, captures: Captures, peer: str) -> tuple[bytes, str] | None:
        value = read(request, captures, peer)
        return (value, name) if value else None

    return read_only


def compile_source(source: KeySource, trusted: TrustedNetworks, believe: Believe | None = None) -> Read:
    """The function that reads one source."""
    if source.kind is KeyKind.JWT and believe is not None:
        return _compile_believed_claim(source.name, believe)
    if source.kind is KeyKind.CLIENT_IP:
        return _compile_client_ip(trusted)
    return _COMPILERS[source.kind](source.name)


def _compile_joint(parts: tuple[KeySource, ...], trusted: TrustedNetworks, believe: Believe | None) -> Read:
    reads = tuple(compile_source(part, trusted, believe) for part in parts)
    if len(reads) == 1:
        return reads[0]

    def read_joint(request: RequestHead, captures: Captures, peer: str) -> bytes | None:
        values = [value for read in reads if (value := read(request, captures, peer))]
        return JOINT.join(values) if len(values) == len(reads) else None

    return read_joint


def _compile_header(name: str) -> Read:
    field = name.lower().encode()
    return lambda request, _captures, _peer: request.header(field)


def _compile_cookie(name: str) -> Read:
    start = name.encode() + b"="

    def read_cookie(request: RequestHead, _captures: Captures, _peer: str) -> bytes | None:
        cookies = request.header(b"cookie")
        if cookies is None:
            return None
        value = find_cookie(cookies, start)
        if value is None:  # RFC 6265 allows one Cookie field only, but some proxies send several
            more = request.fields.all(b"cookie")[1:]
            value = next((found for field in more if (found := find_cookie(field, start)) is not None), None)
        return value

    return read_cookie


def find_cookie(cookies: bytes, start: bytes) -> bytes | None:
    """The value of the first cookie that begins with ``start`` (``name=``) in a Cookie field; None when absent."""
    at = cookies.find(start)
    while at >= 0:
        before = cookies[:at].rstrip(_BLANK)
        if not before or before.endswith(b";"):
            return cookies[at + len(start) :].partition(b";")[0].strip(_BLANK)
        at = cookies.find(start, at + 1)
    return None


def _compile_query(name: str) -> Read:
    wanted = name.encode()

    def read_query(request: RequestHead, _captures: Captures, _peer: str) -> bytes | None:
        for pair in request.query.split(b"&"):
            given, _, value = pair.partition(b"=")
            if given == wanted or ((b"%" in given or b"+" in given) and decode_form(given) == wanted):
                return value.strip(_BLANK)
        return None

    return read_query


def decode_form(text: bytes) -> bytes:
    """Undo application/x-www-form-urlencoded: ``+`` is a space, ``%41`` an A."""
    return unquote_to_bytes(text.replace(b"+", b" "))


def _compile_path(name: str) -> Read:
    def read_path(_request: RequestHead, captures: Captures, _peer: str) -> bytes | None:
        value = captures.get(name)
        return value and value.strip(_BLANK)

    return read_path


def _compile_claim(name: str) -> Read:
    def read_jwt(request: RequestHead, _captures: Captures, _peer: str) -> bytes | None:
        token = find_token(request)
        return None if token is None else read_claim(token, name)

    return read_jwt


def _compile_believed_claim(name: str, believe: Believe) -> Read:
    def read_believed(request: RequestHead, _captures: Captures, _peer: str) -> bytes | None:
        token = find_token(request)
        return read_claim(token, name) if token is not None and believe(token) else None

    return read_believed


def find_token(request: RequestHead) -> bytes | None:
    """The bearer token of a request (RFC 6750, section 2.1); None when there is none."""
    authorization = request.header(b"authorization")
    if authorization is None or authorization[:7].lower() != b"bearer ":
        return None
    return authorization[7:].strip(_BLANK)


def read_claim(token: bytes, name: str) -> bytes | None:
    """The claim ``name`` of a JSON Web Token (RFC 7519, compact form), unverified; None when it can't be read."""
    parts = token.split(b".")
    if len(parts) != _TOKEN_PARTS:
        return None
    payload = parts[1].rstrip(b"=").translate(_FROM_URL)
    try:
        claims = _claims.decode(a2b_base64(payload + b"=" * (-len(payload) % 4), strict_mode=True))
        claim = _find_claim(claims, name)
        return None if claim is None else _read_scalar(bytes(claim))
    except (Base64Error, DecodeError, UnicodeError, RecursionError):
        return None  # hostile or broken: as if there were none


def _find_claim(claims: dict[str, Raw], name: str) -> Raw | None:
    if name in claims or "." not in name:
        return claims.get(name)
    outer, _, inner = name.partition(".")
    return _find_claim(_claims.decode(claims[outer]), inner) if outer in claims else None


def _read_scalar(claim: bytes) -> bytes | None:
    if claim[:1] == b'"':
        return _text.decode(claim).strip().encode()
    return claim if claim[0] in _NUMBER else None


def _compile_client_ip(trusted: TrustedNetworks) -> Read:
    def read_client_ip(request: RequestHead, _captures: Captures, peer: str) -> bytes | None:
        forwarded = request.fields.forwarded
        listed = None if forwarded is None else forwarded.get(b"x-forwarded-for")
        return trusted.find_client(listed, peer).encode()

    return read_client_ip


_COMPILERS: dict[KeyKind, Callable[[str], Read]] = {
    KeyKind.HEADER: _compile_header,
    KeyKind.COOKIE: _compile_cookie,
    KeyKind.QUERY: _compile_query,
    KeyKind.PATH: _compile_path,
    KeyKind.JWT: _compile_claim,
}
