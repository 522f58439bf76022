"""Chooses a model for a query: how hard the query is, which model fits that best, and which ones work at present."""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from capibara_otel.demo.engines.text import content_words, count_tokens

Complexity = Literal["low", "medium", "high"]

_CODE_MARK: Final = re.compile(
    r"```|`[^`]+`|\b\w+\(|\w+\.\w+\(|[{};]|==|=>|->|\bdef\b|\bclass\b|\bimport\b|\b(?:code|script|snippet|program)\b"
)
_QUESTION_WORD: Final = re.compile(r"\b(?:what|when|where|which|who|how|why)\b", re.IGNORECASE)
_REASONING_WORD: Final = re.compile(
    r"\b(?:why|compare|versus|vs|difference|trade-?offs?|design|prove|explain|optimi[sz]e|debug|analy[sz]e|refactor)\b",
    re.IGNORECASE,
)
_JOINING_WORD: Final = r"\b(?:and|or|but|because|if|while|when|then|which|that|so|although|unless)\b"
_CLAUSE_END: Final = re.compile(rf"[,;:?!.]\s+(?:{_JOINING_WORD}|(?=\S))|{_JOINING_WORD}", re.IGNORECASE)
# What each feature adds to the score at most, and how much of the feature it takes to get there. The bounds between
# the levels lie where a plain one-clause question ends and where a question with code and several clauses begins.
_LONG_TOKENS: Final = 80
_MANY_CODE_MARKS: Final = 4
_MANY_CLAUSES: Final = 5
_MANY_REASONING_WORDS: Final = 2
_MANY_CONTENT_WORDS: Final = 30
_LOW_BELOW: Final = 0.22
_HIGH_FROM: Final = 0.45
# How fast a misfit of model and query turns a score to nothing, and how sharply confidence follows the scores.
_UNDERPOWERED: Final = 1.6
_OVERPOWERED: Final = 0.7
_SHARPNESS: Final = 9.0


@dataclass(frozen=True, slots=True)
class QueryFeatures:
    """What is counted in a query's text."""

    tokens: int
    content_words: int
    code_marks: int
    question_words: int
    reasoning_words: int
    clauses: int


@dataclass(frozen=True, slots=True)
class ModelOption:
    """A model to choose.

    Attributes:
        name: as the provider calls it.
        strength: how hard a query it answers well, 0 to 1.
        price: relative price of a call, 0 (free) to 1 (the dearest).
    """

    name: str
    strength: float
    price: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What the router chose, and why.

    Attributes:
        model: name of the chosen model.
        complexity: level of the query.
        complexity_score: the same as a number, 0 to 1.
        confidence: weight of the chosen model among all, 0 to 1: near 1 divided by the number of models when all fit
            alike, near 1 when one stands out.
        alternatives: the other models with their scores (0 to 1), best first.
        fallback_from: the model that fitted best but fails too often at present; None when it was the one chosen.
        features: what was counted.
    """

    model: str
    complexity: Complexity
    complexity_score: float
    confidence: float
    alternatives: tuple[tuple[str, float], ...]
    fallback_from: str | None
    features: QueryFeatures


def features_of(query: str) -> QueryFeatures:
    """Count what makes a query long, technical or many-sided."""
    return QueryFeatures(
        tokens=count_tokens(query),
        content_words=len(content_words(query)),
        code_marks=len(_CODE_MARK.findall(query)),
        question_words=len(_QUESTION_WORD.findall(query)),
        reasoning_words=len(_REASONING_WORD.findall(query)),
        clauses=1 + len(_CLAUSE_END.findall(query)),
    )


def complexity_of(features: QueryFeatures) -> float:
    """Return how hard a query looks, 0 to 1: weighted shares of its features, each counted up to a bound."""
    return (
        0.20 * min(1.0, features.tokens / _LONG_TOKENS)
        + 0.15 * min(1.0, features.content_words / _MANY_CONTENT_WORDS)
        + 0.20 * min(1.0, features.code_marks / _MANY_CODE_MARKS)
        + 0.20 * min(1.0, features.reasoning_words / _MANY_REASONING_WORDS)
        + 0.20 * min(1.0, (features.clauses - 1) / _MANY_CLAUSES)
        + 0.05 * min(1.0, features.question_words / 2)
    )


def level_of(score: float) -> Complexity:
    """Return the level of a complexity score: low below 0.22, high from 0.45."""
    if score < _LOW_BELOW:
        return "low"
    return "high" if score >= _HIGH_FROM else "medium"


class ModelHealth:
    """How often one model failed lately.

    Args:
        window_s: how far back calls count.
        min_calls: with fewer calls in the window it passes as healthy.
        max_error_rate: share of failed calls from which on it is unhealthy.
    """

    def __init__(self, window_s: float = 30.0, min_calls: int = 5, max_error_rate: float = 0.5) -> None:
        self._window_s = window_s
        self._min_calls = min_calls
        self._max_error_rate = max_error_rate
        self._calls: deque[tuple[float, bool]] = deque(maxlen=1000)

    def report(self, now: float, *, ok: bool) -> None:
        """Take note of a call's outcome."""
        self._calls.append((now, ok))

    def error_rate(self, now: float) -> float:
        """Return the share of failed calls in the window, 0 to 1; 0 with too few calls to tell."""
        while self._calls and self._calls[0][0] <= now - self._window_s:
            self._calls.popleft()
        failed = sum(not ok for _, ok in self._calls)
        return failed / len(self._calls) if len(self._calls) >= self._min_calls else 0.0

    def healthy(self, now: float) -> bool:
        """Tell whether the error rate is below the bound."""
        return self.error_rate(now) < self._max_error_rate


