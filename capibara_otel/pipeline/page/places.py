"""Where the folders of groups are, and which of them are left behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from capibara_otel.pipeline.page.folder import Folder
from capibara_otel.pipeline.page.processes import realm, start_of

_SHARED: Final = "workers"
_UNKNOWN_S: Final = 3600.0
"""How old a folder must be to be left behind where its leader cannot be looked up."""


def shared_folder(directory: str) -> Path:
    """Return the folder of all processes that are told the same directory."""
    return _base(Path(directory)) / _SHARED


def folder_of(leader: int) -> Path | None:
    """Return the folder of the workers that a process began; None where that has ended."""
    start = start_of(leader)
    return None if start is None else _base(_temporary()) / f"{leader}-{start}-{realm()}"


def folder_with(pid: int) -> Path | None:
    """Return the folder of the group that a living process is a member of."""
    base = _base(_temporary())
    for path in base.iterdir() if base.is_dir() else ():
        folder = Folder(path)
        if any(folder.lives(each) for each in folder.members() if each.startswith(f"{pid}-")):
            return path
    return None


def remove_left_behind() -> None:
    """Remove the folders of groups that have ended, all but what others have left in the same place."""
    base = _base(_temporary())
    for path in base.iterdir() if base.is_dir() else ():
        folder = Folder(path)
        if leader_is_gone(folder) and not any(map(folder.lives, folder.members())):
            folder.destroy()


def leader_is_gone(folder: Folder) -> bool:
    """Tell whether the process that began a group has ended."""
    leader, _, rest = folder.path.name.partition("-")
    start, _, where = rest.partition("-")
    if not leader.isdecimal() or not where:
        return False
    return start_of(int(leader)) != start if where == realm() else folder.age_s() > _UNKNOWN_S


def _temporary() -> Path:
    return Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - what is made there is checked to be private


def _base(directory: Path) -> Path:
    return directory / f"capibara-otel-{os.geteuid()}"
