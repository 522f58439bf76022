"""Members of a group ask each other."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capibara_otel.pipeline.page.asking import Answerer, Questions


class Answering:
    """Members that count how often each was asked for a new snapshot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: dict[str, int] = {}
        self._answerers: list[Answerer] = []

    def member(self, name: str, wait: threading.Event | None = None) -> Path:
        """Have another member."""
        self.asked[name] = 0

        def refresh() -> None:
            if wait is not None:
                wait.wait(30)
            self.asked[name] += 1

        path = self.folder / name
        self._answerers.append(Answerer(path, refresh))
        return path

    def stop(self) -> None:
        """Have none any more."""
        for each in self._answerers:
            each.stop()


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Answering]:
    """Members of a group."""
    made = Answering(tmp_path)
    yield made
    made.stop()


def ask(*paths: Path, seconds: float = 30) -> set[Path]:
    """Ask; return who has answered."""
    return Questions(paths).wait(time.monotonic() + seconds)


def test_who_is_asked_leaves_a_snapshot_and_then_answers(answering: Answering) -> None:
    """All that answer were done before."""
    paths = [answering.member(name) for name in "abc"]
    assert ask(*paths) == set(paths)
    assert answering.asked == {"a": 1, "b": 1, "c": 1}
    assert ask(paths[0]) == {paths[0]}
    assert answering.asked["a"] == 2


def test_who_is_not_there_is_not_waited_for(answering: Answering) -> None:
    """A socket that is missing, and one whose process has ended, are no reason to wait."""
    here, gone = answering.member("here"), answering.folder / "gone"
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind(str(gone))
    assert ask(here, gone, answering.folder / "never") == {here}


def test_who_hangs_is_waited_for_no_longer_than_said(answering: Answering) -> None:
    """The others' answers are there; the one that hangs is given up."""
    free = threading.Event()
    here, hangs = answering.member("here"), answering.member("hangs", free)
    assert ask(here, hangs, seconds=0.05) == {here}
    free.set()
    assert ask(hangs) == {hangs}


def test_who_hangs_for_long_harms_nobody(answering: Answering) -> None:
    """However many ask one that hangs, each is answered by the others, and all by it when it goes on."""
    free = threading.Event()
    here, hangs = answering.member("here"), answering.member("hangs", free)
    for _ in range(200):
        assert ask(here, hangs, seconds=0) <= {here}
    free.set()
    while ask(hangs) != {hangs}:
        pass


def test_one_snapshot_answers_all_who_wait_for_it(answering: Answering) -> None:
    """Those who asked while another snapshot was made share the next one."""
    free = threading.Event()
    path = answering.member("a", free)
    first = Questions([path])
    others = [Questions([path]) for _ in range(10)]
    free.set()
    deadline = time.monotonic() + 30
    assert [each.wait(deadline) for each in (first, *others)] == [{path}] * 11
    assert answering.asked["a"] <= 3


def test_a_snapshot_that_fails_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault ends no answerer; who asked knows that there is nothing new."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")

    def refresh() -> None:
        raise RuntimeError("broken")

    answerer = Answerer(tmp_path / "a", refresh)
    assert [ask(tmp_path / "a") for _ in range(2)] == [set(), set()]
    assert "page.workers" in caplog.text
    answerer.stop()


def test_who_asks_and_goes_away_harms_nobody(answering: Answering) -> None:
    """Questions that are given up leave the member able to answer."""
    path = answering.member("a")
    for _ in range(20):
        Questions([path]).close()
    assert ask(path) == {path}


def test_stopped_it_has_no_thread_and_no_socket(tmp_path: Path) -> None:
    """Nothing is left of an answerer that was stopped."""
    before = set(threading.enumerate())
    answerer = Answerer(tmp_path / "a", list)
    (thread,) = (each for each in set(threading.enumerate()) - before if each.name == "capibara-otel-workers")
    was_reachable = answerer.is_reachable
    answerer.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert (was_reachable, answerer.is_reachable) == (True, False)
    assert ask(tmp_path / "a") == set()


def test_a_path_may_be_longer_than_sockets_have_it(tmp_path: Path) -> None:
    """A folder with a long name is as good as any, where the system has a way."""
    if not Path("/proc/self/fd").is_dir():  # pragma: no cover
        pytest.skip("this system has no shorter way to a long path")
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    fds = Path("/proc/self/fd")
    before = len(list(fds.iterdir()))
    answerer = Answerer(folder / "a", list)
    for _ in range(50):
        assert ask(folder / "a") == {folder / "a"}
    assert len(list(fds.iterdir())) < before + 25
    answerer.stop()


def test_elsewhere_a_long_path_is_a_fault_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without such a way it is said what is wrong."""
    monkeypatch.setattr("capibara_otel.pipeline.page.asking._FDS", Path("/nowhere"))
    with pytest.raises(OSError, match="too long a path for a socket"):
        Answerer(tmp_path / ("long" * 30), list)
