"""BM25 over an inverted index."""

from __future__ import annotations

import math

import pytest

from capibara_otel.demo.engines.corpus import load_corpus
from capibara_otel.demo.engines.passages import Passage
from capibara_otel.demo.engines.retrieval import Bm25Index, Retriever, UnknownIndexError


@pytest.fixture(name="stdlib", scope="module")
def _stdlib() -> Retriever:
    retriever = Retriever()
    retriever.ingest(load_corpus().passages)
    return retriever


def _passage(name: str, text: str, source: str = "docs") -> Passage:
    return Passage(id=name, title="", source=source, text=text)


def test_the_score_is_the_formula() -> None:
    """For one term: ln(1 + (N - n + 0.5) / (n + 0.5)) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average))."""
    index = Bm25Index(k1=1.2, b=0.5)
    index.ingest([_passage("a", "zebra zebra grass"), _passage("b", "grass"), _passage("c", "river")])

    (hit,) = index.search("zebra")

    weight = math.log(1 + (3 - 1 + 0.5) / 1.5)
    assert hit.score == pytest.approx(weight * 2 * 2.2 / (2 + 1.2 * (1 - 0.5 + 0.5 * 3 / (5 / 3))))
    assert hit.relevance == pytest.approx(hit.score / (weight * 2.2))


def test_hits_come_best_first_and_only_those_that_share_a_word() -> None:
    """More of the query and rarer words rank higher; equal scores keep the order of ingestion."""
    index = Bm25Index()
    index.ingest(
        _passage(name, text)
        for name, text in (("a", "open file"), ("b", "open zip file"), ("c", "file"), ("d", "file"), ("e", "river"))
    )

    hits = index.search("how to open a zip file", top_k=10)

    assert [hit.passage.id for hit in hits] == ["b", "a", "c", "d"]
    assert all(0 < hit.relevance <= 1 for hit in hits)
    assert len(index.search("open a zip file", top_k=2)) == 2


def test_unknown_words_lower_the_relevance() -> None:
    """A query of which half is unknown is answered with less relevance than one that is known."""
    index = Bm25Index()
    index.ingest([_passage("a", "grass grows"), _passage("b", "rivers flow")])

    assert index.search("grass quark")[0].relevance < index.search("grass")[0].relevance / 2


@pytest.mark.parametrize("query", ["", "the of and", "nowhere", "?!"])
def test_a_query_that_matches_nothing_has_no_hits(query: str) -> None:
    """No words, only stop words or only unknown words find nothing, in an empty index too."""
    index = Bm25Index()
    assert index.search(query) == []
    index.ingest([_passage("a", "grass")])
    assert index.search(query) == []


def test_ingesting_counts_what_is_new_and_changes_what_is_found() -> None:
    """A known id is not added again; a passage added later is found."""
    index = Bm25Index()

    assert index.ingest([_passage("a", "grass grows"), _passage("a", "other")]) == 1
    assert (index.documents, index.vocabulary, index.postings) == (1, 2, 2)
    assert index.search("river") == []
    assert index.ingest([_passage("b", "a river of grass")]) == 1
    assert [hit.passage.id for hit in index.search("river")] == ["b"]
    assert (index.documents, index.vocabulary, index.postings) == (2, 3, 4)


def test_less_than_one_hit_is_refused() -> None:
    """`top_k` says how many are wanted; none is a mistake."""
    with pytest.raises(ValueError, match="top_k=0"):
        Bm25Index().search("x", 0)


def test_several_indexes_are_apart() -> None:
    """A passage goes where its source says, and a search stays in the index it names."""
    retriever = Retriever()

    added = retriever.ingest([_passage("a", "grass", "docs"), _passage("b", "grass", "stdlib")])

    assert added == {"docs": 1, "stdlib": 1}
    assert retriever.indexes == ("docs", "stdlib")
    assert [hit.passage.id for hit in retriever.search("stdlib", "grass")] == ["b"]
    with pytest.raises(UnknownIndexError, match="no index 'topics'; there are: docs, stdlib"):
        retriever.search("topics", "grass")
    with pytest.raises(UnknownIndexError, match="ingest passages first"):
        Retriever().index("docs")


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("How do I extract a file from a zip archive?", "zipfile.ZipFile"),
        ("split a string by a separator", "str"),
        ("which class describes a CSV dialect", "csv.Dialect"),
        ("wait until all threads reach a barrier", "threading.Barrier"),
    ],
)
def test_questions_find_the_documentation_that_answers_them(stdlib: Retriever, question: str, title: str) -> None:
    """Over the whole standard library the right class is among the first five hits."""
    assert title in [hit.passage.title for hit in stdlib.search("stdlib", question, 5)]