class Router:
    """Chooses among models.

    Args:
        models: what there is to choose.
        health: makes the health record of one model; for other bounds than the default.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        models: Sequence[ModelOption],
        *,
        health: Callable[[], ModelHealth] = ModelHealth,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not models:
            raise ValueError("Router(models=[]): give it 1 model or more")
        self._models = tuple(models)
        self._health = {model.name: health() for model in models}
        self._clock = clock

    def decide(self, query: str, *, thrift: float = 0.15) -> Decision:
        """Choose a model for a query.

        Args:
            query: its text.
            thrift: how much a model's price counts against it, 0 (not at all) to 1.
        """
        features = features_of(query)
        score = complexity_of(features)
        ranked = sorted(((_fit(model, score, thrift), model.name) for model in self._models), reverse=True)
        weights = {name: math.exp(_SHARPNESS * fit) for fit, name in ranked}
        best = ranked[0][1]
        chosen = next((name for _, name in ranked if self.healthy(name)), best)
        return Decision(
            model=chosen,
            complexity=level_of(score),
            complexity_score=score,
            confidence=weights[chosen] / sum(weights.values()),
            alternatives=tuple((name, fit) for fit, name in ranked if name != chosen),
            fallback_from=best if chosen != best else None,
            features=features,
        )

    def report(self, model: str, *, ok: bool) -> None:
        """Tell how a call to a model went; a model not among the router's is not counted."""
        if model in self._health:
            self._health[model].report(self._clock(), ok=ok)

    def healthy(self, model: str) -> bool:
        """Tell whether a model worked lately.

        Raises:
            KeyError: it is none of the router's models.
        """
        return self._health[model].healthy(self._clock())

    def error_rate(self, model: str) -> float:
        """Return a model's recent share of failed calls, 0 to 1; faults as in `healthy`."""
        return self._health[model].error_rate(self._clock())


def _fit(model: ModelOption, complexity: float, thrift: float) -> float:
    """Return how well a model fits, 0 to 1: too weak costs most, too strong some, a high price a little."""
    gap = complexity - model.strength
    misfit = _UNDERPOWERED * gap if gap > 0 else _OVERPOWERED * -gap
    return max(0.0, 1.0 - misfit - thrift * model.price)
