"""Which processes belong together, and which of them live."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from capibara_otel.pipeline.page import places
from capibara_otel.pipeline.page.folder import Folder, Member
from capibara_otel.pipeline.page.processes import leader, realm, start_of


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.fixture
def zombie() -> Iterator[int]:
    """The number of a process that has ended and that its parent has not looked at."""
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as done:
        assert done.stdout is not None
        done.stdout.read()
        while psutil.Process(done.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        yield done.pid


def test_a_process_that_lives_has_a_start(ended: int, zombie: int) -> None:
    """One that has ended has none, also while its parent has not yet looked at it."""
    assert start_of(os.getpid()) == start_of(os.getpid()) is not None
    assert start_of(os.getppid()) is not None
    assert start_of(ended) is None
    assert start_of(zombie) is None


def test_without_proc_it_is_found_out_otherwise(monkeypatch: pytest.MonkeyPatch, ended: int, zombie: int) -> None:
    """Systems without /proc tell it, too."""
    monkeypatch.setattr("capibara_otel.pipeline.page.processes._PROC", Path("/nowhere"))
    assert start_of(os.getpid()) == str(round(psutil.Process().create_time() * 1000))
    assert start_of(ended) is None
    assert start_of(zombie) is None
    assert realm()


def test_this_process_is_nobodys_worker() -> None:
    """A program that is run by itself has no leader."""
    assert leader() is None


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders of groups are made in this test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_leaders_folder_has_a_name_that_is_never_used_again(temporary: Path, ended: int) -> None:
    """The name holds the process' number and start; there is none for one that has ended."""
    path = places.folder_of(os.getpid())
    assert path is not None
    assert path.parent == temporary / f"capibara-otel-{os.geteuid()}"
    assert path.name == f"{os.getpid()}-{start_of(os.getpid())}-{realm()}"
    assert places.folder_of(ended) is None


def test_a_directory_that_is_named_is_shared(tmp_path: Path) -> None:
    """All who name it have the same folder in it, which is this user's alone."""
    assert places.shared_folder(str(tmp_path)).parent == tmp_path / f"capibara-otel-{os.geteuid()}"


def make(temporary: Path, name: str) -> Path:
    """Make a group's folder."""
    path = temporary / f"capibara-otel-{os.geteuid()}" / name
    Folder(path).create()
    return path


def test_folders_that_are_left_behind_are_removed(temporary: Path, ended: int) -> None:
    """A folder goes when neither its leader lives nor any member; one of another boot or container when it is old."""
    here = realm()
    reused = make(temporary, f"{os.getpid()}-1-{here}")
    gone = make(temporary, f"{ended}-1-{here}")
    used = make(temporary, f"{ended}-2-{here}")
    mine = make(temporary, f"{os.getpid()}-{start_of(os.getpid())}-{here}")
    elsewhere, old = make(temporary, "7-1-00000000"), make(temporary, "8-1-00000000")
    shared, foreign = make(temporary, "workers"), make(temporary, "x-1-y")
    os.utime(old, (1, 1))
    member = Member(Folder(used))
    places.remove_left_behind()
    assert {path for path in (reused, gone, used, mine, elsewhere, old, shared, foreign) if path.exists()} == {
        used,
        mine,
        elsewhere,
        shared,
        foreign,
    }
    member.leave()
    places.remove_left_behind()
    assert not used.exists()


def test_where_there_is_nothing_nothing_is_removed(temporary: Path) -> None:
    """The first group on a machine finds no place of others."""
    places.remove_left_behind()
    assert places.folder_with(os.getpid()) is None
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_worker_is_found(temporary: Path) -> None:
    """A worker's children belong to the group the worker is in."""
    other = make(temporary, "7-1-00000000")
    assert places.folder_with(os.getpid()) is None
    member = Member(Folder(other))
    assert places.folder_with(os.getpid()) == other
    assert places.folder_with(int(str(os.getpid())[:-1] or "0")) is None
    member.leave()
    assert places.folder_with(os.getpid()) is None
