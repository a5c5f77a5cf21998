"""The file changes under load: everyone is answered, and the new configuration is in force everywhere."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.control.watcher import SETTLE_SECONDS
from tests.e2e.configurations import split
from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway, write
from tests.e2e.load import Load
from tests.e2e.scripted import scripted
from tests.e2e.servers import Server
from tests.e2e.wire import connected, get

PIECE_PAUSE_SECONDS = 0.02
"""Between the pieces of a file that is written slowly."""

numbers = itertools.count(1)


def rename_over(path: Path, text: str) -> None:
    """As editors and careful scripts do."""
    other = path.with_suffix(".tmp")
    other.write_text(text)
    other.rename(path)


def remove_and_make_again(path: Path, text: str) -> None:
    """The file is gone for a moment."""
    path.unlink()
    path.write_text(text)


def write_in_pieces(path: Path, text: str) -> None:
    """A writer that takes its time: every beginning of the file stands there for a moment."""
    third = len(text) // 3
    with path.open("w") as file:
        for piece in (text[:third], text[third : 2 * third], text[2 * third :]):
            file.write(piece)
            file.flush()
            time.sleep(PIECE_PAUSE_SECONDS)


def swap_symlinks(path: Path, text: str) -> None:
    """As the kubelet updates a ConfigMap: the file leads through ``..data``, which is replaced as a whole."""
    version = path.parent / f"..version-{next(numbers)}"
    version.mkdir()
    (version / path.name).write_text(text)
    (path.parent / "..next").symlink_to(version.name)
    (path.parent / "..next").rename(path.parent / "..data")
    if not path.is_symlink():
        path.unlink()
        path.symlink_to(Path("..data") / path.name)


class Stopwatch:
    """Replaces as it is told to, and knows how long that took at the most."""

    def __init__(self, replace: Callable[[Path, str], None]) -> None:
        self.longest_seconds = 0.0
        self._replace = replace

    def __call__(self, path: Path, text: str) -> None:
        began = time.monotonic()
        self._replace(path, text)
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)


MANNERS = [write, rename_over, remove_and_make_again, write_in_pieces, swap_symlinks]


@pytest.mark.parametrize("replace", MANNERS)
def test_a_new_file_is_in_force_without_a_failed_request(
    start_gateway: Start, nginx: Server, replace: Callable[[Path, str], None]
) -> None:
    """However the file is replaced, and more than once; what stands there meanwhile is nobody's configuration."""
    gateway, writing = start_gateway(split(nginx, nginx)), Stopwatch(replace)
    with Load(gateway.port, "/bytes/1000") as load:
        load.wait_for_answers(20)
        for percent in (10, 20, 30):
            gateway.edit(split(nginx, nginx, percent), writing)
            load.wait_for_answers(10)

    assert load.failures == []
    # Who is held up for longer, by whatever the machine does, leaves a part of a file for a whole one.
    assert writing.longest_seconds >= SETTLE_SECONDS or not gateway.events("configuration_refused")


def test_a_change_moves_users_at_once_and_back(start_gateway: Start, nginx: Server, gunicorn: Server) -> None:
    """What the file says is what users see."""
    gateway = start_gateway(split(nginx, gunicorn))

    assert servers_seen(gateway) == {b"baseline"}
    gateway.edit(split(nginx, gunicorn, percent=100))
    assert servers_seen(gateway) == {b"candidate"}
    gateway.edit(split(nginx, gunicorn))
    assert servers_seen(gateway) == {b"baseline"}


def servers_seen(gateway: Gateway) -> set[bytes]:
    """Which arms answer twenty users; the body is nginx's error page or gunicorn's echo."""
    bodies = [gateway.get("/echo", {"X-User-ID": f"user-{number}"})[1] for number in range(20)]
    return {b"baseline" if b"nginx" in body else b"candidate" for body in bodies}


def test_a_broken_file_changes_nothing_and_is_explained(start_gateway: Start, nginx: Server) -> None:
    """The old configuration stays in force, the problems are shown, and a mended file is taken."""
    good = split(nginx, nginx, percent=40)
    gateway = start_gateway(good)
    with Load(gateway.port, "/bytes/1000") as load:
        load.wait_for_answers(20)
        gateway.path.write_text(good.replace("percent: 40", "percent: 140"))
        gateway.wait_until(lambda: not gateway.ask("/api/v1/config")[1]["last_reload_ok"])
        load.wait_for_answers(20)
        view = gateway.ask("/api/v1/config")[1]
        mended = split(nginx, nginx, percent=41)
        gateway.edit(mended)

    assert load.failures == []
    assert view["yaml"] == good
    (problem,) = view["problems"]
    assert (problem["line"], problem["path"]) == (5, "rollouts.shop.percent")
    after = gateway.ask("/api/v1/config")[1]
    assert (after["last_reload_ok"], after["problems"], after["yaml"]) == (True, [], mended)


def test_back_to_the_old_text_clears_the_problems(start_gateway: Start, nginx: Server) -> None:
    """Undoing a mistake is as good as mending it, and nothing is published anew."""
    good = split(nginx, nginx)
    gateway = start_gateway(good)
    gateway.path.write_text("nonsense")
    gateway.wait_until(lambda: not gateway.ask("/api/v1/config")[1]["last_reload_ok"])
    gateway.path.write_text(good)
    gateway.wait_until(lambda: gateway.ask("/api/v1/config")[1]["last_reload_ok"])

    assert len(gateway.events("configuration_accepted")) == 1


