"""Pages of workers that count, are read and are killed, all at the same time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Self

from tests.integration.pipeline.page.conftest import Spawn
from tests.integration.pipeline.page.worker import Worker, value


class Slot:
    """A place for a worker that is killed again and again, and what is known of its counts."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._lock = threading.Lock()
        self._is_dying = False
        self._surely_shown = 0
        self.worker = spawn()
        self.acknowledged = 0
        self.begun = 0
        self.shown_of_dead = 0
        """What pages that ended before the kill had surely shown of workers that were killed."""
        self.begun_of_dead = 0

    def replace(self) -> None:
        """Kill the worker, in the midst of whatever it does, and begin another."""
        with self._lock:
            self._is_dying = True
        self.worker.kill()
        new = self._spawn()
        new.tell("pid")  # it serves from now on
        with self._lock:
            self.shown_of_dead += self._surely_shown
            self.begun_of_dead += self.begun
            self.worker, self.acknowledged, self.begun, self._surely_shown = new, 0, 0, 0
            self._is_dying = False

    def count(self) -> None:
        """Have it count one."""
        with self._lock:
            worker = self.worker
            self.begun += 1
        try:
            acknowledged = worker.tell("add", 1)
        except EOFError:
            return
        with self._lock:
            if worker is self.worker:
                self.acknowledged = acknowledged

    def note_shown(self, worker: Worker, acknowledged: int) -> None:
        """Note that a page was read through all of which this worker lived, and how much was acknowledged before."""
        with self._lock:
            if worker is self.worker and not self._is_dying:
                self._surely_shown = max(self._surely_shown, acknowledged)


class Chaos:
    """Workers that count under load and are killed at any moment."""

    def __init__(self, spawn: Spawn) -> None:
        self.slots = [Slot(spawn) for _ in range(3)]
        self.done = threading.Event()
        self.faults: list[BaseException] = []
        self._choice = random.Random(7)
        actions = [*(each.count for each in self.slots), self._kill_one]
        self._threads = [threading.Thread(target=self._forever, args=(action,)) for action in actions]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        for thread in self._threads:
            thread.join()

    def _forever(self, action: Callable[[], object]) -> None:
        try:
            while not self.done.is_set():
                action()
        except BaseException as fault:
            self.faults.append(fault)
            raise

    def _kill_one(self) -> None:
        time.sleep(self._choice.uniform(0, 0.3))
        self._choice.choice(self.slots).replace()

    def page(self, slot: Slot) -> float | None:
        """Return what a page of a worker shows; None where the worker was killed meanwhile."""
        known = [(each.worker, each.acknowledged) for each in self.slots]
        floor = sum(each.shown_of_dead for each in self.slots)
        try:
            shown = value(slot.worker.other("page"), "work_total")
        except EOFError:
            return None
        for each, (worker, acknowledged) in zip(self.slots, known, strict=True):
            each.note_shown(worker, acknowledged)
        assert floor <= shown <= sum(each.begun_of_dead + each.begun for each in self.slots)
        return shown


def test_no_count_falls_while_workers_are_killed_and_replaced(spawn: Spawn) -> None:
    """Under load, with workers killed at any moment, pages of all workers in turn only ever grow.

    Each holds at least what pages before it have shown of the dead and what the living have acknowledged, and at most
    what was begun.
    """
    pages = [0.0]
    deadline = time.monotonic() + 8
    with Chaos(spawn) as chaos:
        while time.monotonic() < deadline and not chaos.faults:
            for slot in chaos.slots:
                shown = chaos.page(slot)
                if shown is not None:
                    assert shown >= pages[-1], "a counter fell"
                    pages.append(shown)
    assert not chaos.faults
    assert len(pages) > 20
    assert sum(each.begun_of_dead for each in chaos.slots) > 0, "none was killed"
    final = {value(each.worker.tell("page"), "work_total") for each in chaos.slots}
    assert len(final) == 1
    assert final.pop() >= max(pages[-1], sum(each.shown_of_dead + each.acknowledged for each in chaos.slots))


def test_pages_of_all_workers_at_once_never_fall(spawn: Spawn) -> None:
    """Read by several at the same time, a page that begins after another has ended shows no less."""
    workers = [spawn() for _ in range(3)]
    done = threading.Event()
    lock = threading.Lock()
    most = [0.0]

    def count(worker: Worker) -> None:
        while not done.is_set():
            worker.tell("add", 1)

    def read(worker: Worker) -> None:
        for _ in range(40):
            with lock:
                floor = most[0]
            shown = value(worker.other("page"), "work_total")
            fell.append(shown < floor)
            with lock:
                most[0] = max(most[0], shown)

    fell: list[bool] = []
    counting = [threading.Thread(target=count, args=(each,)) for each in workers]
    reading = [threading.Thread(target=read, args=(each,)) for each in workers]
    for thread in (*counting, *reading):
        thread.start()
    for thread in reading:
        thread.join()
    done.set()
    for thread in counting:
        thread.join()
    assert fell == [False] * 120
