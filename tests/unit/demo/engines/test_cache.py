"""The cache: age, room, counts, and making a value once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara_otel.demo.engines.cache import CacheStats, Lookup, Outcome, TtlLruCache


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_entry_is_a_hit_until_its_time_to_live_and_stale_from_then_on() -> None:
    """The age decides to the second, and a stale lookup still gives the old value."""
    clock = _Clock()
    cache = TtlLruCache[str, int](10, 5.0, clock=clock)

    assert cache.get("a") == Lookup(Outcome.MISS, None, None)
    cache.put("a", 1)
    clock.now = 4.9
    assert cache.get("a") == Lookup(Outcome.HIT, 1, 4.9)
    clock.now = 5.0
    assert cache.get("a") == Lookup(Outcome.STALE, 1, 5.0)
    cache.put("a", 2)
    assert cache.get("a") == Lookup(Outcome.HIT, 2, 0.0)
    assert cache.stats() == CacheStats(hits=2, misses=1, stale=1, evictions=0, entries=1)
    assert cache.stats().hit_rate == 0.5


def test_the_entry_used_longest_ago_leaves() -> None:
    """A hit and a put count as use, a stale lookup does not."""
    clock = _Clock()
    cache = TtlLruCache[str, int](2, 5.0, clock=clock)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)

    assert [cache.get(key).outcome for key in "abc"] == [Outcome.HIT, Outcome.MISS, Outcome.HIT]
    assert (cache.stats().evictions, cache.stats().entries) == (1, 2)


def test_a_stale_entry_does_not_become_recently_used() -> None:
    """What is only found stale is the next to leave."""
    clock = _Clock()
    cache = TtlLruCache[str, int](2, 5.0, clock=clock)
    cache.put("a", 1)
    clock.now = 6.0
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)

    assert cache.get("a").outcome is Outcome.MISS
    assert cache.get("b").outcome is Outcome.HIT


@given(st.lists(st.tuples(st.sampled_from("pgd"), st.integers(0, 6), st.floats(0, 3)), max_size=60))
def test_it_agrees_with_a_plain_list_of_entries(steps: list[tuple[str, int, float]]) -> None:
    """Whatever is put, looked up and dropped: outcomes, values and size are those of a simple model."""
    clock = _Clock()
    cache = TtlLruCache[int, float](3, 4.0, clock=clock)
    model: list[tuple[int, float]] = []
    for what, key, passed in steps:
        clock.now += passed
        found = next((entry for entry in model if entry[0] == key), None)
        if what == "p":
            cache.put(key, clock.now)
            model = [*(entry for entry in model if entry[0] != key), (key, clock.now)][-3:]
        elif what == "d":
            assert cache.drop(key) == (found is not None)
            model = [entry for entry in model if entry[0] != key]
        elif found is None:
            assert cache.get(key).outcome is Outcome.MISS
        else:
            fresh = clock.now - found[1] < 4.0
            assert cache.get(key) == Lookup(Outcome.HIT if fresh else Outcome.STALE, found[1], clock.now - found[1])
            if fresh:
                model = [*(entry for entry in model if entry[0] != key), found]
        assert cache.stats().entries == len(model) <= 3


def test_a_value_is_made_once_for_all_who_ask_meanwhile() -> None:
    """Ten tasks ask at once, one value is made, each counts as a miss, and the next one hits."""
    made = 0

    async def make() -> int:
        nonlocal made
        made += 1
        await asyncio.sleep(0.01)
        return made

    async def scenario() -> None:
        cache = TtlLruCache[str, int](2, 60.0)
        found = await asyncio.gather(*(cache.get_or_make("a", make) for _ in range(10)))
        assert found == [Lookup(Outcome.MISS, 1, None)] * 10
        assert (await cache.get_or_make("a", make)).outcome is Outcome.HIT
        assert (cache.stats().misses, cache.stats().hits) == (10, 1)

    asyncio.run(scenario())
    assert made == 1


def test_a_stale_value_is_made_anew() -> None:
    """`get_or_make` tells that the entry was stale and gives the fresh value."""
    clock = _Clock()

    async def scenario() -> None:
        cache = TtlLruCache[str, str](2, 5.0, clock=clock)
        cache.put("a", "old")
        clock.now = 9.0

        async def make() -> str:
            return "new"

        assert await cache.get_or_make("a", make) == Lookup(Outcome.STALE, "new", 9.0)
        assert cache.get("a") == Lookup(Outcome.HIT, "new", 0.0)

    asyncio.run(scenario())


def test_a_failure_reaches_all_and_is_not_kept() -> None:
    """Whoever waits gets the fault, and the next call tries again."""
    calls = 0

    async def make() -> int:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        raise OSError("no disk")

    async def scenario() -> None:
        cache = TtlLruCache[str, int](2, 60.0)
        found = await asyncio.gather(*(cache.get_or_make("a", make) for _ in range(3)), return_exceptions=True)
        assert [str(fault) for fault in found] == ["no disk"] * 3
        with pytest.raises(OSError, match="no disk"):
            await cache.get_or_make("a", make)
        assert cache.stats().entries == 0

    asyncio.run(scenario())
    assert calls == 2


def test_one_cancelled_caller_does_not_take_the_value_from_another() -> None:
    """The value is still made when the first who asked is gone, and a fault nobody hears makes no noise."""

    async def scenario() -> None:
        cache = TtlLruCache[str, int](2, 60.0)

        async def make() -> int:
            await asyncio.sleep(0.02)
            return 7

        async def fail() -> int:
            await asyncio.sleep(0.01)
            raise OSError("unheard")

        first = asyncio.create_task(cache.get_or_make("a", make))
        second = asyncio.create_task(cache.get_or_make("a", make))
        alone = asyncio.create_task(cache.get_or_make("b", fail))
        await asyncio.sleep(0)
        first.cancel()
        alone.cancel()
        assert (await second).value == 7
        assert first.cancelled()
        assert alone.cancelled()

    asyncio.run(scenario())


def test_senseless_bounds_are_refused_together() -> None:
    """Both faults are told in one error."""
    with pytest.raises(ValueError, match=r"max_entries=0: .*ttl_s=-1"):
        TtlLruCache(0, -1)
