"""Writes that the candidate alone answers are kept before their clients hear of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from mmh3 import hash64
from msgspec.structs import replace

from gateway.core.shadowing import Journal
from gateway.core.types import Arm, Breaker, Held, Rewrite
from gateway.journal.reading import merge
from gateway.journal.records import Entry, Taken
from gateway.journal.segments import list_segments
from gateway.journal.writer import JournalWriter
from gateway.proxy.journaling import Journaling
from tests.proxy.mirror import Shelf, post, shadow
from tests.proxy.pair import ALWAYS, ERROR, FAILOVER, Pair, connect, pair_table
from tests.proxy.wiring import OK, MemoryTransport, Wires, until

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nnew"
CLOSING = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nConnection: close\r\n\r\nnew"
UNBOUNDED = b"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\nnew"
REFUSED = b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY_BYTES = 100
NOW = 1_700_000_000.5


class Kept(Pair):
    """A plane whose candidate answers everybody, and the journal of its writes."""

    def __init__(self, root: Path, *, rewrites: tuple[Rewrite, ...] = (), **changes: Any) -> None:
        policy = Journal(frozenset({"POST", "DELETE"}), BODY_BYTES, 3600.0, 1_000_000, drops_when_full=False)
        fields = {name: changes.pop(name) for name in ("breaker", "failover", "shadow") if name in changes}
        rules = pair_table(**fields)
        route = replace(rules.routes[0], journal=replace(policy, **changes), rewrites=rewrites)
        self.root = root
        self.writer = JournalWriter(root, 0, asyncio.get_running_loop())
        self.shelf = Shelf()
        Wires.__init__(self, replace(rules, routes=(route,)), self.shelf, Journaling(self.writer, lambda: NOW))
        self._passed_seconds = 0.0
        self.clients = []
        self.candidate, self.to_candidate = self.connection("new")
        self.baseline, self.to_baseline = self.connection("legacy")

    async def answered(self, client: MemoryTransport) -> bytes:
        """What the client gets."""
        await until(lambda: client.written, asyncio.get_running_loop())
        return client.written

    def records(self) -> list[Entry | Taken]:
        """All that the journal has, once it is closed."""
        self.writer.close()
        found = merge(list_segments(self.root / "all"), [])
        return [record for record in found if isinstance(record, Entry | Taken)]

    def entry(self) -> Entry:
        """The only one."""
        (entry,) = self.records()
        assert isinstance(entry, Entry)
        return entry

    def reasons(self) -> list[str]:
        """Why requests went where they went."""
        return [answer.reason for figures in self.take().values() for answer in figures.answers]


@pytest.fixture
async def kept(tmp_path: Path):
    """The usual journal."""
    desk = Kept(tmp_path)
    yield desk
    desk.writer.close()


async def test_the_answer_waits_until_the_journal_has_the_write(kept: Kept) -> None:
    """Who was told that a write is done finds it in the journal, whatever dies then."""
    client = kept.send(post(b"hello"))
    kept.candidate.data_received(CREATED)
    assert not client.written
    assert not kept.to_candidate.is_reading

    assert (await kept.answered(client)).startswith(b"HTTP/1.1 201 Created\r\n")
    assert client.written.endswith(b"\r\n\r\nnew")
    assert kept.to_candidate.is_reading
    assert kept.entry().body == b"hello"


async def test_an_answer_that_comes_in_pieces_is_whole(kept: Kept) -> None:
    """What follows the head comes behind it."""
    client = kept.send(post())
    kept.candidate.data_received(CREATED[:-2])
    await kept.answered(client)
    kept.candidate.data_received(CREATED[-2:])
    assert client.written.endswith(b"\r\n\r\nnew")
    kept.send(post())
    kept.candidate.data_received(CREATED)


@pytest.mark.parametrize("answer", [CREATED, CLOSING, UNBOUNDED])
async def test_an_answer_is_whole_though_its_connection_ends_while_it_is_held(kept: Kept, answer: bytes) -> None:
    """Over TLS the end of a connection comes with the last bytes, whether or not anybody reads."""
    client = kept.send(post())
    kept.candidate.data_received(answer)
    kept.candidate.eof_received()
    kept.candidate.connection_lost(None)
    assert not client.written

    written = await kept.answered(client)
    assert written.startswith(b"HTTP/1.1 201 Created\r\n")
    assert written.endswith(b"\r\n\r\n3\r\nnew\r\n0\r\n\r\n" if answer is UNBOUNDED else b"\r\n\r\nnew")
    assert not client.is_closed
    assert kept.pool_of("new").endpoints[0].in_flight == 0
    (figures,) = kept.take().values()
    assert figures.errors == {}


async def test_an_answer_that_breaks_off_while_it_is_held_is_broken_off(kept: Kept) -> None:
    """Nobody takes the beginning for the whole; the write is in the journal all the same."""
    client = kept.send(post())
    kept.candidate.data_received(CREATED[:-1])
    kept.candidate.connection_lost(None)
    assert client.is_aborted
    assert client.written == b""
    assert kept.entry().status == 201


async def test_an_entry_is_what_the_baseline_would_get(tmp_path: Path) -> None:
    """Rewritten for it, without what proves who the client is, and without what is written anew."""
    kept = Kept(tmp_path, rewrites=(Rewrite(Arm.BASELINE, "/v1/**", (("X-Old", "1"),), ()),))
    secrets = b"Authorization: Bearer s3cret\r\nCookie: session=s3cret\r\nProxy-Authorization: s3cret\r\n"
    fields = b"Idempotency-Key: k1\r\nX-Request-ID: id-1\r\ntraceparent: 00-x\r\nExpect: 100-continue\r\n"
    client = kept.send(post(b"hello", path=b"/a?b=1", fields=secrets + fields))
    kept.candidate.data_received(CREATED)
    await kept.answered(client)

    entry = kept.entry()
    assert (entry.method, entry.target, entry.status) == ("POST", b"/v1/a?b=1", 201)
    assert (entry.request_id, entry.route, entry.rollout) == ("id-1", "all", "shop")
    assert entry.time_ns == int(NOW * 1e9)
    assert entry.key == hash64(b"127.0.0.1", signed=False)[0]
    names = [line.split(b":")[0].lower() for line in entry.head.split(b"\r\n") if line]
    expected = [b"host", b"x-user-id", b"idempotency-key", b"x-old", b"x-forwarded-for", b"x-forwarded-proto"]
    assert sorted(names) == sorted([*expected, b"x-forwarded-host"])
    assert entry.head.endswith(b"\r\n")


@pytest.mark.parametrize("answer", [REFUSED, ERROR])
async def test_what_the_candidate_refused_or_failed_is_not_kept(kept: Kept, answer: bytes) -> None:
    """As far as the client knows it did not happen."""
    client = kept.send(post())
    kept.candidate.data_received(answer)
    assert client.written
    assert kept.records() == []


async def test_methods_that_are_not_listed_are_not_kept(kept: Kept) -> None:
    """Reads change nothing."""
    client = kept.ask()
    kept.candidate.data_received(OK)
    assert client.written
    assert kept.records() == []


async def test_a_write_without_a_body_is_kept(kept: Kept) -> None:
    """A DELETE says all in its head."""
    client = kept.ask(method=b"DELETE")
    kept.candidate.data_received(CREATED)
    await kept.answered(client)
    assert (kept.entry().method, kept.entry().body) == ("DELETE", b"")


async def test_a_write_that_is_too_long_goes_to_the_baseline(kept: Kept) -> None:
    """Nothing that the journal can't have is answered by the candidate alone."""
    client = kept.send(post(b"x" * (BODY_BYTES + 1)))
    kept.baseline.data_received(OK)
    assert client.written.endswith(b"ok")
    assert kept.to_baseline.written.endswith(b"\r\n\r\n" + b"x" * (BODY_BYTES + 1))
    assert not kept.to_candidate.written
    assert kept.reasons() == ["journal"]


