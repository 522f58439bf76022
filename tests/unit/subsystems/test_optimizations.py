"""`cap.optimizations`: caches, batches and other savings."""

from __future__ import annotations

import asyncio
import threading

import pytest

from capibara_otel.sdk import Capibara
from capibara_otel.subsystems.optimizations import HitRates
from capibara_otel.testing import Capture
from tests.support.emitted import metrics, only_span, point, typed

_ANSWERS = {"capibara6__cache__name": "answers"}
_OK = {"capibara6__outcome": "success"}


class TestCache:
    """`cap.optimizations.cache(…)` and `cap.optimizations.record_cache(…)`."""

    @pytest.mark.parametrize(("result", "rate"), [("hit", 1), ("miss", 0), ("stale", 0)])
    def test_as_a_block(self, result: str, rate: float, cap: Capibara, capture: Capture) -> None:
        """A look-up is a span, a count by result, a duration, and moves the hit rate."""
        with cap.optimizations.cache("answers") as lookup:
            capture.clock.advance(0.001)
            getattr(lookup, result)()

        assert only_span(capture) == (
            "cache lookup answers",
            "INTERNAL",
            "UNSET",
            typed(
                {"capibara6.cache.name": "answers", "capibara6.cache.result": result, "capibara6.outcome": "success"}
            ),
        )
        assert metrics(capture) == {
            "capibara6.cache.requests": [point(1, **_ANSWERS, capibara6__cache__result=result, **_OK)],
            "capibara6.cache.lookup.duration": [point((1, 0.001), **_ANSWERS)],
            "capibara6.cache.hit.rate": [point(rate, **_ANSWERS)],
        }

    def test_the_hit_rate(self, cap: Capibara, capture: Capture) -> None:
        """The rate is hits by look-ups since the start, per cache; in whichever form it was told."""

        @cap.optimizations.cache("answers")
        def get() -> None:
            lookup = cap.current()
            lookup.hit()  # type: ignore[union-attr]

        cap.optimizations.record_cache("answers", "miss")
        cap.optimizations.record_cache("answers", "hit", 0.1)
        cap.optimizations.record_cache("other", "stale")
        get()
        with cap.optimizations.cache("answers") as lookup:
            lookup.hit()

        assert metrics(capture)["capibara6.cache.hit.rate"] == [
            point(0.75, **_ANSWERS),
            point(0.0, capibara6__cache__name="other"),
        ]
        assert capture.value("capibara6.cache.requests", {"capibara6.cache.result": "hit"}) == 3

    def test_a_look_up_without_a_result(self, cap: Capibara, capture: Capture) -> None:
        """A look-up that failed is counted, but says nothing about the rate."""
        with pytest.raises(ConnectionError), cap.optimizations.cache("answers"):
            raise ConnectionError

        assert metrics(capture) == {
            "capibara6.cache.requests": [
                point(1, **_ANSWERS, capibara6__outcome="error", error__type="ConnectionError")
            ],
            "capibara6.cache.lookup.duration": [point((1, 0.0), **_ANSWERS, error__type="ConnectionError")],
        }

    def test_instances_do_not_share_rates(self, cap: Capibara, capture: Capture) -> None:
        """What another instance looked up is not counted here."""
        other = Capibara()
        other.optimizations.record_cache("answers", "miss")
        cap.optimizations.record_cache("answers", "hit")

        assert capture.value("capibara6.cache.hit.rate") == 1

    def test_the_state(self, cap: Capibara, capture: Capture) -> None:
        """Entries are what was told last, evictions add up, none are not shown."""
        cap.optimizations.cache_state("answers", entries=10)
        assert metrics(capture) == {"capibara6.cache.entries": [point(10, **_ANSWERS)]}
        cap.optimizations.cache_state("answers", entries=9, evicted=3)
        cap.optimizations.cache_state("answers", evicted=2)

        assert not capture.spans
        assert metrics(capture) == {
            "capibara6.cache.entries": [point(9, **_ANSWERS)],
            "capibara6.cache.evictions": [point(5, **_ANSWERS)],
        }


