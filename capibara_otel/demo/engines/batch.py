"""A batch queue: items that come in at about the same time are processed together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class BatchClosedError(RuntimeError):
    """An item was submitted to a queue that is closed."""


class BatchSizeError(RuntimeError):
    """The processing function gave another number of results than there were items."""


@dataclass(frozen=True)
class Batched(Generic[R]):
    """What came of one item.

    Attributes:
        value: its result.
        waited_s: seconds from submitting it until its batch was started.
        processing_s: seconds the whole batch took.
        batch_size: items in the batch.
        position: its place in the batch from 0; whoever counts batches counts the items at 0.
    """

    value: R
    waited_s: float
    processing_s: float
    batch_size: int
    position: int


@dataclass(frozen=True, eq=False)
class _Item(Generic[T, R]):
    value: T
    submitted: float
    done: asyncio.Future[Batched[R]]


class BatchQueue(Generic[T, R]):
    """Groups the items of concurrent tasks and hands each group to one call.

    Args:
        process: takes the items of a batch and gives one result for each, in order.
        max_size: a batch starts at once when it has this many items.
        max_wait_s: it starts with fewer when its first item has waited this long.
        clock: seconds that only go forward, for the times in the results.
    """

    def __init__(
        self,
        process: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        max_size: int = 16,
        max_wait_s: float = 0.01,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        faults = [f"max_size={max_size}: give it 1 or more"] * (max_size < 1)
        faults += [f"max_wait_s={max_wait_s}: give it seconds from 0 on"] * (not max_wait_s >= 0)
        if faults:
            raise ValueError(f"BatchQueue({'; '.join(faults)})")
        self._process = process
        self._max_size = max_size
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._items: list[_Item[T, R]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def pending(self) -> int:
        """How many items wait for their batch to start."""
        return len(self._items)

    @property
    def running(self) -> int:
        """How many batches are processed now."""
        return len(self._running)

    async def submit(self, item: T) -> Batched[R]:
        """Have an item processed in a batch, and return its result and how it went.

        A cancelled caller's item is left out if its batch has not started. What the processing raises reaches every
        caller of the batch.

        Raises:
            BatchClosedError: the queue is closed.
            BatchSizeError: the processing gave too few or too many results.
        """
        if self._closed:
            raise BatchClosedError("the batch queue is closed; make a new one")
        loop = asyncio.get_running_loop()
        entry: _Item[T, R] = _Item(item, self._clock(), loop.create_future())
        self._items.append(entry)
        if len(self._items) >= self._max_size:
            self._start_batch()
        elif self._timer is None:
            self._timer = loop.call_later(self._max_wait_s, self._start_batch)
        try:
            return await entry.done
        finally:
            if entry in self._items:
                self._items.remove(entry)

    async def aclose(self) -> None:
        """Refuse further items, process those that wait, and return when all batches are done."""
        self._closed = True
        self._start_batch()
        while self._running:
            await asyncio.wait(self._running)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _start_batch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = [item for item in self._items if not item.done.done()]
        self._items = []
        if batch:
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _values(self, batch: list[_Item[T, R]]) -> Sequence[R]:
        values = await self._process([item.value for item in batch])
        if len(values) != len(batch):
            raise BatchSizeError(f"a batch of {len(batch)} items gave {len(values)} results; give one per item")
        return values

    async def _run(self, batch: list[_Item[T, R]]) -> None:
        started = self._clock()
        try:
            values = await self._values(batch)
        except asyncio.CancelledError:
            for item in batch:
                item.done.cancel()
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is belongs to the callers
            for item in batch:
                if not item.done.done():
                    item.done.set_exception(fault)
            return
        took = self._clock() - started
        for position, (item, value) in enumerate(zip(batch, values, strict=True)):
            if not item.done.done():
                item.done.set_result(Batched(value, started - item.submitted, took, len(batch), position))