async def test_a_chunked_write_is_collected_before_it_is_sent(kept: Kept) -> None:
    """How long it is decides where it goes; what came with its head belongs to it."""
    client = kept.send(CHUNKED + b"5\r\nhello\r\n")
    assert not kept.to_candidate.written
    kept.clients[0].data_received(b"6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n")
    assert kept.to_candidate.written.endswith(b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n")
    kept.candidate.data_received(CREATED)
    await kept.answered(client)
    assert kept.entry().body == b"hello world"


async def test_a_chunked_write_that_comes_with_its_head_is_kept(kept: Kept) -> None:
    """All in one read."""
    client = kept.send(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")
    kept.candidate.data_received(CREATED)
    await kept.answered(client)
    assert kept.entry().body == b"hello"


async def test_a_chunked_write_that_gets_too_long_goes_to_the_baseline_as_a_whole(kept: Kept) -> None:
    """With what came before that was known, and what comes after."""
    client = kept.send(CHUNKED + b"40\r\n" + b"a" * 64 + b"\r\n")
    kept.clients[0].data_received(b"40\r\n" + b"b" * 64 + b"\r\n")
    kept.clients[0].data_received(b"1\r\nc\r\n0\r\n\r\n")
    body = kept.to_baseline.written.partition(b"\r\n\r\n")[2]
    assert body == b"40\r\n" + b"a" * 64 + b"\r\n40\r\n" + b"b" * 64 + b"\r\n1\r\nc\r\n0\r\n\r\n"
    kept.baseline.data_received(OK)
    assert client.written.endswith(b"ok")
    assert not kept.to_candidate.written
    assert (kept.reasons(), kept.records()) == (["journal"], [])


async def test_a_write_that_is_collected_during_a_rollback_goes_to_the_baseline(kept: Kept) -> None:
    """However long its body takes to come, the candidate gets nothing more after that."""
    client = kept.send(CHUNKED + b"5\r\nhello\r\n")
    rules = kept.plane.generation.table
    kept.adopt(replace(rules, revision="2", rollouts=(replace(ALWAYS, percent=50.0),)))
    kept.clients[0].data_received(b"1\r\n!\r\n")
    kept.adopt(replace(rules, revision="3", rollouts=(replace(ALWAYS, held=Held.ROLLED_BACK),)))
    kept.clients[0].data_received(b"0\r\n\r\n")
    kept.baseline.data_received(OK)

    assert client.written.endswith(b"ok")
    assert not kept.to_candidate.written
    assert kept.reasons() == ["rolled_back"]


async def test_a_write_that_is_too_long_for_the_journal_is_kept_nowhere(kept: Kept) -> None:
    """Memory per request does not grow with its body, once the baseline is there to take it."""
    kept.send(CHUNKED + b"40\r\n" + b"a" * 64 + b"\r\n")
    for _ in range(10):
        kept.clients[0].data_received(b"40\r\n" + b"b" * 64 + b"\r\n")
    exchange = kept.clients[0].exchange
    assert exchange is not None
    assert kept.to_baseline.written.count(b"b" * 64) == 10
    assert exchange.kept is None


@pytest.mark.parametrize("answer", [OK, ERROR])
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_write_that_the_journal_sends_to_the_baseline_is_no_probe(
    tmp_path: Path, answer: bytes, framing: str
) -> None:
    """It shows nothing of a candidate that rests, and the next request may be the probe."""
    kept = Kept(tmp_path, breaker=Breaker(1, 10.0))
    kept.ask()
    kept.candidate.data_received(ERROR)
    breaker = kept.plane.generation.breakers.find("all")
    assert breaker is not None
    assert breaker.is_open
    kept.plane.generation.breakers.clock = lambda: monotonic() + 11.0
    body = b"x" * (BODY_BYTES + 1)
    kept.send(post(body) if framing == "length" else CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    kept.baseline.data_received(answer)

    assert breaker.is_open
    kept.take_asked()
    kept.ask()
    assert kept.asked_candidate() == 1


async def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(kept: Kept) -> None:
    """There is no backend yet that could give it (RFC 9110, section 10.1.1)."""
    client = kept.send(CHUNKED[:-2] + b"Expect: 100-continue\r\n\r\n")
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    kept.clients[0].data_received(b"1\r\na\r\n0\r\n\r\n")
    assert kept.asked_candidate() == 1


async def test_a_client_that_leaves_while_its_body_is_collected_leaves_nothing(kept: Kept) -> None:
    """Nobody was sent anything."""
    kept.send(CHUNKED + b"5\r\nhello\r\n")
    kept.clients[0].connection_lost(None)
    assert not kept.to_candidate.written
    assert kept.plane.generation.in_flight == 0


async def test_a_client_that_leaves_before_its_answer_has_written_all_the_same(kept: Kept) -> None:
    """The candidate has taken the write, so the journal has it."""
    kept.send(post())
    kept.candidate.data_received(CREATED)
    kept.clients[0].connection_lost(None)
    assert kept.entry().status == 201
    await until(lambda: kept.writer.written, asyncio.get_running_loop())


@pytest.mark.parametrize("drops", [False, True])
async def test_a_full_journal_has_a_rule(tmp_path: Path, drops: bool) -> None:
    """Writes go to the baseline while it is full, or are not kept, and counted."""
    kept = Kept(tmp_path, size_bytes=1, drops_when_full=drops)
    first = kept.send(post())
    kept.candidate.data_received(CREATED)
    await kept.answered(first)
    assert kept.writer.is_full("all")
    kept.take()
    dropped = kept.writer.dropped

    second = kept.send(post())
    (kept.candidate if drops else kept.baseline).data_received(OK)
    assert second.written.endswith(b"ok")
    assert kept.writer.dropped == dropped + drops
    assert kept.reasons() == (["split"] if drops else ["journal"])
    assert kept.records() == []


async def test_what_the_baseline_answered_in_the_candidates_place_is_not_kept(tmp_path: Path) -> None:
    """After a failover the baseline has it."""
    failover = replace(FAILOVER, methods=frozenset({"POST"}))
    kept = Kept(tmp_path, failover=failover)
    client = kept.send(post(b"hello"))
    kept.candidate.data_received(ERROR)
    assert kept.to_baseline.written.endswith(b"\r\n\r\nhello")
    kept.baseline.data_received(OK)
    assert client.written.endswith(b"ok")
    assert kept.records() == []


async def test_an_answer_that_comes_before_the_body_is_counted_as_not_kept(kept: Kept) -> None:
    """Half a write can't be replayed."""
    client = kept.send(post(b"hello")[:-2])
    kept.candidate.data_received(CREATED)
    assert client.written
    assert (kept.writer.dropped, kept.records()) == (1, [])


async def test_the_latency_is_the_candidates_not_the_journals(kept: Kept) -> None:
    """Guards must not see the disk."""
    client = kept.send(post())
    exchange = kept.clients[0].exchange
    assert exchange is not None
    kept.candidate.data_received(CREATED)
    exchange.header_at = exchange.sent_at - 7.0  # nothing that comes later gives this
    await kept.answered(client)
    (figures,) = kept.take().values()
    assert figures.latency_seconds == pytest.approx(-7.0)


async def test_a_write_that_was_copied_to_the_baseline_is_marked(tmp_path: Path) -> None:
    """With both directions of double writes there is nothing to replay."""
    both = shadow(both=True, methods=frozenset({"POST"}))
    kept = Kept(tmp_path, shadow=both)
    assert kept.plane.generation.copies is not None
    lane = kept.plane.generation.copies.find_lane("all", is_candidate=False)
    assert lane is not None
    copied, _ = connect(lane.pool)
    client = kept.send(post(b"hello"))
    kept.candidate.data_received(CREATED)
    await kept.answered(client)
    copied.data_received(OK)

    entry, taken = kept.records()
    assert isinstance(entry, Entry)
    assert isinstance(taken, Taken)
    assert taken.id == entry.id
