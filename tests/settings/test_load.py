from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.settings.load import REVISION_DIGITS, Loaded, load_file, load_text

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "config").rglob("*.yaml"))
BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
SEPARATOR = "---8<---\n"

SMALLEST = """\
version: 1
backends: {legacy: http://127.0.0.1:9001}
routes: [{name: all, match: /**, backend: legacy}]
"""


def load(text: str, **env: str) -> Loaded:
    """Load a text that names no files."""
    return load_text(text, "gateway.yaml", env, Path())


def lines_of(text: str, **env: str) -> list[str]:
    """The problems of a text."""
    with pytest.raises(ConfigError) as caught:
        load(text, **env)
    return caught.value.lines()


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_mistake_gets_its_message(path: Path) -> None:
    """Below the separator stand the lines that `crossfade check` prints for the text above it."""
    text, expected = path.read_text().split(SEPARATOR)

    with pytest.raises(ConfigError) as caught:
        load_text(text, path.name, {}, Path("certificates"))

    assert caught.value.lines() == expected.splitlines()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_loads_without_a_warning(path: Path, certificates: Path) -> None:
    """What we show as an example is right."""
    loaded = load_file(path, {"CERTIFICATES": str(certificates)})

    assert loaded.warnings == []
    assert loaded.text == path.read_text()


def test_the_smallest_configuration_has_all_defaults() -> None:
    """Three lines are enough, and everything else is as the contract says."""
    config = load(SMALLEST).config

    assert [listener.address for listener in config.server.listen] == ["0.0.0.0:8080"]
    assert (config.admin.listen, config.admin.token, config.store) == ("127.0.0.1:9900", "", "sqlite:./crossfade.db")
    assert (config.server.limits.header_bytes, config.server.limits.body, config.server.timeouts.drain) == (
        32768,
        0,
        30,
    )


def test_numbers_may_come_from_variables() -> None:
    """A reference takes the type that its field wants, in quotes or not; without the variable the default counts."""
    text = SMALLEST + "server: {workers: '${N:-3}', expose: ${EXPOSE:-false}, limits: {connections: ${C:-5}}}\n"

    server = load(text, EXPOSE="true").config.server

    assert (server.workers, server.expose, server.limits.connections) == (3, True, 5)


def test_a_token_of_digits_stays_text() -> None:
    """A secret is taken as it is, even if it looks like a number."""
    assert load(SMALLEST + "admin: {token: ${T}}\n", T="0123").config.admin.token == "0123"


def test_the_revision_names_the_content() -> None:
    """Comments and layout do not change it, values and variables do."""
    plain = load(SMALLEST).revision
    spaced = load("# a comment\n" + SMALLEST.replace("version: 1", "version:   1")).revision
    other = load(SMALLEST.replace("9001", "9002")).revision
    by_env = [load(SMALLEST + "admin: {token: ${T}}\n", T=token).revision for token in ("a", "b")]

    assert plain == spaced
    assert len(plain) == REVISION_DIGITS
    assert len({plain, other, *by_env}) == 4


def test_a_byte_order_mark_is_no_mistake() -> None:
    """Editors on Windows write one; it is kept in the text, so that the text is the file's."""
    loaded = load("\ufeff" + SMALLEST)

    assert loaded.text.startswith("\ufeff")


def test_line_ends_of_windows_are_no_mistake() -> None:
    """Places count the same as with others."""
    assert load(SMALLEST.replace("\n", "\r\n")).revision == load(SMALLEST).revision


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    """The problem belongs to the file as a whole."""
    with pytest.raises(ConfigError, match=r"none\.yaml: can't be read: No such file"):
        load_file(tmp_path / "none.yaml", {})


def test_bytes_that_are_no_text_are_located(tmp_path: Path) -> None:
    """A file in Latin-1 is refused at its first foreign character."""
    path = tmp_path / "gateway.yaml"
    path.write_bytes("version: 1\n# Zähler\n".encode("latin-1"))

    with pytest.raises(ConfigError, match=r":2:4: is not UTF-8"):
        load_file(path, {})


def test_a_huge_file_is_refused_unread() -> None:
    """More than 32 MiB is not a configuration."""
    assert lines_of("#" * (33 << 20)) == ["gateway.yaml: is larger than 32 MiB"]


def test_a_certificate_is_checked_with_its_key(certificates: Path) -> None:
    """A pair that does not fit is found before a client finds it."""
    text = (
        SMALLEST
        + f"""\
server:
  listen: {{address: 127.0.0.1:0, tls: {{cert: {certificates}/server.pem, key: {certificates}/other-key.pem}}}}
"""
    )

    assert lines_of(text) == [
        "gateway.yaml:5:39: server.listen.tls: `cert` and `key` are not a pair that can be used: KEY_VALUES_MISMATCH"
    ]


def test_authorities_must_be_certificates(tmp_path: Path) -> None:
    """A file of something else is refused where it is named."""
    (tmp_path / "ca.pem").write_text("nothing")
    text = SMALLEST.replace("{legacy: http://127.0.0.1:9001}", "{legacy: {endpoints: https://a, tls: {ca: ca.pem}}}")

    with pytest.raises(ConfigError, match=r":2:\d+: backends.legacy.tls.ca: .* has no certificates that can be used"):
        load_text(text, "gateway.yaml", {}, tmp_path)


def test_files_are_sought_beside_the_configuration(certificates: Path) -> None:
    """A relative path does not depend on where the gateway is started, and what comes out is absolute."""
    text = SMALLEST + "server: {listen: {address: '127.0.0.1:0', tls: {cert: server.pem, key: server-key.pem}}}\n"

    tls = load_text(text, "gateway.yaml", {}, certificates).config.server.listen[0].tls

    assert tls is not None
    assert (tls.cert, tls.key) == (str(certificates / "server.pem"), str(certificates / "server-key.pem"))


def test_what_could_not_be_expanded_is_reported_once() -> None:
    """A missing variable in a number is one mistake, not two."""
    assert len(lines_of(SMALLEST + "server: {workers: ${NOPE}}\n")) == 1


@given(st.text(max_size=200), st.sampled_from(["version", "server", "backends", "rollouts", "routes", "store"]))
def test_no_value_crashes_the_loader(value: str, section: str) -> None:
    """Any text in any section loads, or is refused with a `ConfigError`."""
    text = "\n".join(line for line in SMALLEST.splitlines() if not line.startswith(section))

    with suppress(ConfigError):
        assert load(f"{text}\n{section}: {value}\n").config.version == 1
