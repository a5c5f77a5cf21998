"""A certificate is read again when its files change, and a broken pair changes nothing."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from gateway.proxy.listener import Certificate, Listener, TlsFiles
from gateway.proxy.plane import DataPlane
from tests.proxy.wiring import table, until


def make(folder: Path, name: str) -> tuple[Path, Path]:
    """A fresh self-signed pair for ``name``."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*command, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    return cert, key


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    """The pair that is served; its name is ``first``."""
    cert, key = make(tmp_path, "first")
    served = TlsFiles(str(tmp_path / "served.crt"), str(tmp_path / "served.key"))
    shutil.copy(cert, served.cert)
    shutil.copy(key, served.key)
    return served


async def name_served(plane_port: int) -> bytes:
    """The certificate that a new handshake is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", plane_port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return bytes(shown)


async def test_a_renewed_certificate_serves_new_handshakes(files: TlsFiles, tmp_path: Path) -> None:
    """Without a restart; half of a pair, or a key that does not fit, is not taken."""
    opened = socket.create_server(("127.0.0.1", 0))
    opened.setblocking(False)
    plane = DataPlane([Listener(opened, files)])
    await plane.start(table())
    port = opened.getsockname()[1]
    certificate = plane._acceptors[0]._certificate
    assert certificate is not None

    first = await name_served(port)
    cert, key = make(tmp_path, "second")
    shutil.copy(cert, files.cert)
    certificate.refresh()
    halfway = await name_served(port)
    shutil.copy(key, files.key)
    certificate.refresh()
    second = await name_served(port)

    assert halfway == first
    assert b"second" in second
    await plane.drain(0)
    opened.close()


def test_a_certificate_that_can_not_be_read_stays_in_force(files: TlsFiles) -> None:
    """Gone from the disk, it is still served."""
    certificate = Certificate(files)
    current = certificate._current

    shutil.move(files.cert, files.cert + ".gone")
    certificate.refresh()

    assert certificate._current is current


def test_a_worker_does_not_start_with_a_broken_certificate(files: TlsFiles) -> None:
    """There is nothing to fall back to."""
    Path(files.cert).write_text("nothing", encoding="ascii")

    with pytest.raises(ssl.SSLError):
        Certificate(files)


async def test_a_certificate_that_is_watched_is_read_again_by_itself(
    files: TlsFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to tell the gateway."""
    monkeypatch.setattr("gateway.proxy.listener._CERTIFICATE_POLL_SECONDS", 0)
    certificate = Certificate(files)
    former = certificate._current
    certificate.watch()

    cert, key = make(tmp_path, "second")
    shutil.copy(cert, files.cert)
    shutil.copy(key, files.key)
    await until(lambda: certificate._current is not former, asyncio.get_running_loop())

    certificate.unwatch()
