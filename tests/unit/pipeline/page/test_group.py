"""A group of processes whose metrics are one page. Its members are in one process here, each with its own numbers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capibara_otel.pipeline.page.codec import Decoder
from capibara_otel.pipeline.page.folder import ENDED, Folder
from capibara_otel.pipeline.page.group import Group
from capibara_otel.pipeline.page.table import Snapshot
from capibara_otel.pipeline.page.tabulate import Tabulator
from capibara_otel.pipeline.page.text import write
from tests.unit.pipeline.page.made import collection, counter, metric, number, samples


class One:
    """One member, and what it has measured."""

    def __init__(self, folder: Folder, *, patience_s: float = 30.0, series_limit: int = 2000) -> None:
        self.work = 0
        self.load = 0
        self.kind = "a"
        self.before_collect: Callable[[], object] = lambda: None
        self.collected = 0
        self._tabulator = Tabulator()
        self.group = Group(
            folder, self._own, patience_s=patience_s, series_limit=series_limit, time_ns=lambda: self.collected
        )

    def _own(self) -> Snapshot:
        self.collected += 1
        self.before_collect()
        made = collection(
            counter("work", number(self.work, {"kind": self.kind})), metric("sum", "load", number(self.load))
        )
        return self._tabulator.snapshot(made, with_exemplars=True)

    def page(self) -> dict[str, float]:
        """Return what a page says that this member is asked for."""
        text = "".join(write(self.group.snapshot(), openmetrics=False))
        return {"".join((each.name, *each.labels.values())): each.value for each in samples(text)}

    def die(self) -> None:
        """Be a member no more, without a last word."""
        assert self.group._answerer is not None
        self.group._answerer.stop()
        self.group._member.leave()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Where the group is."""
    return Folder(tmp_path / "user" / "group")


@pytest.fixture
def join(folder: Folder) -> Iterator[Callable[..., One]]:
    """Have another member."""
    made: list[One] = []

    def begin(**options: float) -> One:
        made.append(One(folder, **options))  # type: ignore[arg-type]
        return made[-1]

    yield begin
    for each in made:
        each.before_collect = lambda: None
        each.die()


Join = Callable[..., One]


def test_whoever_is_asked_shows_all(join: Join) -> None:
    """Each member's page has the fresh numbers of all."""
    members = [join() for _ in range(3)]
    for turn in range(1, 4):
        for each in members:
            each.work += turn
            each.load = turn
        expected = {"work_totala": 3 * members[0].work, "load": 3 * turn}
        assert [each.page() for each in members] == [expected] * 3


def test_a_member_alone_shows_itself(join: Join) -> None:
    """A group of one is its own page."""
    one = join()
    one.work = 5
    assert one.page() == {"work_totala": 5, "load": 0}


def test_what_a_page_has_shown_stays_when_a_member_dies(join: Join, folder: Folder) -> None:
    """Counts of a member that died are kept, and its load is gone; its files are folded into one."""
    one, other = join(), join()
    one.work, one.load, other.work, other.load = 1, 10, 2, 20
    assert one.page() == {"work_totala": 3, "load": 30}
    other.die()
    assert one.page() == {"work_totala": 3, "load": 10}
    names = {path.name for path in folder.path.iterdir()}
    assert names == {f"{one.group._member.name}.{kind}" for kind in ("lock", "sock", "snap")} | {"ended.snap", "turn"}


def test_who_leaves_leaves_its_last_numbers(join: Join) -> None:
    """What a member counted up to its end is kept, though no page had asked for it."""
    one, other = join(), join()
    other.work = 7
    other.group.leave()
    assert one.page()["work_totala"] == 7


def test_thousands_of_restarts_take_no_more_room(join: Join, folder: Folder) -> None:
    """However many workers have come and gone, the folder holds what those that live left, and one file."""
    one = join()
    for turn in range(1, 31):
        other = join()
        other.work = 1
        if turn % 3:
            other.group.leave()
        else:
            other.die()
        one.group.fold()
    assert one.page()["work_totala"] == 20
    assert len(list(folder.path.iterdir())) == 5
    assert len(Decoder().decode(folder.read(ENDED) or b"").folded) == 1


