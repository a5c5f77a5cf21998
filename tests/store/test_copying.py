"""What is copied is equal afterwards, whichever way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.core.fleet import Presence
from gateway.store import Store, open_fleet, open_store
from gateway.store.copying import Copied, copy, is_empty
from tests.store.records import event, incident, path_record, progress


async def fill(store: Store) -> None:
    """Some of everything, more than a page of each."""
    for number in range(30):
        name = f"r{number % 3}"
        await store.commit(
            name, progress(float(number), version=number + 5), event(rollout=name), incident(f"i{number:02}")
        )
    for _ in range(520):
        await store.record(event(rollout=None, kind="config"))
    await store.keep_mismatches([path_record(f"/{number}") for number in range(210)])


async def holdings(store: Store) -> list[object]:
    """All that it has."""
    mismatches = sorted(await store.mismatches(), key=lambda each: each.tally.path)
    newest = [await store.newest(kind) for kind in ("config", "percent", "none")]
    of_one = await store.events(rollout="r1"), await store.incidents(rollout="r1")
    return [
        await store.progresses(),
        await store.events(limit=1000),
        await store.incidents(),
        mismatches,
        newest,
        of_one,
    ]


@pytest.mark.parametrize("kind", ["redis", "redis+cluster"])
async def test_there_and_back_again_is_as_it_was(tmp_path: Path, url_of: Callable[[str], str], kind: str) -> None:
    """State with its versions, events with their ids, incidents, and what comparing has found."""
    urls = (url_of("sqlite"), url_of(kind), f"sqlite:{tmp_path / 'back.db'}")
    first, second, third = stores = [open_store(url) for url in urls]
    await fill(first)
    told = []

    assert await copy(first, second, lambda *each: told.append(each)) == Copied(550, 30, 210, 3)
    await copy(second, third, lambda *_: None)

    assert await holdings(second) == await holdings(first)
    assert await holdings(third) == await holdings(first)
    assert [(await store.record(event())).id for store in stores] == [551] * 3
    assert told[0] == ("events", 500)
    assert told[-1] == ("rollouts", 3)
    for store in stores:
        await store.close()


async def test_empty_is_what_has_nothing_of_any_kind(tmp_path: Path) -> None:
    """Numbers of events that are no more are nothing."""
    store = open_store(f"sqlite:{tmp_path / 'state.db'}")
    assert await is_empty(store)
    for fill_one in (
        store.keep({"a": progress()}), store.record(event()), store.load([], [incident()]),
        store.keep_mismatches([path_record()]),
    ):  # fmt: skip
        await fill_one
        assert not await is_empty(store)
        await store.clear()
        assert await is_empty(store)
    await store.close()


def test_the_command_moves_a_gateway_to_redis(
    tmp_path: Path, url_of: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line before, one line after."""
    source, target = url_of("sqlite"), url_of("redis")

    async def begin() -> None:
        store = open_store(source)
        await fill(store)
        await store.close()

    asyncio.run(begin())
    with pytest.raises(SystemExit) as ended:
        main(["store", "copy", source, target])

    assert (ended.value.code, capsys.readouterr().out) == (
        0,
        "copied 550 events, 30 incidents, 210 mismatches, 3 rollouts\n",
    )


async def begin(source: str, running: str) -> None:
    """A store with a rollout, and one on which a gateway has just been heard of."""
    store, fleet = open_store(source), open_fleet(running)
    assert fleet is not None
    await store.keep({"checkout": progress()})
    here = Presence(host="a", admin="", version="1", revision="", workers=1, ready=True, started_at=0.0)
    await fleet.report("a-1", here, None, lease_seconds=0.0, known_fence=0)
    await store.close()
    await fleet.close()


def copy_by_command(*args: str) -> object:
    """The exit status of `crossfade store copy`."""
    with pytest.raises(SystemExit) as ended:
        main(["store", "copy", *args])
    return ended.value.code


def test_the_command_leaves_a_store_alone_on_which_gateways_run(
    url_of: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """They would write over the copy what they know; who insists is told who they are all the same."""
    source, target = url_of("sqlite"), url_of("redis")
    asyncio.run(begin(source, target))
    said = f"crossfade: 1 gateway runs on {target}: a-1; "

    assert copy_by_command(source, target) == 1
    assert capsys.readouterr().err == f"{said}stop them first: they write into it again what they know\n"
    assert copy_by_command(source, target, "--force") == 0
    assert capsys.readouterr().err == f"{said}they write into it again what they know\n"


def test_the_command_makes_a_backup_while_gateways_run(
    url_of: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It says that it may lack something, and why."""
    source, target = url_of("redis"), url_of("sqlite")
    asyncio.run(begin(source, source))

    assert copy_by_command(source, target) == 0
    out, err = capsys.readouterr()
    assert out == "copied 0 events, 0 incidents, 0 mismatches, 1 rollout\n"
    assert (
        err == f"crossfade: 1 gateway runs on {source}: a-1; what they write meanwhile may be missing from the copy\n"
    )
