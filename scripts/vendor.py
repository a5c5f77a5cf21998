# ruff: noqa: INP001 - run by its path
"""Fetch the dashboard's libraries into `gateway/admin/static/vendor`, and what its tests need into
`tests/browser/vendor`: as published, and checked by content.

Run as ``python scripts/vendor.py`` (needs npm). With ``--check`` nothing is fetched: what is there is compared with the
sums below. To move to another version, change it in `PACKAGES`, run this with ``--accept`` and take over the sums that
it prints.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
SHIPPED: Final = ROOT / "gateway" / "admin" / "static" / "vendor"
FOR_TESTS: Final = ROOT / "tests" / "browser" / "vendor"

PACKAGES: Final = {
    "preact@11.2.0": {
        "dist/preact.mjs": "preact.mjs",
        "hooks/dist/hooks.mjs": "hooks.mjs",
        "LICENSE": "preact.LICENSE.txt",
    },
    "htm@3.1.1": {"dist/htm.mjs": "htm.mjs", "LICENSE": "htm.LICENSE.txt"},
    "uplot@1.6.32": {
        "dist/uPlot.esm.js": "uPlot.esm.js",
        "dist/uPlot.min.css": "uPlot.min.css",
        "LICENSE": "uPlot.LICENSE.txt",
    },
    "axe-core@4.14.1": {
        "axe.min.js": "axe.min.js",
        "LICENSE": "axe.LICENSE.txt",
        "LICENSE-3RD-PARTY.txt": "axe.LICENSE-3RD-PARTY.txt",
    },
}
"""By package and version: which of its files become which of ours."""

SUMS: Final = {
    "axe.LICENSE-3RD-PARTY.txt": "4f8563870d0fca38bbc3e00b6f670cb7fa9f380ba9f26a7f7d1184a6b18b1653",
    "axe.LICENSE.txt": "af175b9d96ee93c21a036152e1b905b0b95304d4ae8c2c921c7609100ba8df7e",
    "axe.min.js": "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
    "hooks.mjs": "13518e8899847145604866b14612f994ed70d894a423b64694b6e764d7b956c9",
    "htm.LICENSE.txt": "740725f7252e750af735d0028cc534970772f513331e9f68150fede8fb3ce00f",
    "htm.mjs": "ab33dd3f38059b9be4d5f5350128eefb2356639c4e0bbe9d9e8b3ba75847e9e4",
    "preact.LICENSE.txt": "1fe6958409c8c257a70c587a18b6f7f412b179b456630790d30b2ec9a8e4b7d4",
    "preact.mjs": "225d7a773766e6fb2cfcc45274fe41d2059f5782f3f2c4569aa5132a2d3a2902",
    "uPlot.LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    "uPlot.esm.js": "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""The SHA-256 of each file, as it is here."""


def main() -> int:
    """Fetch, or check; 1 when a file is not what it should be."""
    parser = argparse.ArgumentParser(description="Fetch the dashboard's libraries, or check them.")
    parser.add_argument("--check", action="store_true", help="only compare what is there")
    parser.add_argument("--accept", action="store_true", help="write whatever comes, and print its sums")
    options = parser.parse_args()
    files = read_shipped() if options.check else fetch()
    if options.accept:
        print_sums(files)
    elif wrong := find_wrong(files):
        print("not as they should be: " + ", ".join(wrong), file=sys.stderr)  # noqa: T201 - its output
        return 1
    if not options.check:
        write(files)
    return 0


def read_shipped() -> dict[str, bytes]:
    """What is here now."""
    return {path.name: path.read_bytes() for folder in (SHIPPED, FOR_TESTS) for path in folder.iterdir()}


def fetch() -> dict[str, bytes]:
    """What npm has, made fit for a browser without a build step."""
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for package, wanted in PACKAGES.items():
            pack = ["npm", "pack", "--silent", package]
            name = subprocess.run(pack, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - fixed words
            with tarfile.open(Path(folder) / name) as archive:
                files.update({ours: adapt(read(archive, theirs)) for theirs, ours in wanted.items()})
    return files


def read(archive: tarfile.TarFile, name: str) -> bytes:
    """One file of a package. Raises KeyError when it is not in there."""
    member = archive.extractfile(f"package/{name}")
    assert member is not None, name  # noqa: S101 - a folder of that name
    return member.read()


def adapt(content: bytes) -> bytes:
    """Browsers find no bare names, and the maps of sources are not shipped."""
    content = content.replace(b'from"preact"', b'from"./preact.mjs"')
    return re.sub(rb"\n*//# sourceMappingURL=.*\s*$", b"\n", content)


def find_wrong(files: dict[str, bytes]) -> list[str]:
    """The names of those that are missing, too many, or not what they should be."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return sorted(name for name in sums.keys() | SUMS.keys() if sums.get(name) != SUMS.get(name))


def print_sums(files: dict[str, bytes]) -> None:
    """As they are to be written above."""
    for name, content in sorted(files.items()):
        print(f'    "{name}": "{hashlib.sha256(content).hexdigest()}",')  # noqa: T201 - its output


def write(files: dict[str, bytes]) -> None:
    """Put each where it belongs."""
    for name, content in files.items():
        folder = FOR_TESTS if name.startswith("axe.") else SHIPPED
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