class TestHitRates:
    """The counting behind the rate."""

    def test_many_threads(self) -> None:
        """No look-up is lost between threads."""
        rates = HitRates()
        barrier = threading.Barrier(4)

        def look_up() -> None:
            barrier.wait()
            for number in range(500):
                rates.after("c", hit=number % 2 == 0)

        threads = [threading.Thread(target=look_up) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert rates.after("c", hit=True) == 1001 / 2001

    def test_it_is_bounded(self) -> None:
        """The 201st name of a cache has no rate; those known keep theirs."""
        rates = HitRates()
        for number in range(200):
            assert rates.after(f"c{number}", hit=True) == 1

        assert rates.after("one too many", hit=True) is None
        assert rates.after("c0", hit=False) == 0.5

    def test_it_begins_anew(self) -> None:
        """After clearing, nothing of before counts."""
        rates = HitRates()
        rates.after("c", hit=False)
        rates.clear()

        assert rates.after("c", hit=True) == 1


class TestBatch:
    """`cap.optimizations.batch(…)`, `batch_wait(…)` and `record_batch(…)`."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """A batch is a span, a duration, its size and the waiting of its items."""

        async def work() -> None:
            async with cap.optimizations.batch("embeddings", size=16) as batch:
                batch.waited(0.1)
                batch.waited([0.2, 0.3])
                capture.clock.advance(0.5)

        asyncio.run(work())
        labels = {"capibara6__batch__name": "embeddings"}

        assert only_span(capture) == (
            "batch process embeddings",
            "INTERNAL",
            "UNSET",
            typed({"capibara6.batch.name": "embeddings", "capibara6.batch.size": 16, "capibara6.outcome": "success"}),
        )
        assert metrics(capture) == {
            "capibara6.batch.processing.duration": [point((1, 0.5), **labels, **_OK)],
            "capibara6.batch.size": [point((1, 16.0), **labels)],
            "capibara6.batch.wait.duration": [point((3, 0.6), **labels)],
        }

    def test_a_decorated_function_measures_its_size_each_time(self, cap: Capibara, capture: Capture) -> None:
        """What was told when the batch was opened holds for every call."""

        @cap.optimizations.batch("embeddings", size=4)
        def process() -> None:
            return

        process()
        process()

        assert metrics(capture)["capibara6.batch.size"] == [point((2, 8.0), capibara6__batch__name="embeddings")]

    def test_recorded(self, cap: Capibara, capture: Capture) -> None:
        """What was measured elsewhere gives the same; one item's waiting may be told by itself."""
        cap.optimizations.record_batch("b", 2, 0.5, wait_s=(0.1, 0.2))
        cap.optimizations.record_batch("b", 3, 1, wait_s=0.4, error="overflow")
        cap.optimizations.batch_wait("b", 0.3)
        labels = {"capibara6__batch__name": "b"}

        assert len(capture.spans) == 2
        assert metrics(capture) == {
            "capibara6.batch.processing.duration": [
                point((1, 1.0), **labels, capibara6__outcome="error", error__type="overflow"),
                point((1, 0.5), **labels, **_OK),
            ],
            "capibara6.batch.size": [point((2, 5.0), **labels)],
            "capibara6.batch.wait.duration": [point((4, 1.0), **labels)],
        }


class TestApply:
    """`cap.optimizations.apply(…)` and `cap.optimizations.record_optimization(…)`."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """An optimization is a span, a count, a duration and the share it saved."""
        with cap.optimizations.apply("compression") as application:
            capture.clock.advance(0.01)
            application.improved(0.35)
        labels = {"capibara6__optimizations__name": "compression"}

        assert only_span(capture) == (
            "optimization apply compression",
            "INTERNAL",
            "UNSET",
            typed(
                {
                    "capibara6.optimizations.name": "compression",
                    "capibara6.optimizations.improvement": 0.35,
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.optimizations.operations": [point(1, **labels, **_OK)],
            "capibara6.optimizations.duration": [point((1, 0.01), **labels)],
            "capibara6.optimizations.improvement": [point((1, 0.35), **labels)],
        }

    @pytest.mark.parametrize(("share", "improved"), [(0, True), (1, True), (-0.2, False), (-3, False)])
    def test_saving_nothing_and_making_it_worse(
        self, share: float, improved: bool, cap: Capibara, capture: Capture
    ) -> None:
        """Nothing saved is an improvement of 0; less than nothing is a regression, counted apart."""
        cap.optimizations.record_optimization("o", improvement=share)

        assert capture.attributes("optimization apply o")["capibara6.optimizations.improvement"] == share
        assert capture.value("capibara6.optimizations.improvement") == improved
        assert capture.value("capibara6.optimizations.regressions") == (not improved)
        assert metrics(capture)["capibara6.optimizations.duration"] == [
            point((1, 0.0), capibara6__optimizations__name="o")
        ]

    def test_a_failure(self, cap: Capibara, capture: Capture) -> None:
        """An optimization that failed is counted with its kind."""
        cap.optimizations.record_optimization("o", 0.1, error=MemoryError())

        labels = {"capibara6__optimizations__name": "o", "error__type": "MemoryError"}
        assert metrics(capture) == {
            "capibara6.optimizations.operations": [point(1, **labels, capibara6__outcome="error")],
            "capibara6.optimizations.duration": [point((1, 0.1), **labels)],
        }
