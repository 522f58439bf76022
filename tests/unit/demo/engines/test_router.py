"""Routing: how hard a query is, which model fits, and who is left out for failing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara_otel.demo.engines.router import (
    ModelHealth,
    ModelOption,
    Router,
    complexity_of,
    features_of,
    level_of,
)

SMALL, MIDDLE, LARGE = (
    ModelOption("small", strength=0.15, price=0.05),
    ModelOption("middle", strength=0.35, price=0.2),
    ModelOption("large", strength=0.7, price=1.0),
)
HARD = (
    "Why does `asyncio.gather(*tasks)` cancel the others when one fails, and how would you design a retry that keeps "
    "the results, if the server is slow?"
)


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_features_are_counted_in_the_text() -> None:
    """Code marks, question words, words that ask for thought and clauses are those one can see."""
    features = features_of("Why is `a == b` slow, and what does `sort()` do? Explain.")

    assert (features.code_marks, features.question_words, features.reasoning_words) == (2, 2, 2)
    assert features.clauses == 3
    assert features_of("").clauses == 1


@pytest.mark.parametrize(
    ("query", "level", "model"),
    [
        ("What is a list?", "low", "small"),
        ("How do I extract a file from a zip archive?", "low", "small"),
        ("Write Python code that computes the mean of 3, 5 and 9", "medium", "middle"),
        (HARD, "high", "large"),
    ],
)
def test_harder_queries_go_to_stronger_models(query: str, level: str, model: str) -> None:
    """A short question goes to the small model, code to the middle one, a question with several sides to the large."""
    decision = Router([SMALL, MIDDLE, LARGE]).decide(query)

    assert (decision.complexity, decision.model, decision.fallback_from) == (level, model, None)
    assert decision.features == features_of(query)


@given(st.text(max_size=400))
def test_every_text_gets_a_complete_decision(query: str) -> None:
    """Score, confidence and the alternatives' scores are from 0 to 1, sorted, and name each other model once."""
    decision = Router([SMALL, MIDDLE, LARGE]).decide(query)

    assert 0 <= decision.complexity_score <= 1
    assert decision.complexity == level_of(decision.complexity_score)
    assert 1 / 3 <= decision.confidence <= 1
    scores = [score for _, score in decision.alternatives]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert {decision.model, *(name for name, _ in decision.alternatives)} == {"small", "middle", "large"}


@given(st.text(max_size=200))
def test_a_longer_text_is_never_easier(text: str) -> None:
    """Appending a sentence cannot lower the score."""
    assert complexity_of(features_of(f"{text} . Compare it.")) >= complexity_of(features_of(text)) - 1e-9


def test_confidence_is_high_when_one_model_stands_out() -> None:
    """Equal models share the confidence; a lone one has all of it."""
    assert Router([LARGE]).decide("x").confidence == 1.0
    twins = [ModelOption("a", 0.5, 0.5), ModelOption("b", 0.5, 0.5)]
    assert Router(twins).decide("x").confidence == 0.5
    assert Router([SMALL, LARGE]).decide("What is a list?").confidence > 0.9


def test_price_counts_as_much_as_it_is_told_to() -> None:
    """Without thrift the strongest model takes the hard query, with much of it a cheaper one."""
    router = Router([MIDDLE, LARGE])

    assert router.decide(HARD, thrift=0.0).model == "large"
    assert router.decide(HARD, thrift=1.0).model == "middle"


def test_a_failing_model_is_replaced_until_its_failures_are_old() -> None:
    """After enough recent failures the next best model takes over, and the decision says for whom."""
    clock = _Clock()
    router = Router([SMALL, MIDDLE, LARGE], clock=clock)
    for ok in (True, False, False, False, False):
        assert router.healthy("small")
        router.report("small", ok=ok)
    assert router.error_rate("small") == 0.8

    decision = router.decide("What is a list?")

    assert (decision.model, decision.fallback_from) == ("middle", "small")
    assert decision.alternatives[0][0] == "small"
    clock.now += 30.0
    assert router.decide("What is a list?").model == "small"


def test_when_all_fail_the_best_is_tried() -> None:
    """With no healthy model there is nothing to fall back to."""
    router = Router([SMALL, LARGE], health=lambda: ModelHealth(min_calls=1))
    router.report("small", ok=False)
    router.report("large", ok=False)
    router.report("unknown", ok=False)

    decision = router.decide("What is a list?")

    assert (decision.model, decision.fallback_from) == ("small", None)


def test_few_calls_prove_nothing() -> None:
    """Below the least number of calls a model passes as healthy."""
    health = ModelHealth(window_s=10, min_calls=3, max_error_rate=0.5)
    health.report(0.0, ok=False)
    health.report(1.0, ok=False)
    assert health.healthy(2.0)
    health.report(2.0, ok=True)
    assert not health.healthy(2.0)
    assert health.healthy(10.0)


def test_a_router_without_models_is_refused() -> None:
    """There must be something to choose."""
    with pytest.raises(ValueError, match="1 model or more"):
        Router([])