def test_the_ended_are_folded_also_where_nobody_reads_a_page(join: Join, folder: Folder) -> None:
    """A new worker folds what those before it left."""
    for _ in range(5):
        other = join()
        other.work = 1
        other.group.leave()
        join().group.fold()
    assert folder.read(ENDED) is not None
    assert join().page()["work_totala"] == 5


def test_series_of_the_ended_are_limited(join: Join) -> None:
    """Past the limit what ended members counted goes into one series; the sum stays."""
    one = join(series_limit=2)
    for kind in "bcdef":
        other = join()
        other.kind, other.work = kind, 1
        other.group.leave()
        one.group.fold()
    found = one.page()
    assert {name: value for name, value in found.items() if name.startswith("work") and name != "work_totala"} == {
        "work_totalb": 1,
        "work_totalc": 1,
        "work_totaltrue": 3,
    }


def test_a_member_that_hangs_is_shown_with_its_last_numbers(join: Join) -> None:
    """Its last snapshot stands in for it, and its load still counts, for it lives."""
    one, other = join(patience_s=0.05), join()
    other.work, other.load = 5, 2
    assert one.page() == {"work_totala": 5, "load": 2}
    free = threading.Event()
    other.before_collect = lambda: free.wait(30)
    one.work, other.work = 1, 6
    assert one.page() == {"work_totala": 6, "load": 2}
    free.set()


def test_a_member_that_never_answered_is_not_waited_for_longer(join: Join) -> None:
    """One that hangs from the beginning is not on the page, and keeps nobody from theirs."""
    one, other = join(patience_s=0.05), join()
    free = threading.Event()
    other.before_collect = lambda: free.wait(30)
    one.work = 1
    assert one.page() == {"work_totala": 1, "load": 0}
    free.set()


def test_where_this_process_hangs_its_last_numbers_are_shown(join: Join) -> None:
    """While one page of a process is stuck in collecting, others show what was collected before."""
    one, other = join(patience_s=0.05), join()
    one.work, other.work = 1, 2
    assert one.page()["work_totala"] == 3
    free, stuck = threading.Event(), threading.Event()

    def collect() -> None:
        stuck.set()
        free.wait(30)

    one.before_collect = collect
    thread = threading.Thread(target=one.page)
    thread.start()
    stuck.wait(30)
    other.work = 4
    assert one.page()["work_totala"] == 5
    free.set()
    thread.join(30)


def test_pages_at_the_same_time_share_a_collection(join: Join) -> None:
    """Who waits for a collection that was begun before takes the next one together with all who wait."""
    one = join()
    free, stuck = threading.Event(), threading.Event()

    def collect() -> None:
        stuck.set()
        free.wait(30)

    one.before_collect = collect
    first = threading.Thread(target=one.group.refresh)
    first.start()
    stuck.wait(30)
    others = [threading.Thread(target=one.group.refresh) for _ in range(8)]
    for each in others:
        each.start()
    free.set()
    for each in (first, *others):
        each.join(30)
    assert one.collected <= 3


def test_a_collection_that_found_nothing_does_not_replace_one_that_did(join: Join) -> None:
    """A collection that took too long is empty; a counter does not fall for that."""
    one = join()
    one.work = 5
    assert one.page()["work_totala"] == 5
    tabulator = Tabulator()
    one.group._own = lambda: tabulator.snapshot(collection(), with_exemplars=True)  # type: ignore[misc]
    assert one.page()["work_totala"] == 5


