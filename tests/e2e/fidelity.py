"""Requests of every shape, and what the candidate got of each: the same bytes, but for the fields that are documented.

Bodies may be framed otherwise than they came, in chunks of other sizes; what is in them must be the same, trailers
included. All else of a request is compared as raw bytes.
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from tests.e2e.gateway import Gateway
from tests.e2e.shop import Asked, Said, say, shop
from tests.e2e.users import await_comparing, await_copies, settled_of, totals_of
from tests.e2e.wire import Client, connected

if TYPE_CHECKING:
    from types import TracebackType

CONFIGURATION: Final = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, limits: {{header_bytes: 64KiB}}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {new}}}
rollouts: {{shop: {{key: header:X-User-ID, percent: 0}}}}
routes:
  - name: all
    match: /**
    baseline: legacy
    candidate: new
    rollout: shop
    shadow: {{percent: 100, methods: [{methods}], concurrency: 10000, body: 256KiB}}
"""
METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
BODILESS: Final = frozenset({"HEAD", "OPTIONS"})
SEGMENTS: Final = ("a", "%2F", "%2e", "caf%C3%A9", "~;v=1", "", "%F0%9F%A6%9C", "(x)", "%00", "a%20b", "@:!$&'*+,=")
QUERIES: Final = ("", "?", "?a=%20&b=c?d", "?q=%26%3D&&", "?a[]=1&a[]=2", "?%ff=%zz", "?x=/../y")
NAMES: Final = (
    "X-Odd",
    "x-odd",
    "X-ODD",
    "accept",
    "Cookie",
    "COOKIE",
    "User-agent",
    "X_Under",
    "x.dot",
    "Authorization",
)
VALUES: Final = (b"", b"1", b"a, b,,c", b'"q; d"', b"caf\xc3\xa9 \xff\xfe", b"  two  blanks", b"\ttab\t", b"x" * 3000)
LONGEST_BODY: Final = 6000


class Sent(NamedTuple):
    """One request, as its client writes it."""

    name: str
    """Its request ID."""
    method: str
    target: str
    lines: tuple[bytes, ...]
    """The fields that pass as they are."""
    content: bytes = b""
    trailers: bytes = b""
    chunks: tuple[int, ...] = ()
    """The sizes of chunks; none: its length is among the lines, if it has a body."""

    @property
    def raw(self) -> bytes:
        """All of it."""
        framing = (b"Transfer-Encoding: chunked",) if self.chunks else ()
        lines = (*self.lines, *framing, b"x-request-id: " + self.name.encode())
        head = f"{self.method} {self.target} HTTP/1.1\r\n".encode() + b"\r\n".join(lines) + b"\r\n\r\n"
        return head + (self._chunked() if self.chunks else self.content)

    def _chunked(self) -> bytes:
        framed, start = b"", 0
        for size in self.chunks:
            framed += b"%x;ext=1\r\n%b\r\n" % (size, self.content[start : start + size])
            start += size
        return framed + b"0\r\n" + self.trailers + b"\r\n"


def invent(dice: random.Random, name: str) -> Sent:
    """A request that is odd, but right."""
    method = dice.choice(METHODS)
    target = "/" + "/".join(dice.choices(SEGMENTS, k=dice.randrange(4))) + dice.choice(QUERIES)
    names = dice.sample(NAMES, k=len(NAMES))[: dice.randrange(len(NAMES))]
    values = (dice.choice(VALUES) for _ in names)
    own = [name.encode() + b":" + dice.choice((b"", b" ")) + value for name, value in zip(names, values, strict=True)]
    lines = [b"hOsT: shop.example", b"X-User-ID: user-%d" % dice.randrange(9), *own, *own[:1]]
    if dice.random() < 0.1:
        lines.append(b"Idempotency-key: own-" + name.encode())
    dice.shuffle(lines)
    sent = Sent(name, method, target, tuple(lines))
    return sent if method in BODILESS or dice.random() < 0.2 else _give_body(dice, sent)


def _give_body(dice: random.Random, sent: Sent) -> Sent:
    content = dice.randbytes(dice.choice((0, 1, 100, dice.randrange(LONGEST_BODY))))
    if not content or dice.random() < 0.5:
        return sent._replace(content=content, lines=(*sent.lines, b"content-LENGTH: %d" % len(content)))
    first = dice.randrange(1, len(content) + 1)
    sizes = tuple(size for size in (first, len(content) - first) if size)
    trailers = b"X-Sum: 7\r\nx-sum: \xff\r\n" if dice.random() < 0.5 else b""
    return sent._replace(content=content, chunks=sizes, trailers=trailers)


def find_changes(sent: Sent, copy: Asked) -> list[str]:
    """What of a request is not as it was sent, where it should be."""
    count = len(sent.lines)
    parts = {
        "method": (sent.method.encode(), copy.method),
        "target": (sent.target.encode(), copy.target),
        "fields": ([*sent.lines], copy.lines[:count]),
        "fields that are added": (sorted(_list_added(sent)), sorted(copy.lines[count:])),
        "body": (sent.content, copy.content),
        "trailers": (sent.trailers, copy.trailers),
    }
    return [f"{sent.name}: {part}: {ours!r} != {theirs!r}" for part, (ours, theirs) in parts.items() if ours != theirs]


def _list_added(sent: Sent) -> list[bytes]:
    """The documented fields: what users' requests get, the candidate's arm, the mark of a copy, a write's key."""
    added = [b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http", b"X-Forwarded-Host: shop.example"]
    added += [b"X-Crossfade-Route: all", b"X-Crossfade-Arm: candidate", b"X-Crossfade-Shadow: 1"]
    added += [b"X-Request-ID: " + sent.name.encode()]
    if sent.chunks:
        added.append(b"Transfer-Encoding: chunked")
    if sent.method not in SAFE and not any(line.lower().startswith(b"idempotency-key:") for line in sent.lines):
        added.append(b"Idempotency-Key: " + sent.name.encode())
    return added


def answer(asked: Asked) -> Said:
    """Both arms answer alike."""
    return say(b"ok", is_head=asked.method == b"HEAD")


class Mirror:
    """A gateway that copies everything, and both shops behind it."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._folder = folder

    def __enter__(self) -> Self:
        self.baseline, self.candidate = (self._stack.enter_context(shop(answer)) for _ in range(2))
        text = CONFIGURATION.format(legacy=self.baseline.url, new=self.candidate.url, methods=", ".join(METHODS))
        self.gateway = self._stack.enter_context(Gateway(text, self._folder))
        await_comparing(self.gateway, "/", "all")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def run(self, count: int, seed: int) -> list[str]:
        """Send so many requests; what of them is not with the candidate as it should be."""
        dice = random.Random(seed)
        sent = [invent(dice, f"fidelity-{seed}-{number}") for number in range(count)]
        before = settled_of(totals_of(self.gateway, "all"))
        with connected(self.gateway) as client:
            for each in sent:
                _ask(client, each)
        totals = await_copies(self.gateway, "all", before + count)
        copies = {copy.text("X-Request-ID"): copy for copy in self.candidate.asked}
        lacking = [f"{each.name}: no copy; {totals}" for each in sent if each.name not in copies]
        changes = [change for each in sent if each.name in copies for change in find_changes(each, copies[each.name])]
        return lacking + changes


def _ask(client: Client, sent: Sent) -> None:
    message = client.ask(sent.raw)
    assert message.first == b"200", (sent.name, message.body)
