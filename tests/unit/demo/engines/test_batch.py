"""The batch queue: grouping, results, failures, closing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from capibara_otel.demo.engines.batch import BatchClosedError, Batched, BatchQueue, BatchSizeError


class _Doubler:
    """Doubles numbers, and remembers the batches it was given."""

    def __init__(self, wait_s: float = 0.0) -> None:
        self.batches: list[list[int]] = []
        self._wait_s = wait_s

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await asyncio.sleep(self._wait_s)
        return [item * 2 for item in items]


def test_a_full_batch_starts_at_once_and_each_gets_its_own_result() -> None:
    """Seven items with room for three make two batches at once; the rest waits for its time."""
    double = _Doubler()

    async def scenario() -> list[Batched[int]]:
        async with BatchQueue(double, max_size=3, max_wait_s=0.02) as queue:
            return await asyncio.gather(*(queue.submit(number) for number in range(7)))

    results = asyncio.run(scenario())

    assert double.batches == [[0, 1, 2], [3, 4, 5], [6]]
    assert [result.value for result in results] == [0, 2, 4, 6, 8, 10, 12]
    assert [result.batch_size for result in results] == [3, 3, 3, 3, 3, 3, 1]
    assert [result.position for result in results] == [0, 1, 2, 0, 1, 2, 0]


def test_a_batch_starts_when_its_first_item_waited_long_enough() -> None:
    """A lone item is not held for company, and pending items are counted."""
    double = _Doubler()

    async def scenario() -> None:
        queue = BatchQueue(double, max_size=100, max_wait_s=0.03)
        first = asyncio.create_task(queue.submit(1))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(queue.submit(2))
        await asyncio.sleep(0)
        assert (queue.pending, queue.running) == (2, 0)
        assert (await first).batch_size == (await second).batch_size == 2
        assert (await queue.submit(3)).batch_size == 1

    asyncio.run(scenario())
    assert double.batches == [[1, 2], [3]]


def test_the_times_are_those_of_the_clock() -> None:
    """Waiting is from submit to start, processing from start to end, for all items of the batch alike."""
    now = 0.0

    async def process(items: Sequence[str]) -> Sequence[str]:
        nonlocal now
        now += 5.0
        return items

    async def scenario() -> list[Batched[str]]:
        nonlocal now
        queue = BatchQueue(process, max_size=2, max_wait_s=60, clock=lambda: now)
        first = asyncio.create_task(queue.submit("a"))
        await asyncio.sleep(0)
        now = 3.0
        return [await queue.submit("b"), await first]

    second, first = asyncio.run(scenario())

    assert (first.waited_s, first.processing_s) == (3.0, 5.0)
    assert (second.waited_s, second.processing_s) == (0.0, 5.0)


def test_a_failure_reaches_every_caller_of_its_batch_and_no_other() -> None:
    """One bad batch leaves the next one alone."""

    async def process(items: Sequence[int]) -> Sequence[int]:
        if 13 in items:
            raise OSError("unlucky")
        return items

    async def scenario() -> list[Batched[int] | BaseException]:
        queue = BatchQueue(process, max_size=2, max_wait_s=0.01)
        return await asyncio.gather(*(queue.submit(item) for item in (1, 13, 2, 3)), return_exceptions=True)

    first, second, third, fourth = asyncio.run(scenario())

    assert isinstance(first, OSError)
    assert isinstance(second, OSError)
    assert isinstance(third, Batched)
    assert isinstance(fourth, Batched)


def test_a_wrong_number_of_results_is_a_fault_of_the_processing() -> None:
    """Callers are told how many results came for how many items, instead of getting someone else's."""

    async def process(items: Sequence[int]) -> Sequence[int]:
        return items[1:]

    async def scenario() -> None:
        queue = BatchQueue(process, max_size=2)
        found = await asyncio.gather(queue.submit(1), queue.submit(2), return_exceptions=True)
        assert [type(fault) for fault in found] == [BatchSizeError] * 2
        assert "2 items gave 1 results" in str(found[0])

    asyncio.run(scenario())


def test_a_cancelled_callers_item_is_left_out() -> None:
    """Who leaves before the start is not processed; who leaves later does not disturb the others."""
    double = _Doubler(wait_s=0.02)

    async def scenario() -> None:
        queue = BatchQueue(double, max_size=3, max_wait_s=0.02)
        early, late, stays = (asyncio.create_task(queue.submit(number)) for number in (1, 2, 3))
        await asyncio.sleep(0)
        assert queue.running == 1
        late.cancel()
        assert (await stays).value == 6
        assert (await early).value == 2
        gone = asyncio.create_task(queue.submit(4))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone, late])
        assert queue.pending == 0
        assert (await queue.submit(5)).batch_size == 1

    asyncio.run(scenario())
    assert double.batches == [[1, 2, 3], [5]]


def test_closing_processes_what_waits_and_refuses_the_rest() -> None:
    """Closing does not wait for the timer, loses nothing, and can be done twice."""
    double = _Doubler(wait_s=0.01)

    async def scenario() -> None:
        queue = BatchQueue(double, max_size=100, max_wait_s=60)
        waiting = asyncio.create_task(queue.submit(1))
        await asyncio.sleep(0)
        await queue.aclose()
        assert (await asyncio.wait_for(waiting, 1)).value == 2
        await queue.aclose()
        with pytest.raises(BatchClosedError, match="make a new one"):
            await queue.submit(2)

    asyncio.run(scenario())


def test_cancelled_processing_cancels_its_callers() -> None:
    """When the loop is torn down in mid-batch no caller is left waiting for ever."""

    async def process(items: Sequence[int]) -> Sequence[int]:
        raise asyncio.CancelledError

    async def scenario() -> None:
        queue = BatchQueue(process, max_size=1)
        with pytest.raises(asyncio.CancelledError):
            await queue.submit(1)

    asyncio.run(scenario())


def test_senseless_bounds_are_refused_together() -> None:
    """Both faults are told in one error."""
    with pytest.raises(ValueError, match=r"max_size=0: .*max_wait_s=-1"):
        BatchQueue(_Doubler(), max_size=0, max_wait_s=-1)
