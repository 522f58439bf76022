"""`cap.rag`: searches and ingestions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.emitted import metrics, only_span, point, typed

_FOUND = typed(
    {
        "capibara6.rag.index": "docs",
        "capibara6.rag.top_k": 8,
        "capibara6.rag.results": 2,
        "capibara6.rag.hit": True,
        "capibara6.rag.relevance.best": 0.82,
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": "docs",
        "capibara6.outcome": "success",
    }
)
_MEASURED = {
    "capibara6.rag.searches": [
        point(1, capibara6__rag__index="docs", capibara6__rag__hit=True, capibara6__outcome="success")
    ],
    "capibara6.rag.search.duration": [point((1, 0.25), capibara6__rag__index="docs")],
    "capibara6.rag.results": [point((1, 2.0), capibara6__rag__index="docs")],
    "capibara6.rag.relevance": [point((2, 1.32), capibara6__rag__index="docs")],
}


class TestSearch:
    """`cap.rag.search(…)` in each of its forms."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """A search is a span with its arguments and results, a count, a duration, and the results' relevance."""
        with cap.rag.search(index="docs", top_k=8, query="how?") as search:
            capture.clock.advance(0.25)
            search.found(2, scores=[0.5, 0.82])

        assert only_span(capture) == ("rag search docs", "INTERNAL", "UNSET", _FOUND)
        assert metrics(capture) == _MEASURED

    def test_as_an_asynchronous_block(self, cap: Capibara, capture: Capture) -> None:
        """`async with` gives the same."""

        async def work() -> None:
            async with cap.rag.search(index="docs", top_k=8) as search:
                await asyncio.sleep(0)
                capture.clock.advance(0.25)
                search.found(2, scores=(0.82, 0.5))

        asyncio.run(work())

        assert only_span(capture) == ("rag search docs", "INTERNAL", "UNSET", _FOUND)
        assert metrics(capture) == _MEASURED

    def test_as_a_decorator(self, cap: Capibara, capture: Capture) -> None:
        """Each call of a decorated function is a search of its own, and the running one can be told of inside."""

        @cap.rag.search(index="docs", top_k=3)
        def plain(hits: int) -> int:
            search = cap.current()
            assert search is not None
            search.found(hits)  # type: ignore[attr-defined]
            return hits

        @cap.rag.search(index="notes")
        async def later(hits: int) -> int:
            await asyncio.sleep(0)
            return plain(hits)

        assert plain(0) == 0
        assert asyncio.run(later(2)) == 2
        assert [span.name for span in capture.spans] == ["rag search docs", "rag search docs", "rag search notes"]
        assert [typed(span.attributes).get("capibara6.rag.hit") for span in capture.spans] == [
            "False",
            "True",
            None,
        ]
        assert metrics(capture)["capibara6.rag.searches"] == [
            point(1, capibara6__rag__index="docs", capibara6__rag__hit=False, capibara6__outcome="success"),
            point(1, capibara6__rag__index="docs", capibara6__rag__hit=True, capibara6__outcome="success"),
            point(1, capibara6__rag__index="notes", capibara6__outcome="success"),
        ]

    def test_as_a_decorator_of_generators(self, cap: Capibara, capture: Capture) -> None:
        """A generator is one search from its first step to its end."""

        @cap.rag.search(index="docs")
        def hits() -> Iterator[int]:
            capture.clock.advance(1)
            yield 1
            capture.clock.advance(1)
            yield 2

        @cap.rag.search(index="docs")
        async def later() -> AsyncIterator[int]:
            capture.clock.advance(1)
            yield 3

        async def read() -> list[int]:
            return [hit async for hit in later()]

        assert list(hits()) == [1, 2]
        assert asyncio.run(read()) == [3]
        assert metrics(capture)["capibara6.rag.search.duration"] == [point((2, 3.0), capibara6__rag__index="docs")]

    @pytest.mark.parametrize(
        ("make", "outcome", "kind", "status"),
        [
            (lambda: ValueError("no index"), "error", "ValueError", "ERROR"),
            (lambda: TimeoutError("too slow"), "timeout", "TimeoutError", "ERROR"),
            (asyncio.CancelledError, "cancelled", None, "UNSET"),
            (KeyboardInterrupt, "cancelled", None, "UNSET"),
        ],
        ids=["error", "timeout", "cancelled", "interrupted"],
    )
    def test_an_exception(
        self,
        cap: Capibara,
        capture: Capture,
        make: Callable[[], BaseException],
        outcome: str,
        kind: str | None,
        status: str,
    ) -> None:
        """What leaves the block decides the outcome, and the exception goes on."""
        error = make()
        with pytest.raises(type(error)) as raised, cap.rag.search(index="docs"):
            raise error

        how = {"capibara6.outcome": outcome} | ({"error.type": kind} if kind else {})
        labels = {name.replace(".", "__"): value for name, value in how.items()}
        kinds = {"error__type": kind} if kind else {}
        assert raised.value is error
        assert only_span(capture) == (
            "rag search docs",
            "INTERNAL",
            status,
            typed(
                {
                    "capibara6.rag.index": "docs",
                    "gen_ai.operation.name": "retrieval",
                    "gen_ai.data_source.id": "docs",
                    **how,
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.rag.searches": [point(1, capibara6__rag__index="docs", **labels)],
            "capibara6.rag.search.duration": [point((1, 0.0), capibara6__rag__index="docs", **kinds)],
        }

    @pytest.mark.parametrize("found", [0, 1])
    def test_hit_or_miss(self, found: int, cap: Capibara, capture: Capture) -> None:
        """A search that found nothing is a miss, and no failure."""
        cap.rag.record_search("docs", 0.1, results=found)

        assert capture.attributes("rag search docs")["capibara6.rag.hit"] is bool(found)
        assert (
            capture.value("capibara6.rag.searches", {"capibara6.rag.hit": bool(found), "capibara6.outcome": "success"})
            == 1
        )

    def test_the_best_of_scores(self, cap: Capibara, capture: Capture) -> None:
        """The best relevance is on the span, also if it is 0; without scores there is none."""
        cap.rag.record_search("a", 0.1, results=2, scores=[0.0, 0.0])
        cap.rag.record_search("b", 0.1, results=2, scores=(score for score in (0.1, 0.9, 0.4)))
        cap.rag.record_search("c", 0.1, results=2, scores=[])

        best = [span.attributes.get("capibara6.rag.relevance.best") for span in capture.spans if span.attributes]
        assert best == [0.0, 0.9, None]
        assert capture.value("capibara6.rag.relevance") == 5

    def test_scores_without_a_truth_value(self, cap: Capibara, capture: Capture) -> None:
        """Scores may be an array of numpy, which is neither true nor false."""

        class Array:
            def __iter__(self) -> Iterator[float]:
                return iter((0.25, 0.75))

            def __bool__(self) -> bool:
                raise ValueError("The truth value of an array with more than one element is ambiguous.")

        cap.rag.record_search("docs", 0.1, results=2, scores=Array())

        assert capture.attributes("rag search docs")["capibara6.rag.relevance.best"] == 0.75

    def test_the_query_is_content(self, cap: Capibara) -> None:
        """The query's text is recorded only where content capture is on, and then without secrets."""
        with Capture(cap) as without:
            cap.rag.search(index="docs", query="mine").record(0.1)
        with Capture(cap, capture_content=True) as with_content:
            cap.rag.search(index="docs", query="mail of bob@example.com?").record(0.1)

        assert "capibara6.rag.query" not in without.attributes("rag search docs")
        assert with_content.attributes("rag search docs")["capibara6.rag.query"] == "mail of [redacted]?"


class TestRecordSearch:
    """`cap.rag.record_search(…)` for who measured himself."""

    def test_everything(self, cap: Capibara, capture: Capture) -> None:
        """The same span and metrics as of a block."""
        cap.rag.record_search("docs", 0.25, results=2, scores=[0.5, 0.82], top_k=8)

        assert only_span(capture) == ("rag search docs", "INTERNAL", "UNSET", _FOUND)
        assert metrics(capture) == _MEASURED
        (span,) = capture.spans
        assert span.end_time == capture.clock.now_ns
        assert span.start_time == capture.clock.now_ns - 250_000_000

    @pytest.mark.parametrize(
        ("outcome", "error", "expected", "kind"),
        [
            ("", ConnectionError("refused"), "error", "ConnectionError"),
            ("", "unavailable", "error", "unavailable"),
            ("timeout", "", "timeout", "timeout"),
            ("timeout", "slow_shard", "timeout", "slow_shard"),
            ("cancelled", "", "cancelled", None),
            ("success", ValueError("healed"), "success", None),
        ],
    )
    def test_failures(
        self, outcome: str, error: BaseException | str, expected: str, kind: str | None, cap: Capibara, capture: Capture
    ) -> None:
        """Outcome and kind of failure are as told; what did not fail has no kind of failure."""
        cap.rag.record_search("docs", 0.1, outcome=outcome, error=error)

        attributes = capture.attributes("rag search docs")
        assert (attributes["capibara6.outcome"], attributes.get("error.type")) == (expected, kind)


class TestIngest:
    """`cap.rag.ingest(…)` and `cap.rag.record_ingest(…)`."""

    def test_both_forms(self, cap: Capibara, capture: Capture) -> None:
        """An ingestion is a span, a duration, and documents and chunks counted."""
        with cap.rag.ingest(index="docs") as ingestion:
            capture.clock.advance(2)
            ingestion.ingested(10, chunks=70)
        cap.rag.record_ingest("docs", 3, documents=5)
        first, second = capture.spans

        assert typed(first.attributes) == typed(
            {
                "capibara6.rag.index": "docs",
                "capibara6.rag.documents": 10,
                "capibara6.rag.chunks": 70,
                "capibara6.outcome": "success",
            }
        )
        assert typed(second.attributes) == typed(
            {"capibara6.rag.index": "docs", "capibara6.rag.documents": 5, "capibara6.outcome": "success"}
        )
        assert (first.name, first.kind.name) == ("rag ingest docs", "INTERNAL")
        assert metrics(capture) == {
            "capibara6.rag.ingest.duration": [point((2, 5.0), capibara6__rag__index="docs")],
            "capibara6.rag.documents.ingested": [point(15, capibara6__rag__index="docs", capibara6__outcome="success")],
            "capibara6.rag.chunks.ingested": [point(70, capibara6__rag__index="docs")],
        }

    def test_a_failure(self, cap: Capibara, capture: Capture) -> None:
        """Documents of an ingestion that failed are counted as such."""
        cap.rag.record_ingest("docs", 1, documents=5, chunks=9, error=OSError("disk full"))

        assert metrics(capture)["capibara6.rag.documents.ingested"] == [
            point(5, capibara6__rag__index="docs", capibara6__outcome="error", error__type="OSError")
        ]
        assert metrics(capture)["capibara6.rag.ingest.duration"] == [
            point((1, 1.0), capibara6__rag__index="docs", error__type="OSError")
        ]


def test_vectors(cap: Capibara, capture: Capture) -> None:
    """The number of vectors is what was told last, per index, without a span."""
    cap.rag.vectors(index="docs", count=100)
    cap.rag.vectors(index="docs", count=90)
    cap.rag.vectors(index="notes", count=7)

    assert not capture.spans
    assert metrics(capture) == {
        "capibara6.rag.vectors": [point(7, capibara6__rag__index="notes"), point(90, capibara6__rag__index="docs")][
            ::-1
        ]
    }
