"""The texts the backend answers from, observed by `cap.rag` and, for the embeddings, `cap.optimizations`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from itertools import groupby
from random import Random

import capibara_otel as cap
from capibara_otel.demo.backend.models import Models
from capibara_otel.demo.backend.settings import BackendSettings
from capibara_otel.demo.engines.batch import BatchQueue
from capibara_otel.demo.engines.corpus import load_corpus
from capibara_otel.demo.engines.passages import Passage
from capibara_otel.demo.engines.retrieval import Hit, Retriever

_RERANKED = 4
"""Hits whose order the embeddings decide."""


class Knowledge:
    """Indexes over real texts.

    Args:
        models: makes the embeddings.
    """

    def __init__(self, models: Models) -> None:
        self._retriever = Retriever()
        self._models = models
        self._titles: dict[str, list[str]] = {}
        self._vectors: BatchQueue[str, list[float]] = BatchQueue(self._embed, max_size=16, max_wait_s=0.008)

    @property
    def indexes(self) -> tuple[str, ...]:
        """The names of the indexes."""
        return self._retriever.indexes

    def load(self, settings: BackendSettings) -> int:
        """Read and index everything; return how many passages there are."""
        passages = load_corpus(docs=settings.docs, repository=settings.repository).passages
        for source, group in groupby(sorted(passages, key=lambda passage: passage.source), lambda p: p.source):
            self.ingest(source, list(group))
        return len(passages)

    def ingest(self, index: str, passages: Sequence[Passage]) -> None:
        """Put passages into an index.

        Raises:
            ValueError: there is nothing in them.
        """
        with cap.rag.ingest(index=index) as ingestion:
            if not any(passage.text.strip() for passage in passages):
                raise ValueError("the document holds no text")
            self._retriever.ingest(passages)
            self._titles.setdefault(index, []).extend(dict.fromkeys(passage.title for passage in passages))
            ingestion.ingested(len({passage.title for passage in passages}), len(passages))
        cap.rag.vectors(index=index, count=self._retriever.index(index).postings)

    def topics(self, count: int, seed: int) -> list[str]:
        """Return titles to ask about, the same for the same seed."""
        known = [title for titles in self._titles.values() for title in titles]
        return Random(seed).sample(known, min(count, len(known)))

    async def search(self, question: str, top_k: int = 8) -> list[Hit]:
        """Return the best passages over all indexes; the first ones ordered by their embeddings."""
        hits: list[Hit] = []
        for index in self.indexes:
            with cap.rag.search(index=index, top_k=top_k, query=question) as search:
                found = await asyncio.to_thread(self._retriever.search, index, question, top_k)
                search.found(len(found), scores=[hit.relevance for hit in found])
            hits += found
        hits.sort(key=lambda hit: -hit.relevance)
        return await self._reranked(question, hits[:top_k])

    async def _reranked(self, question: str, hits: list[Hit]) -> list[Hit]:
        first, rest = hits[:_RERANKED], hits[_RERANKED:]
        texts = [question, *(hit.passage.text for hit in first)]
        batched = await asyncio.gather(*(self._vectors.submit(text) for text in texts), return_exceptions=True)
        embedded = [item for item in batched if not isinstance(item, BaseException)]
        for item in embedded:
            cap.optimizations.batch_wait("embeddings", item.waited_s)
        vectors = [item.value for item in embedded]
        if len(vectors) < len(texts):  # no embeddings to be had: the ranking of the search stands
            return hits
        nearness = [_cosine(vectors[0], vector) for vector in vectors[1:]]
        order = sorted(range(len(first)), key=lambda place: -nearness[place])
        return [first[place] for place in order] + rest

    async def _embed(self, texts: Sequence[str]) -> list[list[float]]:
        with cap.optimizations.batch("embeddings", size=len(texts)):
            return await self._models.embed(texts)

    async def aclose(self) -> None:
        """Finish what waits."""
        await self._vectors.aclose()


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    norm = math.sqrt(sum(x * x for x in left) * sum(x * x for x in right))
    return sum(x * y for x, y in zip(left, right, strict=True)) / norm if norm else 0.0
