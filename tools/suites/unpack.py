"""Unpacks the source distributions in a folder, each beside itself: `python unpack.py FOLDER`."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path


def unpack(folder: Path) -> None:
    """Unpack every `*.tar.gz`; a folder that is there already is left as it is."""
    for archive in sorted(folder.glob("*.tar.gz")):
        if not (folder / archive.name.removesuffix(".tar.gz")).is_dir():
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")


if __name__ == "__main__":
    unpack(Path(sys.argv[1]))
