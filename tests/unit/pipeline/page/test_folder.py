"""The folder that workers share."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from capibara_otel.pipeline.page.folder import ENDED, Folder, Member


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder that is there."""
    made = Folder(tmp_path / "user" / "group")
    made.create()
    return made


def test_it_is_this_users_alone(folder: Folder) -> None:
    """Nobody else can look into it, and making it again changes nothing."""
    folder.create()
    for path in (folder.path, folder.path.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_what_others_could_write_to_is_refused(tmp_path: Path, kind: str) -> None:
    """A folder that others made ready, a link or a file in its place is not used."""
    path = tmp_path / "user"
    if kind == "open":
        path.mkdir()
        path.chmod(0o770)
    elif kind == "link":
        (tmp_path / "other").mkdir(0o700)
        path.symlink_to(tmp_path / "other")
    else:
        path.touch()
    with pytest.raises(OSError, match="user"):
        Folder(path / "group").create()


def test_a_member_lives_as_long_as_it_holds_its_lock(folder: Folder) -> None:
    """It lives until it leaves; then it has ended."""
    member = Member(folder)
    assert (folder.lives(member.name), folder.has_ended(member.name)) == (True, False)
    assert folder.members() == [member.name]
    member.leave()
    assert (folder.lives(member.name), folder.has_ended(member.name)) == (False, True)


LIVE = """
import sys, pathlib
from capibara_otel.pipeline.page.folder import Folder, Member
member = Member(Folder(pathlib.Path(sys.argv[1])))
print(member.name, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["kill", "close"])
def test_another_process_lives_until_it_ends_in_any_way(folder: Folder, end: str) -> None:
    """That it has ended is known at once, also of one that was killed and that nobody has looked at yet."""
    with subprocess.Popen(
        [sys.executable, "-c", LIVE, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert folder.lives(name)
        assert folder.lives(name), "looking does not end it"
        if end == "kill":
            other.kill()
        else:
            other.stdin.close()
        other.stdout.read()
        assert folder.has_ended(name)


FORK = """
import os, sys, pathlib
from capibara_otel.pipeline.page.folder import Folder, Member
folder = Folder(pathlib.Path(sys.argv[1]))
member = Member(folder)
pid = os.fork()
if pid == 0:
    try:
        member.leave()
        print(folder.lives(member.name), flush=True)
    finally:
        os._exit(0)
os.waitpid(pid, 0)
print(folder.lives(member.name))
"""


def test_a_forked_child_does_not_end_its_parents_membership(folder: Folder) -> None:
    """A child that lets go of what it was forked with leaves the parent a member, and sees that it is one."""
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(folder.path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_a_lock_that_was_tidied_away_is_taken_again(folder: Folder) -> None:
    """A program that removes old files does not end a member, nor does one that removes the whole folder."""
    member = Member(folder)
    path = folder.path / f"{member.name}.lock"
    os.utime(path, (1, 1))
    member.keep()
    assert path.stat().st_mtime > 1
    path.unlink()
    assert (folder.lives(member.name), folder.has_ended(member.name)) == (True, False)
    member.keep()
    assert path.exists()
    folder.destroy()
    member.keep()
    assert folder.lives(member.name)
    member.leave()
    assert folder.has_ended(member.name)


def test_of_a_member_without_a_lock_nobody_knows(folder: Folder) -> None:
    """What was left without a lock is kept and not taken for that of an ended process."""
    folder.write("7-a", b"data")
    assert folder.members() == ["7-a"]
    assert (folder.lives("7-a"), folder.has_ended("7-a")) == (False, False)


def test_snapshots_are_replaced_whole(folder: Folder) -> None:
    """A reader has the old bytes or the new ones, and None before there are any."""
    assert folder.read("a") is None
    folder.write("a", b"one")
    folder.write("a", b"two")
    assert folder.read("a") == b"two"
    assert [path.name for path in folder.path.iterdir()] == ["a.snap"]


def test_a_mark_changes_with_what_the_ended_left(folder: Folder) -> None:
    """Every replacement has a mark of its own."""
    marks = [folder.mark_of_ended()]
    for _ in range(3):
        folder.write(ENDED, b"same")
        marks.append(folder.mark_of_ended())
        assert folder.mark_of_ended() == marks[-1]
    assert len(set(marks)) == 4
    assert folder.members() == []


def test_all_that_a_member_left_is_removed(folder: Folder) -> None:
    """Nothing stays, also where something is missing."""
    member = Member(folder)
    folder.write(member.name, b"data")
    folder.socket(member.name).touch()
    member.leave()
    folder.remove(member.name)
    folder.remove("never")
    assert list(folder.path.iterdir()) == []


def test_one_has_the_turn_at_a_time(folder: Folder) -> None:
    """Neither another thread nor another folder object of the same process gets it; nobody waits for it."""
    free: list[bool] = []

    def look(which: Folder) -> None:
        with which.turn() as is_free:
            free.append(is_free)

    with folder.turn() as is_mine:
        assert is_mine
        for which in (folder, Folder(folder.path)):
            thread = threading.Thread(target=look, args=(which,))
            thread.start()
            thread.join()
    look(folder)
    assert free == [False, False, True]


TURN = """
import sys, pathlib
from capibara_otel.pipeline.page.folder import Folder
with Folder(pathlib.Path(sys.argv[1])).turn() as is_mine:
    print(is_mine, flush=True)
    sys.stdin.read()
"""


def test_another_process_has_the_turn_until_it_ends(folder: Folder) -> None:
    """A process that is killed in the midst of it gives it back."""
    with subprocess.Popen(
        [sys.executable, "-c", TURN, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with folder.turn() as is_mine:
            assert not is_mine
        other.kill()
        other.wait()
    with folder.turn() as is_mine:
        assert is_mine


def test_a_turn_that_ends_in_a_fault_is_given_back(folder: Folder) -> None:
    """What goes wrong in it is told, and the next has it."""
    with pytest.raises(RuntimeError, match="wrong"), folder.turn():
        raise RuntimeError("wrong")
    with folder.turn() as is_mine:
        assert is_mine
