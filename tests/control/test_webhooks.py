"""Webhooks, asked over a real socket."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

import aiohttp
import pytest

from gateway.control.webhooks import MOST_READ_BYTES, ask_webhook, sign
from gateway.core.plans import Webhook
from gateway.core.verdicts import Judgement, Verdict
from tests.control.outside import Outside, outside

BODY = b'{"rollout":"shop"}'


async def ask(hook: Outside, secret: str = "") -> Judgement:
    async with aiohttp.ClientSession() as session:
        return await ask_webhook(session, Webhook(f"{hook.url}/approve", secret=secret), BODY, 1_700_000_000)


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_every_2xx_passes(status: int) -> None:
    """A webhook agrees by any status that means success."""
    async with outside(status=status) as hook:
        judgement = await ask(hook)

    assert judgement.verdict is Verdict.OK
    (question,) = hook.questions
    assert (question.method, question.path, question.body) == ("POST", "/approve", BODY)
    assert question.headers["Content-Type"] == "application/json"


async def test_another_status_is_broken_and_its_words_are_the_reason() -> None:
    """Who refuses can say why, and it reaches the operator on one line."""
    async with outside(status=409, text="release freeze\nuntil Monday\x1b[31m") as hook:
        judgement = await ask(hook)

    assert judgement.verdict is Verdict.BROKEN
    assert judgement.reason == "it answered 409: release freeze until Monday[31m"


async def test_what_is_no_text_is_not_shown() -> None:
    """Nobody wants an image in the audit log."""
    async with outside(status=500, text="\x00\x01", content_type="image/png") as hook:
        judgement = await ask(hook)

    assert judgement.reason == "it answered 500"


async def test_a_redirect_is_not_followed() -> None:
    """The question, and its signature, go to nobody but the one that is configured."""
    async with outside(status=302, headers={"Location": "/elsewhere"}) as hook:
        judgement = await ask(hook)

    assert (judgement.verdict, len(hook.questions)) == (Verdict.BROKEN, 1)


async def test_a_long_answer_is_read_no_further_than_its_beginning() -> None:
    """An endless answer costs neither memory nor time."""
    async with outside(status=403, text="no " * MOST_READ_BYTES) as hook:
        judgement = await ask(hook)

    assert judgement.reason.startswith("it answered 403: no no no")
    assert len(judgement.reason) < 250


async def test_with_a_secret_the_receiver_can_tell_who_asks_and_when() -> None:
    """The signature is the HMAC of the timestamp, a full stop and the body, as documented."""
    async with outside() as hook:
        await ask(hook, secret="s3cret")

    headers = hook.questions[0].headers
    expected = hmac.new(b"s3cret", b"1700000000." + BODY, hashlib.sha256).hexdigest()
    assert headers["X-Crossfade-Timestamp"] == "1700000000"
    assert headers["X-Crossfade-Signature"] == f"sha256={expected}"


def test_without_a_secret_nothing_is_signed() -> None:
    """An empty key would sign for anybody."""
    assert sign(BODY, "", 1) == {}


def test_the_same_question_at_another_time_has_another_signature() -> None:
    """An old question can't be played again under a fresh timestamp."""
    assert sign(BODY, "k", 1)["X-Crossfade-Signature"] != sign(BODY, "k", 2)["X-Crossfade-Signature"]


async def test_words_in_several_packets_that_break_off_are_shown_all_the_same() -> None:
    """Half a reason is better than none."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in (
            b"HTTP/1.1 409 No\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\n",
            b"release ",
            b"freeze",
        ):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        judgement = await ask(Outside(f"http://127.0.0.1:{port}"))

    assert judgement.reason == "it answered 409: release freeze"
