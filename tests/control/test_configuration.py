"""A text is taken whole or not at all."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.control.configuration import Accepted, Configuration, fixed_differences
from gateway.core.types import Table
from gateway.errors import LinkError, Problem
from gateway.settings.load import load_text
from tests.control.texts import BROKEN, GOOD, OTHER, source

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 13, tzinfo=UTC)


def make_certificate(folder: Path) -> None:
    """ca.pem, with openssl."""
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem"]
    subprocess.run([*request, *files], cwd=folder, check=True, capture_output=True)


class Bench:
    """A configuration, and what it published and kept."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.published: list[Table] = []
        self.kept: list[Accepted] = []
        self.configuration = Configuration(source(folder, **env), self.published.append, self.kept.append)

    async def take(self, text: str, now: datetime = NOON) -> bool:
        """Offer a text."""
        return await self.configuration.take(text.encode(), now)


async def test_a_good_text_is_published_and_kept(tmp_path: Path) -> None:
    """Once each, and it is what is in force."""
    bench = Bench(tmp_path)

    assert await bench.take(GOOD)
    assert [table.rollouts[0].percent for table in bench.published] == [5]
    assert bench.configuration.accepted == bench.kept[0]
    assert bench.kept[0].loaded_at == NOON


async def test_a_bad_text_changes_nothing_but_the_problems(tmp_path: Path) -> None:
    """The former one stays in force, to the byte."""
    bench = Bench(tmp_path)
    await bench.take(GOOD)

    assert not await bench.take(BROKEN)
    assert len(bench.published) == len(bench.kept) == 1
    assert bench.configuration.accepted is bench.kept[0]
    assert [problem.path for problem in bench.configuration.problems] == ["rollouts.shop.percent"]
    assert not bench.configuration.last_reload_ok


async def test_the_same_text_again_publishes_nothing(tmp_path: Path) -> None:
    """Workers are not bothered, the time of loading stays, and old problems are forgotten."""
    bench = Bench(tmp_path)
    await bench.take(GOOD)
    await bench.take(BROKEN)

    assert await bench.take(GOOD, LATER)
    assert len(bench.published) == 1
    assert bench.kept[-1].loaded_at == NOON
    assert bench.configuration.problems == []


async def test_problems_are_logged_once(tmp_path: Path) -> None:
    """A file that is tried again every few seconds does not fill the log."""
    bench = Bench(tmp_path)
    with capture_logs() as logs:
        await bench.take(BROKEN)
        await bench.configuration.retry(LATER)

    assert [record["event"] for record in logs] == ["configuration_refused"]
    assert "rollouts.shop.percent" in logs[0]["problems"][0]


async def test_a_refused_text_is_taken_when_what_it_misses_appears(tmp_path: Path) -> None:
    """A certificate may be mounted after the configuration that names it."""
    bench = Bench(tmp_path)
    await bench.take(GOOD)
    with_ca = GOOD.replace("new: http://127.0.0.1:2", "new: {endpoints: https://127.0.0.1:2, tls: {ca: ca.pem}}")
    assert not await bench.take(with_ca)
    make_certificate(tmp_path)
    await bench.configuration.retry(LATER)

    assert bench.configuration.last_reload_ok
    assert len(bench.published) == 2


async def test_without_a_refused_text_there_is_nothing_to_retry(tmp_path: Path) -> None:
    """All is well: nothing is loaded."""
    bench = Bench(tmp_path)
    await bench.configuration.retry(NOON)

    assert bench.configuration.accepted is None


async def test_a_table_that_no_link_carries_is_refused(tmp_path: Path) -> None:
    """What workers can't be given is not in force."""

    def refuse(_table: Table) -> None:
        raise LinkError("too large")

    kept: list[Accepted] = []
    configuration = Configuration(source(tmp_path), refuse, kept.append)

    assert not await configuration.take(GOOD.encode(), NOON)
    assert configuration.problems == [Problem(0, 0, "", "too large")]
    assert (configuration.accepted, kept) == (None, [])


async def test_a_recovered_configuration_stands_beside_the_files_problems(tmp_path: Path) -> None:
    """What was kept is in force since then, and the file is still the one that is tried again."""
    bench = Bench(tmp_path)
    await bench.take(BROKEN)
    problems = bench.configuration.problems
    await bench.configuration.recover(GOOD.encode(), NOON, problems)

    assert bench.kept[-1].loaded_at == NOON
    assert bench.configuration.problems == problems
    assert bench.configuration.holds(BROKEN.encode())


async def test_it_knows_what_is_nothing_new(tmp_path: Path) -> None:
    """The text in force when all is well, the refused one when not."""
    bench = Bench(tmp_path)
    assert not bench.configuration.holds(GOOD.encode())
    await bench.take(GOOD)
    assert bench.configuration.holds(GOOD.encode())
    assert not bench.configuration.holds(OTHER.encode())
    await bench.take(BROKEN)

    assert bench.configuration.holds(BROKEN.encode())
    assert not bench.configuration.holds(GOOD.encode())


async def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    """And is forgotten with the next good text."""
    bench = Bench(tmp_path)
    await bench.take(GOOD)
    bench.configuration.miss(Problem(0, 0, "", "gone"))
    assert not bench.configuration.last_reload_ok

    assert await bench.take(GOOD)
    assert bench.configuration.last_reload_ok


