"""Retrieval over passages: an inverted index ranked with Okapi BM25, and several of them by name.

Ranking after Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
inverse document frequency that cannot go below zero: ln(1 + (N - n + 0.5) / (n + 0.5)).
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from capibara_otel.demo.engines.passages import Passage
from capibara_otel.demo.engines.text import terms

_TITLE_WEIGHT: Final = 2


class UnknownIndexError(LookupError):
    """A search in an index that nothing was ingested into."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found.

    Attributes:
        passage: the text and where it is from.
        score: its BM25 score; only comparable within one search.
        relevance: score divided by the most any passage could reach for this query, 0 to 1; comparable between
            searches. Words of the query that the index does not know count as missed.
    """

    passage: Passage
    score: float
    relevance: float


@dataclass(slots=True)
class _Postings:
    """Which passages hold a term, and how often, in step."""

    documents: array[int] = field(default_factory=lambda: array("l"))
    counts: array[int] = field(default_factory=lambda: array("l"))


class Bm25Index:
    """One inverted index.

    Args:
        k1: how much a repeated term still adds; 1.2 to 2 is usual.
        b: how much long passages are held back, 0 (not at all) to 1 (fully).
    """

    def __init__(self, k1: float = 1.5, b: float = 0.75) -> None:
        self._k1 = k1
        self._b = b
        self._passages: list[Passage] = []
        self._ids: set[str] = set()
        self._lengths: list[int] = []
        self._terms: dict[str, _Postings] = {}
        self._length_factors: list[float] = []

    @property
    def documents(self) -> int:
        """How many passages (each one sparse vector) the index holds."""
        return len(self._passages)

    @property
    def vocabulary(self) -> int:
        """How many different terms the index knows."""
        return len(self._terms)

    @property
    def postings(self) -> int:
        """How many (term, passage) pairs the index holds."""
        return sum(len(postings.documents) for postings in self._terms.values())

    def ingest(self, passages: Iterable[Passage]) -> int:
        """Add passages and return how many were new; one whose id is already there is left as it was."""
        before = len(self._passages)
        for passage in passages:
            if passage.id in self._ids:
                continue
            found = terms(passage.text)
            found += terms(passage.title) * _TITLE_WEIGHT
            number = len(self._passages)
            for term, count in Counter(found).items():
                postings = self._terms.setdefault(term, _Postings())
                postings.documents.append(number)
                postings.counts.append(count)
            self._passages.append(passage)
            self._ids.add(passage.id)
            self._lengths.append(len(found))
        self._length_factors = []
        return len(self._passages) - before

    def search(self, text: str, top_k: int = 8) -> list[Hit]:
        """Return the passages that fit a text best, best first; passages that share no word with it are no hits.

        Args:
            text: a question or words.
            top_k: how many hits at most, 1 or more.

        Raises:
            ValueError: `top_k` is below 1.
        """
        if top_k < 1:
            raise ValueError(f"search(top_k={top_k}): ask for 1 hit or more")
        wanted = sorted(set(terms(text)))
        factors = self._factors()
        top = self._k1 + 1
        scores: dict[int, float] = {}
        reachable = 0.0
        for term in wanted:
            postings = self._terms.get(term)
            matching = len(postings.documents) if postings else 0
            weight = math.log(1 + (len(self._passages) - matching + 0.5) / (matching + 0.5))
            reachable += weight * top
            if postings is None:
                continue
            for number, count in zip(postings.documents, postings.counts, strict=True):
                scores[number] = scores.get(number, 0.0) + weight * top * count / (count + factors[number])
        best = heapq.nsmallest(top_k, ((-score, number) for number, score in scores.items()))
        return [Hit(self._passages[number], -score, min(1.0, -score / reachable)) for score, number in best]

    def _factors(self) -> list[float]:
        """Return `k1 * (1 - b + b * length / average)` per passage; worked out again after each ingest."""
        if not self._length_factors and self._lengths:
            average = sum(self._lengths) / len(self._lengths) or 1.0
            self._length_factors = [self._k1 * (1 - self._b + self._b * length / average) for length in self._lengths]
        return self._length_factors


class Retriever:
    """Several indexes by name; a passage goes to the index its `source` names."""

    def __init__(self) -> None:
        self._indexes: dict[str, Bm25Index] = {}

    @property
    def indexes(self) -> tuple[str, ...]:
        """The names of the indexes, sorted."""
        return tuple(sorted(self._indexes))

    def index(self, name: str) -> Bm25Index:
        """Return an index by name.

        Raises:
            UnknownIndexError: nothing was ingested under that name; the message lists the names there are.
        """
        try:
            return self._indexes[name]
        except KeyError:
            known = ", ".join(self.indexes) or "none yet: ingest passages first"
            raise UnknownIndexError(f"no index '{name}'; there are: {known}") from None

    def ingest(self, passages: Iterable[Passage]) -> dict[str, int]:
        """Add passages to the indexes their sources name, and return how many were new in each."""
        by_source: dict[str, list[Passage]] = {}
        for passage in passages:
            by_source.setdefault(passage.source, []).append(passage)
        return {
            source: self._indexes.setdefault(source, Bm25Index()).ingest(group) for source, group in by_source.items()
        }

    def search(self, name: str, text: str, top_k: int = 8) -> list[Hit]:
        """Search one index; arguments and faults as in `index` and `Bm25Index.search`."""
        return self.index(name).search(text, top_k)
