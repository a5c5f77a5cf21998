"""The gateway as the image and the systemd unit run it: as nobody special, where it can write to one folder alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.e2e.gateway import START_SECONDS, Gateway
from tests.e2e.servers import ROOT

USER = 10001

# Mounts everything read-only but the state directory, which is the working directory, and gives root's power up.
CONFINE = """
set -e
mount --make-rprivate /
mount --bind "$STATE" "$STATE"
awk '{print $5}' /proc/self/mountinfo | sort -u | while read -r place; do
    case $place in
    "$STATE" | /proc | /proc/* | /sys | /sys/* | /dev/null) ;;
    *) mount -o remount,ro,bind "$place" 2>/dev/null || true ;;
    esac
done
cd "$STATE"
if touch "$STATE/../outside" 2>/dev/null; then echo 'not confined' >&2; exit 1; fi
exec setpriv --reuid "$RUN_AS" --regid "$RUN_AS" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""

# As the unit's MemoryDenyWriteExecute does: prctl(2), PR_SET_MDWE, on kernels that have it (Linux 6.3).
DENY_WRITE_EXECUTE = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
)

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1}}
admin: {{listen: 127.0.0.1:0}}
store: sqlite:{state}/crossfade.db
backends: {{legacy: http://127.0.0.1:{port}, new: http://127.0.0.1:{port}}}
rollouts: {{shop: {{key: header:X-User-ID, percent: {percent}}}}}
routes:
  - {{name: shop, match: /**, baseline: legacy, candidate: new, rollout: shop, shadow: {{percent: 100}}}}
"""


def _can_confine() -> bool:
    """Whether this is root, may mount, and the other user could read the code."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "mount", "setpriv"))):
        return False
    as_user = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
    commands = [
        ["unshare", "-m", "mount", "--make-rprivate", "/"],
        [*as_user, sys.executable, "-c", f"open({str(ROOT / 'gateway' / '__init__.py')!r})"],
    ]
    return all(subprocess.run(each, check=False, capture_output=True).returncode == 0 for each in commands)


pytestmark = pytest.mark.skipif(
    not _can_confine(), reason="needs root, mount namespaces, and code that others may read"
)


class Confined(Gateway):
    """``crossfade run`` on a read-only file system, without root, without a home."""

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        command = [
            sys.executable,
            "-c",
            DENY_WRITE_EXECUTE,
            sys.executable,
            "-m",
            "gateway",
            "run",
            "-c",
            str(self.path),
        ]
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self._process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c", CONFINE, "sh", *command],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": "/nonexistent",
                    "PYTHONPATH": str(ROOT),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "STATE": str(self.state),
                    "RUN_AS": str(USER),
                },
                stdout=out,
                stderr=err,
                process_group=0,
            )
        self.wait_until(lambda: self._find_addresses() and self.is_ready(), START_SECONDS)

    @property
    def state(self) -> Path:
        """The one folder that it may write to."""
        return self._folder / "state"


class Backend(BaseHTTPRequestHandler):
    """Answers everything."""

    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def backend_port():
    """Of a service that answers 204."""
    with HTTPServer(("127.0.0.1", 0), Backend) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def gateway(backend_port):
    """A confined gateway. Not below pytest's own folder, which is root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="crossfade-"))
    folder.chmod(0o755)
    state = folder / "state"
    state.mkdir(mode=0o700)
    os.chown(state, USER, USER)
    try:
        with Confined(CONFIGURATION.format(state=state, port=backend_port, percent=0), folder) as confined:
            yield confined
    finally:
        shutil.rmtree(folder)


def test_it_serves(gateway):
    """Users and copies are answered, and nobody complains of a disk."""
    assert gateway.get("/", {"X-User-ID": "7"})[0] == 204
    assert gateway.ask("/api/v1/status")[1]["store"]["ok"] is True
    assert gateway.events("store_unavailable") == []


def test_no_process_of_it_has_any_power(gateway):
    """All of them are the user, with no capability left and no way to get one."""
    for pid in (gateway.process.pid, *gateway.pids()):
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )

        assert status["Uid"].split() == [str(USER)] * 4
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
        assert status["NoNewPrivs"] == "1"


def test_its_state_is_its_own(gateway):
    """What it keeps is in the state directory, and nobody else may read it."""
    gateway.ask("/api/v1/rollouts/shop/percent", "PUT", '{"percent": 20, "reason": "try"}')
    gateway.ask("/api/v1/rollouts/shop/percent", "DELETE")
    files = [path.stat() for path in gateway.state.rglob("*") if path.is_file()]

    assert (gateway.state / "crossfade.db").exists()
    assert {(each.st_uid, each.st_mode & 0o077) for each in files} == {(USER, 0)}


def test_an_edit_from_outside_is_seen(gateway, backend_port):
    """Whoever owns the configuration changes it; the gateway may only read."""
    text = CONFIGURATION.format(state=gateway.state, port=backend_port, percent=100)
    gateway.edit(
        text, lambda path, new: (path.with_suffix(".new").write_text(new), path.with_suffix(".new").rename(path))
    )

    assert gateway.ask("/api/v1/rollouts/shop")[1]["percent"] == 100
