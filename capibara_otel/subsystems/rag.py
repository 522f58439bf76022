"""`cap.rag`: retrieval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from capibara_otel.operation import Emitter, Operation
from capibara_otel.redaction import scrub
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans

_RETRIEVAL: Final[Mapping[str, AttributeValue]] = {a.GEN_AI_OPERATION_NAME: "retrieval"}


class Search(Operation):
    """One search."""

    def found(self, count: int, scores: Iterable[float] | None = None) -> None:
        """Tell what was found.

        Args:
            count: how many results; 0 makes it a miss.
            scores: relevance of the results, each 0 to 1.
        """
        results: Any = self.take(a.RAG_RESULTS, count, "count")
        if results is not None:
            self.know(a.RAG_HIT, results > 0)
            self._measurements.append((m.RAG_RESULTS, results, None))
        if scores is not None:
            self._scored(scores)

    def _scored(self, scores: Iterable[float]) -> None:
        call, judged = self.spec.call, []
        for score in self.emitter.listed(call, "scores", "list of number 0 to 1", scores):
            checked = self.emitter.checked(call, a.RAG_RELEVANCE_BEST, score, "scores")
            if isinstance(checked, float):
                judged.append(checked)
                self.measure(m.RAG_RELEVANCE, checked)
        if judged:
            self.take(a.RAG_RELEVANCE_BEST, max(judged))


class Ingestion(Operation):
    """One ingestion."""

    def ingested(self, documents: int, chunks: int | None = None) -> None:
        """Tell what was put into the index.

        Args:
            documents: how many documents.
            chunks: how many chunks they were split into.
        """
        self.measure(m.RAG_DOCUMENTS_INGESTED, self.take(a.RAG_DOCUMENTS, documents))
        if chunks is not None:
            self.measure(m.RAG_CHUNKS_INGESTED, self.take(a.RAG_CHUNKS, chunks))


class Rag:
    """Indexes: searching and filling them."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def search(self, *, index: str, top_k: int | None = None, query: str | None = None) -> Search:
        """Open a search; tell its results with `found`.

        Args:
            index: the index by its configured name.
            top_k: results asked for, ≥ 1.
            query: the query text; recorded only where content capture is on.
        """
        search = Search(self._emitter, spans.RAG_SEARCH, attributes=_RETRIEVAL)
        source = search.take(a.RAG_INDEX, index)
        if source is not None:
            search.know(a.GEN_AI_DATA_SOURCE_ID, source)
        if top_k is not None:
            search.take(a.RAG_TOP_K, top_k)
        text: Any = query
        if text is not None:
            search.take(a.RAG_QUERY, scrub(text) if isinstance(text, str) else text)
        return search

    def ingest(self, *, index: str) -> Ingestion:
        """Open an ingestion; tell what went in with `ingested`.

        Args:
            index: the index by its configured name.
        """
        ingestion = Ingestion(self._emitter, spans.RAG_INGEST)
        ingestion.take(a.RAG_INDEX, index)
        return ingestion

    def vectors(self, *, index: str, count: int) -> None:
        """Tell how many vectors an index holds now.

        Args:
            index: the index by its configured name.
            count: how many.
        """
        checked = self._emitter.checked("rag.vectors", a.RAG_INDEX, index)
        if checked is not None:
            self._emitter.measure("rag.vectors", m.RAG_VECTORS, count, {a.RAG_INDEX: checked}, argument="count")

    def record_search(
        self,
        index: str,
        duration_s: float,
        *,
        results: int | None = None,
        scores: Iterable[float] | None = None,
        top_k: int | None = None,
        outcome: str = "",
        error: BaseException | str = "",
    ) -> None:
        """Record a search that was measured elsewhere.

        Args:
            index: the index by its configured name.
            duration_s: seconds.
            results: how many results.
            scores: relevance of the results, each 0 to 1.
            top_k: results asked for.
            outcome: how it ended; success by default.
            error: the failure.
        """
        search = self.search(index=index, top_k=top_k)
        if results is not None:
            search.found(results, scores)
        search.record(duration_s, outcome=outcome, error=error)

    def record_ingest(
        self,
        index: str,
        duration_s: float,
        *,
        documents: int,
        chunks: int | None = None,
        outcome: str = "",
        error: BaseException | str = "",
    ) -> None:
        """Record an ingestion that was measured elsewhere.

        Args:
            index: the index by its configured name.
            duration_s: seconds.
            documents: how many documents went in.
            chunks: how many chunks they were split into.
            outcome: how it ended; success by default.
            error: the failure.
        """
        ingestion = self.ingest(index=index)
        ingestion.ingested(documents, chunks)
        ingestion.record(duration_s, outcome=outcome, error=error)
