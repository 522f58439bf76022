"""One page for several worker processes: real processes that count, are killed and are replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.pipeline.page.conftest import Spawn
from tests.integration.pipeline.page.worker import value


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in another process."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_spawned_workers_are_one_page(spawn: Spawn, temporary: Path) -> None:
    """Whichever worker is asked shows what all have measured, by the rule of each kind."""
    workers = [spawn() for _ in range(3)]
    for number, each in enumerate(workers):
        each.tell("add", 10**number)
        each.tell("record", 0.5)
        each.tell("set", "load", number + 1)
    workers[2].tell("set", "level", 2.0)
    workers[0].tell("set", "level", 0.0)
    workers[1].tell("set", "level", 1.0)
    for each in workers:
        page = each.tell("page")
        assert value(page, "work_total") == 111
        assert value(page, "load") == 6
        assert value(page, "level") == 1, "the last one that was set"
        assert value(page, "time_seconds_sum") == 1.5
        assert value(page, "time_seconds_count") == 3
        assert 'target_info{service_name="app"} 1.0' in page
    (base,) = temporary.iterdir()
    assert [len(list(group.glob("*.lock"))) for group in base.iterdir()] == [3]


def test_a_worker_by_itself_shows_what_it_is(spawn: Spawn) -> None:
    """A worker that never had a sibling has its own process on `target_info`."""
    one = spawn()
    assert f'process_pid="{one.tell("pid")}"' in one.tell("page")


def test_a_killed_worker_has_counted_what_it_had_counted(spawn: Spawn) -> None:
    """What a page has shown stays when its worker is killed; its load and its level are gone."""
    one, other = spawn(), spawn()
    one.tell("add", 1)
    other.tell("add", 10)
    other.tell("record", 2.0)
    other.tell("set", "load", 5)
    one.tell("set", "level", 1.0)
    other.tell("set", "level", 9.0)
    assert value(one.tell("page"), "level") == 9
    other.kill()
    page = one.tell("page")
    assert value(page, "work_total") == 11
    assert value(page, "time_seconds_sum") == 2
    assert value(page, "load") == 0
    assert value(page, "level") == 1
    new = spawn()
    new.tell("add", 100)
    assert value(new.tell("page"), "work_total") == value(one.tell("page"), "work_total") == 111


def test_a_worker_that_closes_loses_nothing(spawn: Spawn) -> None:
    """What a worker counted up to its end is kept, though nobody had read a page."""
    one, other = spawn(), spawn()
    for number in range(5):
        other.tell("add", 10)
        other.tell("close")
        other.stop()
        other = spawn()
        assert value(one.tell("page"), "work_total") == 10 * (number + 1)


def test_restarts_leave_no_files(spawn: Spawn, temporary: Path) -> None:
    """The folder does not grow with the workers that were, and no page need be read for that."""
    for _ in range(6):
        one = spawn()
        one.tell("add", 1)
        one.tell("close")
        one.stop()
    last = spawn()
    assert value(last.tell("page"), "work_total") == 6
    (group,) = (temporary / f"capibara-otel-{os.geteuid()}").iterdir()
    assert sorted(path.suffix for path in group.iterdir()) == ["", ".lock", ".snap", ".snap", ".sock"]


def test_a_worker_that_is_stopped_delays_nobody_for_long(spawn: Spawn) -> None:
    """One that the system has stopped is on the page with its last numbers; when it goes on, with its own."""
    one, other = spawn(patience_s=0.3), spawn()
    one.tell("add", 1)
    other.tell("add", 10)
    other.tell("set", "load", 5)
    until(lambda: value(one.tell("page"), "work_total") == 11)
    pid = other.tell("pid")
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(2):
            one.tell("add", 1)
            one.tell("page")
        one.tell("add", 1)
        page = one.tell("page")
        assert value(page, "work_total") == 14
        assert value(page, "load") == 5
    finally:
        os.kill(pid, signal.SIGCONT)
    other.tell("add", 10)
    until(lambda: value(one.tell("page"), "work_total") == 24)


def test_a_worker_whose_metrics_hang_delays_nobody_for_long(spawn: Spawn) -> None:
    """The same holds for one whose collection never ends."""
    one, other = spawn(patience_s=0.3), spawn()
    other.tell("add", 10)
    until(lambda: value(one.tell("page"), "work_total") == 10)
    other.tell("hang")
    assert value(one.tell("page"), "work_total") == 10


def test_what_was_acknowledged_is_on_the_next_page(spawn: Spawn) -> None:
    """Counted under load by workers that live, each page has all that was acknowledged before and nothing too much."""
    workers = [spawn() for _ in range(3)]
    acknowledged, begun = [0] * 3, [0] * 3
    done = threading.Event()

    def load(index: int) -> None:
        while not done.is_set():
            begun[index] += 1
            acknowledged[index] = workers[index].tell("add", 1)

    threads = [threading.Thread(target=load, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(40):
            before = sum(acknowledged)
            shown = value(workers[turn % 3].other("page"), "work_total")
            assert before <= shown <= sum(begun)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert {value(each.tell("page"), "work_total") for each in workers} == {sum(acknowledged)}
    assert sum(acknowledged) > 100


def test_forked_workers_belong_to_their_parent(spawn: Spawn) -> None:
    """Workers that a process forks are on one page with it and with each other, from zero, without being told."""
    parent = spawn(spares=2)
    parent.tell("add", 1000)
    assert value(parent.tell("page"), "work_total") == 1000
    pids = [parent.tell("fork", number) for number in range(2)]
    for number, tell in enumerate(parent.forked):
        assert tell("pid") == pids[number]
        tell("add", 10**number)
    for tell in (*parent.forked, parent.tell):
        until(lambda tell=tell: value(tell("page"), "work_total") == 1011)  # type: ignore[misc]
    os.kill(pids[0], signal.SIGKILL)
    parent.tell("reap", pids[0])
    assert value(parent.forked[1]("page"), "work_total") == 1011
    assert value(parent.tell("page"), "work_total") == 1011


def test_a_process_that_forks_leads_its_children() -> None:
    """A process that was alone joins with its forked children by itself; when all have ended, nothing is left."""
    program = """