def test_a_directory_that_vanishes_and_comes_back_is_followed(start_gateway: Start, nginx: Server) -> None:
    """A mount that goes away takes nothing with it; when it is back, its changes count again."""
    gateway = start_gateway(split(nginx, nginx))
    aside = gateway.path.parent.with_suffix(".aside")
    gateway.path.parent.rename(aside)
    assert gateway.ask("/api/v1/config")[1]["last_reload_ok"]
    gateway.path.parent.mkdir()
    for name in ("gateway.out", "gateway.err"):
        (gateway.path.parent / name).hardlink_to(aside / name)
    for percent in (5, 6):
        gateway.edit(split(nginx, nginx, percent))

    assert gateway.get("/bytes/1")[0] == 200


def test_reload_by_the_api_answers_when_it_is_in_force(start_gateway: Start, nginx: Server) -> None:
    """200 with the view when it is good, 422 with the problems when it is not."""
    gateway = start_gateway(split(nginx, nginx))
    text = split(nginx, nginx, percent=55)
    gateway.path.write_text(text)
    status, view = gateway.ask("/api/v1/config/reload", "POST")

    assert (status, view["yaml"]) == (200, text)
    assert gateway.is_ready()
    gateway.path.write_text("version: 3")
    status, view = gateway.ask("/api/v1/config/reload", "POST")
    assert (status, view["yaml"], view["last_reload_ok"]) == (422, text, False)
    assert view["problems"]


def test_a_missing_file_is_a_problem_only_for_who_asks(start_gateway: Start, nginx: Server) -> None:
    """An asked-for reload says that the file is gone; the configuration stays."""
    gateway = start_gateway(split(nginx, nginx))
    gateway.path.unlink()
    status, view = gateway.ask("/api/v1/config/reload", "POST")

    assert status == 422
    assert [problem["message"] for problem in view["problems"]] == ["the file can't be read"]
    assert gateway.get("/bytes/1")[0] == 200


def test_what_waits_for_a_restart_is_said(start_gateway: Start, nginx: Server) -> None:
    """The rest of such a change is in force; these fields are named in the view and in the log."""
    gateway = start_gateway(split(nginx, nginx))
    gateway.edit(
        split(nginx, nginx, percent=5, workers=3).replace("admin: {listen: 127.0.0.1:0}", "store: sqlite:/x.db")
    )

    view = gateway.ask("/api/v1/config")[1]
    assert view["waits_for_restart"] == ["server.workers", "admin.listen", "store"]
    assert gateway.events("restart_needed")[0]["fields"] == ["server.workers", "admin.listen", "store"]
    gateway.edit(split(nginx, nginx))
    assert gateway.ask("/api/v1/config")[1]["waits_for_restart"] == []


def test_validating_touches_nothing(start_gateway: Start, nginx: Server) -> None:
    """A pipeline can ask the gateway that will run a text, before it is there."""
    gateway = start_gateway(split(nginx, nginx))
    good = gateway.ask("/api/v1/config/validate", "POST", split(nginx, nginx, percent=99))
    bad = gateway.ask("/api/v1/config/validate", "POST", "version: 1\n")

    assert (good[0], good[1]["ok"], good[1]["problems"]) == (200, True, [])
    assert (bad[0], bad[1]["ok"]) == (200, False)
    assert bad[1]["problems"]
    assert gateway.ask("/api/v1/config")[1]["last_reload_ok"]


def test_a_request_ends_under_the_configuration_that_it_began_with(start_gateway: Start) -> None:
    """A reload that takes its backend away does not hurt a request under way."""
    with scripted() as shop:
        gateway = start_gateway(split(shop, shop))
        with connected(gateway) as client:
            client.send(get("/held"))
            gateway.wait_until(lambda: shop.asked)
            gateway.edit(split(shop, shop).replace(shop.url, "http://127.0.0.1:1"))
            shop.let_go.set()
            held, later = client.read(), client.ask(get("/held"))

    assert (held.first, later.first) == (b"200", b"502")


def test_secrets_from_the_environment_are_not_shown(tmp_path: Path, nginx: Server) -> None:
    """The view has the file as it stands: references, not what they stand for."""
    text = split(nginx, nginx).replace("admin: {", "admin: {token: '${TOKEN}', ")
    gateway = Gateway(text, tmp_path, {"TOKEN": "s3cret"})
    with gateway:
        assert gateway.ask("/api/v1/config")[0] == 401
        status, view = gateway.ask("/api/v1/config", headers={"Authorization": "Bearer s3cret"})

    assert (status, view["yaml"]) == (200, text)
    assert "s3cret" not in str(view) + gateway.stderr.read_text()


def test_a_change_every_200_ms_reaches_every_worker(start_gateway: Start, nginx: Server) -> None:
    """Changes in quick succession under load: none fails a request, and the last one is what is in force.

    How many of those before it were, is the machine's affair.
    """
    gateway = start_gateway(split(nginx, nginx))
    with Load(gateway.port, "/bytes/1000") as load:
        for percent in range(1, 21):
            rename_over(gateway.path, split(nginx, nginx, percent))
            time.sleep(0.2)
        gateway.wait_until(lambda: gateway.serves(split(nginx, nginx, 20)))
        load.wait_for_answers(10)

    assert load.failures == []
    assert len(gateway.events("configuration_accepted")) > 2