def test_files_that_are_no_snapshots_are_left_out(join: Join, folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    """A broken file harms no page, and is told of once."""
    one = join()
    one.work = 5
    folder.write("7-broken", b"nonsense")
    folder.write(ENDED, b"nonsense")
    assert [one.page()["work_totala"] for _ in range(2)] == [5, 5]
    assert sorted(record.getMessage() for record in caplog.records) == [
        "the metrics page leaves out what worker 7-broken has measured: not a snapshot: it is too short",
        "the metrics page leaves out what worker ended has measured: not a snapshot: it is too short",
    ]


def test_what_one_folds_while_another_reads_is_counted_once(join: Join, folder: Folder) -> None:
    """A page that is read while somebody folds is read again: no count twice, and none too few."""
    one, other, gone = join(), join(), join()
    one.work, other.work, gone.work = 1, 10, 100
    assert one.page()["work_totala"] == 111
    gone.die()
    read = folder.read
    times: list[str] = []

    def read_and_fold(member: str) -> bytes | None:
        found = read(member)
        if member == gone.group._member.name and not times:
            times.append(member)
            other.group.fold()  # right after the file was read: it is in the other file now, too
        return found

    one.group.folder.read = read_and_fold  # type: ignore[method-assign]
    one.group.fold = lambda members=None: None  # type: ignore[method-assign] # noqa: ARG005
    assert one.page()["work_totala"] == 111
    assert times


@pytest.mark.parametrize("step", ["write", "remove"])
def test_a_fold_that_was_broken_off_is_taken_up(join: Join, folder: Folder, step: str) -> None:
    """Whoever is killed while folding, before or after the new file is there, has lost nothing and doubled nothing."""
    one, other, gone = join(), join(), join()
    one.work, other.work, gone.work = 1, 10, 100
    assert one.page()["work_totala"] == 111
    gone.die()

    class Killed(BaseException):
        """Ends a member where it stands."""

    def kill(*_: object) -> None:
        raise Killed

    setattr(other.group.folder, step, kill)
    with pytest.raises(Killed):
        other.group.fold()
    delattr(other.group.folder, step)
    assert one.page()["work_totala"] == 111
    assert one.page()["work_totala"] == 111
    assert not folder.read(gone.group._member.name)


def test_a_member_that_was_tidied_away_is_there_again(join: Join, folder: Folder) -> None:
    """A program that removes the group's files, or all of the folder, does not end the group."""
    one, other = join(), join()
    one.work, other.work = 1, 10
    assert one.page()["work_totala"] == 11
    for path in folder.path.iterdir():
        path.unlink()
    other.group.refresh()
    assert one.page()["work_totala"] == 11
    folder.destroy()
    other.group.refresh()
    assert one.page()["work_totala"] == 11
    assert other.page()["work_totala"] == 11


def test_where_nothing_can_be_written_the_page_is_whole(
    join: Join, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that cannot leave its numbers still shows them and the others', and says so once."""
    one, other, gone = join(), join(), join()
    one.work, other.work, gone.work = 1, 10, 100
    assert one.page()["work_totala"] == 111
    gone.die()
    in_the_way = [folder.path / f"{name}.draft" for name in (one.group._member.name, ENDED)]
    for path in in_the_way:
        path.mkdir()
    one.work, other.work = 2, 20
    assert [one.page()["work_totala"] for _ in range(2)] == [122, 122]
    (said,) = caplog.records
    assert said.getMessage().startswith(
        "what this worker has measured is not kept for the other workers' metrics page:"
    )
    for path in in_the_way:
        path.rmdir()
    assert other.page()["work_totala"] == one.page()["work_totala"] == 122
    assert folder.read(ENDED) is not None


def test_a_folder_that_is_gone_is_made_again(join: Join, folder: Folder) -> None:
    """The first page after the whole folder was removed makes it again."""
    one = join()
    one.work = 1
    folder.destroy()
    assert [one.page()["work_totala"] for _ in range(2)] == [1, 1]
    assert join().page()["work_totala"] == 1


def test_who_has_left_writes_no_more(join: Join, folder: Folder) -> None:
    """A collection that was under way when its process left is not added to what the others have folded already."""
    one, other = join(), join(patience_s=0.05)
    other.work = 1
    assert one.page()["work_totala"] == 1
    free, stuck = threading.Event(), threading.Event()

    def collect() -> None:
        stuck.set()
        free.wait(30)

    other.before_collect = collect
    thread = threading.Thread(target=other.group.refresh)
    thread.start()
    stuck.wait(30)
    other.group.leave()
    assert one.page()["work_totala"] == 1
    free.set()
    thread.join(30)
    assert one.page()["work_totala"] == 1
    assert folder.members() == [one.group._member.name]


def test_a_group_that_cannot_be_joined_leaves_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there can be no socket there is no member either."""
    monkeypatch.setattr("capibara_otel.pipeline.page.asking._LONGEST", 1)
    monkeypatch.setattr("capibara_otel.pipeline.page.asking._FDS", Path("/nowhere"))
    with pytest.raises(OSError, match="too long"):
        One(folder)
    assert list(folder.path.iterdir()) == []


def test_names_of_members_tell_their_process(join: Join) -> None:
    """A member's files begin with the number of its process, and are its own whatever number is used again."""
    names = {join().group._member.name for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith(f"{os.getpid()}-") for name in names)