import os, sys, time
from multiprocessing import Pipe
from tests.integration.pipeline.page.worker import Told, _answer, _Commands, value
from capibara_otel.pipeline.page import Workers

pairs = [Pipe() for _ in range(2)]
commands = _Commands(Workers(), [pair[1] for pair in pairs])
commands.add(100)
assert value(commands.page(), "work_total") == 100
assert os.listdir(os.environ["TMPDIR"]) == [] and commands.threads() == []
told = [Told(pair[0]) for pair in pairs]
pids = [commands.fork(number) for number in range(2)]
for number, tell in enumerate(told):
    tell("add", 10 ** number)
# The parent has not been asked for a page since.
deadline = time.monotonic() + 20
while value(told[1]("page"), "work_total") != 111:
    assert time.monotonic() < deadline, told[1]("page")
    time.sleep(0.05)
assert value(told[0]("page"), "work_total") == value(commands.page(), "work_total") == 111
told[0]("close")
for pid in pids:
    os.kill(pid, 9)
    commands.reap(pid)
assert value(commands.page(), "work_total") == 111
commands.close()
(base,) = os.listdir(os.environ["TMPDIR"])
assert os.listdir(os.path.join(os.environ["TMPDIR"], base)) == []
print("done")
"""
    done = run_program(program)
    assert done == "done\n"


def run_program(source: str) -> str:
    """Run a program in a process of its own, which is nobody's worker."""
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_children_of_a_worker_belong_to_its_group(spawn: Spawn) -> None:
    """What a worker's own children measure is on the page of the server, whoever of them all is asked."""
    worker, sibling = spawn(spares=1), spawn()
    worker.tell("add", 1)
    sibling.tell("add", 10)
    worker.tell("fork", 0)
    forked = worker.forked[0]
    forked("add", 100)
    worker.tell("spawn")
    worker.tell("child", "add", 1000)
    pages = [worker.tell("page"), sibling.tell("page"), forked("page"), worker.tell("child", "page")]
    assert [value(page, "work_total") for page in pages] == [1111] * 4


def test_those_who_name_a_directory_are_one_group(spawn: Spawn, tmp_path: Path) -> None:
    """Processes that no common parent joins are one group where they are told the same directory."""
    directory = str(tmp_path / "shared")
    workers = [spawn(directory=directory) for _ in range(2)]
    for each in workers:
        each.tell("add", 5)
    assert {value(each.tell("page"), "work_total") for each in workers} == {10}
    workers[0].kill()
    assert value(workers[1].tell("page"), "work_total") == 10


def test_what_dead_groups_left_is_removed_by_the_next(spawn: Spawn, temporary: Path) -> None:
    """The folder of a group that was killed with its parent is gone when the next group begins."""
    program = """
import multiprocessing, os, sys
from tests.integration.pipeline.page.worker import Worker
if __name__ == "__main__":
    worker = Worker(method="fork")
    worker.tell("add", 1)
    worker.tell("page")
    os.kill(worker.tell("pid"), 9)
    os.kill(os.getpid(), 9)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    base = temporary / f"capibara-otel-{os.geteuid()}"
    (left,) = base.iterdir()
    one = spawn()
    one.tell("add", 2)
    assert value(one.tell("page"), "work_total") == 2
    assert not left.exists()
    assert len(list(base.iterdir())) == 1


def test_the_last_of_a_group_whose_parent_has_ended_removes_the_folder(temporary: Path) -> None:
    """When the parent has gone before them, the last worker to close leaves nothing."""
    program = """
import os
from tests.integration.pipeline.page.worker import Worker, value
workers = [Worker(closes=True) for _ in range(2)]
for each in workers:
    each.tell("add", 1)
assert value(workers[0].tell("page"), "work_total") == 2
print("shown", flush=True)
os._exit(0)
"""
    assert run_program(program) == "shown\n"
    base = temporary / f"capibara-otel-{os.geteuid()}"
    until(lambda: list(base.iterdir()) == [])