async def test_the_admin_token_follows_the_configuration(tmp_path: Path) -> None:
    """Before the first is compiled, that of the start counts: nobody slips in meanwhile."""
    bench = Bench(tmp_path, TOKEN="first")
    assert bench.configuration.admin_token == "first"
    await bench.take(GOOD.replace("${TOKEN:-}", "second"))

    assert bench.configuration.admin_token == "second"


async def test_an_api_that_others_reach_never_loses_its_token(tmp_path: Path) -> None:
    """The socket stays where it was opened: without a token in the file the last one holds, and the log says so."""
    public = GOOD.replace("127.0.0.1:0", "0.0.0.0:0").replace("${TOKEN:-}", "first")
    configuration = Configuration(source(tmp_path, public), lambda _table: None, lambda _accepted: None)
    await configuration.take(public.replace("first", "second").encode(), NOON)
    with capture_logs() as logs:
        assert await configuration.take(GOOD.encode(), NOON)

    assert configuration.admin_token == "second"
    assert configuration.waits_for_restart == ["admin.listen", "admin.token"]
    (needed,) = [record for record in logs if record["event"] == "restart_needed"]
    assert needed["fields"] == configuration.waits_for_restart


async def test_a_token_outlives_the_controller_that_kept_it(tmp_path: Path) -> None:
    """A successor asks for the last one, and not for that of the start, which was changed for a reason."""
    public = GOOD.replace("127.0.0.1:0", "0.0.0.0:0").replace("${TOKEN:-}", "first")
    successor = Configuration(source(tmp_path, public), lambda _table: None, lambda _accepted: None, "second")
    assert successor.admin_token == "second"
    await successor.take(GOOD.encode(), NOON)

    assert successor.admin_token == "second"


async def test_where_only_this_machine_asks_a_token_may_go(tmp_path: Path) -> None:
    """The socket is a loopback one: the guard sees to the rest."""
    bench = Bench(tmp_path, TOKEN="first")
    await bench.take(GOOD.replace("${TOKEN:-}", ""))

    assert bench.configuration.admin_token == ""
    assert bench.configuration.waits_for_restart == []


async def test_a_switch_without_a_rollout_is_pointed_out(tmp_path: Path) -> None:
    """An emergency switch with a wrong name does nothing; its owner should know."""
    bench = Bench(tmp_path, CROSSFADE_ROLLBACK="chop")
    with capture_logs() as logs:
        await bench.take(GOOD)

    (ignored,) = [record for record in logs if record["event"] == "switch_ignored"]
    assert "chop" in ignored["reason"]


async def test_a_switch_holds_for_every_text(tmp_path: Path) -> None:
    """A cap from the environment bounds what any file says."""
    bench = Bench(tmp_path, CROSSFADE_PERCENT_SHOP="2")
    await bench.take(GOOD)
    await bench.take(OTHER)

    assert {table.rollouts[0].percent for table in bench.published} == {2}


@pytest.mark.parametrize(
    ("addition", "field"),
    [
        ("server: {listen: 127.0.0.1:1}", "server.listen"),
        ("server: {workers: 7}", "server.workers"),
        ("store: sqlite:/elsewhere.db", "store"),
    ],
)
def test_fixed_fields_are_named_when_they_change(tmp_path: Path, addition: str, field: str) -> None:
    """And only those."""
    before = load_text(GOOD, "a", {}, tmp_path).config
    after = load_text(GOOD + addition + "\n", "a", {}, tmp_path).config

    assert fixed_differences(before, after) == [field]
    assert fixed_differences(before, before) == []


async def test_reloads_are_counted_by_how_they_ended(tmp_path: Path) -> None:
    """A refused text that is tried again and again is one failure; when it turns good, a success."""
    bench = Bench(tmp_path)
    await bench.take(GOOD)
    await bench.take(BROKEN)
    for _ in range(3):
        await bench.configuration.retry(LATER)
    bench.configuration.miss(Problem(0, 0, "", "gone"))

    assert bench.configuration.reloads == {"success": 1, "failure": 2}


async def test_what_a_table_needs_is_there_before_it_is_published(tmp_path: Path) -> None:
    """However long that takes; of a text that is not valid nothing is prepared."""
    said: list[str] = []

    async def prepare(table: Table) -> None:
        await asyncio.sleep(0)
        said.append(f"prepare {table.rollouts[0].percent:g}")

    def publish(table: Table) -> None:
        said.append(f"publish {table.rollouts[0].percent:g}")

    configuration = Configuration(source(tmp_path), publish, lambda _accepted: None, prepare=prepare)
    for text in (GOOD, BROKEN, OTHER):
        await configuration.take(text.encode(), NOON)

    assert said == ["prepare 5", "publish 5", "prepare 6", "publish 6"]


async def test_what_was_in_force_is_recovered_without_its_keys(tmp_path: Path) -> None:
    """A new controller finds the file of keys broken: the table is published all the same, the problem stays shown."""
    text = GOOD + "jwt: {jwks: keys.json}\n"
    (tmp_path / "keys.json").write_text("{")
    bench = Bench(tmp_path)

    assert not await bench.take(text)
    await bench.configuration.recover(text.encode(), NOON, bench.configuration.problems)

    assert [table.tokens is not None and table.tokens.keys for table in bench.published] == [()]
    assert [problem.path for problem in bench.configuration.problems] == ["jwt.jwks"]
