"""One page for several workers: what a process has for that, and what one alone has not."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from capibara_otel.pipeline.page import places
from capibara_otel.pipeline.page.exposition import Exposition
from capibara_otel.pipeline.page.folder import Folder, Member
from capibara_otel.pipeline.page.workers import Workers
from tests.unit.pipeline.page.made import OPENMETRICS, collection, counter, exemplar, metric, number, samples


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders of groups are made in this test."""
    path = tmp_path / "tmp"
    path.mkdir()
    monkeypatch.setenv("TMPDIR", str(path))
    return path


class Process:
    """A process that has counted."""

    def __init__(self, directory: Path | None = None, work: int = 1, **resource: str) -> None:
        self.workers = Workers(None if directory is None else str(directory))
        made = collection(
            counter("work", number(work, {}, exemplar(work, work, at_ns=work))),
            metric("gauge", "level", number(work)),
            resource=resource,
        )
        self.exposition = Exposition(lambda: made, workers=self.workers, gauge_rule=lambda _: "max")
        self.workers.start()

    def page(self, accept: str | None = None) -> dict[str, float]:
        """Return its page."""
        text = self.exposition.render(accept).body.decode()
        return {each.name: each.value for each in samples(text)}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Process]]:
    """Two that share a directory."""
    made = [Process(tmp_path / "shared", work, service_name="app", process_pid=str(work)) for work in (1, 2)]
    yield made
    for each in made:
        each.workers.close()


def threads() -> set[threading.Thread]:
    """Return the threads that serve groups."""
    return {each for each in threading.enumerate() if each.name == "capibara-otel-workers"}


def test_one_process_alone_has_nothing_for_it(temporary: Path) -> None:
    """A process that is nobody's worker and has none has no file, no thread and no socket, however often it is read."""
    before = threads()
    one = Process()
    assert [one.page()["work_total"] for _ in range(2)] == [1, 1]
    assert threads() <= before
    one.workers.close()
    assert list(temporary.iterdir()) == []


def test_those_who_share_a_directory_have_one_page(tmp_path: Path, two: list[Process]) -> None:
    """Whichever is asked, in whichever format: sums, the gauge's rule, the newest exemplar, one target."""
    for each in two:
        assert each.page() == each.page(OPENMETRICS) == {"work_total": 3, "level": 2, "target_info": 1}
        found = samples(each.exposition.render(OPENMETRICS).body.decode())
        assert [sample.labels for sample in found if sample.name == "target_info"] == [{"service_name": "app"}]
        (shown,) = (sample.exemplar for sample in found if sample.exemplar)
        assert shown.labels["span_id"] == f"{2:016x}"
    assert {path.parent for path in (tmp_path / "shared").rglob("*.lock")} == {
        tmp_path / "shared" / f"capibara-otel-{os.geteuid()}" / "workers"
    }


def test_who_has_left_is_not_on_the_page_of_others_but_for_its_counts(two: list[Process]) -> None:
    """After closing, the others have its counts; it shows its own numbers only."""
    two[0].workers.close()
    assert two[1].page()["work_total"] == 3
    assert two[0].page() == {"work_total": 1, "level": 1, "target_info": 1}


def test_closing_and_starting_twice_is_doing_it_once(two: list[Process]) -> None:
    """Neither is done again, and what was never started need not be closed."""
    before = threads()
    two[0].workers.start()
    assert threads() <= before
    for _ in range(2):
        two[0].workers.close()
    Workers().close()
    assert two[1].page()["work_total"] == 3


def test_a_directory_is_kept_over_a_restart_and_not_for_ever(tmp_path: Path) -> None:
    """Counts go on where the last worker is replaced by another; what another run left a minute ago is not taken on."""
    directory = tmp_path / "shared"
    for expected in (1, 2, 3):
        one = Process(directory)
        assert one.page()["work_total"] == expected
        one.workers.close()
    folder = places.shared_folder(str(directory))
    os.utime(folder, (1, 1))
    one = Process(directory)
    assert one.page()["work_total"] == 1
    one.workers.close()


def test_a_directory_that_is_in_use_is_never_emptied(tmp_path: Path) -> None:
    """As long as any process lives nothing is old."""
    directory = tmp_path / "shared"
    first = Process(directory)
    first.page()
    os.utime(places.shared_folder(str(directory)), (1, 1))
    second = Process(directory)
    assert second.page()["work_total"] == 2
    for each in (first, second):
        each.workers.close()


def test_where_there_can_be_no_folder_each_shows_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A directory that cannot be written to is told of once; the page is that of the one process."""
    (tmp_path / "file").touch()
    one = Process(tmp_path / "file")
    assert [one.page()["work_total"] for _ in range(2)] == [1, 1]
    (said,) = caplog.records
    assert said.levelname == "WARNING"
    assert said.getMessage().startswith("the metrics page of each worker shows that worker alone (")
    assert "CAPIBARA_WORKERS_DIR" in said.getMessage()
    one.workers.close()


def test_a_parent_joins_when_children_have(temporary: Path) -> None:
    """A process that was alone is on one page with its children as soon as one has made the group's folder."""
    parent = Process(work=5)
    assert parent.page()["work_total"] == 5
    path = places.folder_of(os.getpid())
    assert path is not None
    child = Member(Folder(path))
    before = threads()
    assert parent.page()["work_total"] == 5
    assert len(list(path.glob("*.snap"))) == 1
    assert len(threads() - before) == 1
    child.leave()
    parent.workers.close()
    assert not path.exists(), "the last one, which began them all, removes it"


def test_a_parent_that_ends_before_its_children_leaves_the_folder_to_them(temporary: Path) -> None:
    """The folder stays as long as a child lives."""
    parent = Process(work=5)
    path = places.folder_of(os.getpid())
    assert path is not None
    child = Member(Folder(path))
    parent.page()
    parent.workers.close()
    assert list(path.glob("*.snap"))
    child.leave()


def test_a_fault_in_the_group_does_not_cost_the_page(
    two: list[Process], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the others cannot be read the process shows itself."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")

    def broken(_: Folder) -> list[str]:
        raise OSError("broken")

    monkeypatch.setattr(Folder, "members", broken)
    assert two[0].page()["work_total"] == 1
    assert "page.workers" in caplog.text
    monkeypatch.undo()
