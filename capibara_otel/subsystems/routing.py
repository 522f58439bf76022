"""`cap.routing`: which model answers a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from capibara_otel.operation import Emitter, Operation
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans


class Decision(Operation):
    """One choice of a model."""

    def chose(
        self,
        model: str,
        *,
        complexity: str | None = None,
        confidence: float | None = None,
        over: Sequence[str] | None = None,
        instead_of: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Tell what was chosen.

        Args:
            model: the chosen model.
            complexity: `low`, `medium` or `high`.
            confidence: 0 to 1.
            over: the other models considered, best first.
            instead_of: the first choice that could not be taken; this makes it a fallback.
            reason: why not, a short constant word such as `unhealthy`.
        """
        self.take(a.ROUTING_MODEL, model)
        if complexity is not None:
            self.take(a.ROUTING_COMPLEXITY, complexity)
        if confidence is not None:
            self.measure(m.ROUTING_CONFIDENCE, self.take(a.ROUTING_CONFIDENCE, confidence))
        alternatives: Any = None if over is None else self.take(a.ROUTING_ALTERNATIVES, over, "over")
        if alternatives is not None:
            self.measure(m.ROUTING_ALTERNATIVES, len(alternatives))
        if instead_of is not None and self.take(a.ROUTING_FALLBACK_FROM, instead_of, "instead_of") is not None:
            self.measure(m.ROUTING_FALLBACKS, 1)
        if reason is not None:
            self.take(a.ROUTING_FALLBACK_REASON, reason)


class Routing:
    """The choice of a model for a query."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def decide(self, *, query_type: str | None = None) -> Decision:
        """Open a decision; tell it with `chose`.

        Args:
            query_type: kind of query, one of the app's few kinds.
        """
        decision = Decision(self._emitter, spans.ROUTING_DECIDE)
        if query_type is not None:
            decision.take(a.ROUTING_QUERY_TYPE, query_type)
        return decision

    def record_decision(
        self,
        model: str,
        duration_s: float,
        *,
        complexity: str | None = None,
        confidence: float | None = None,
        query_type: str | None = None,
        over: Sequence[str] | None = None,
        instead_of: str | None = None,
        reason: str | None = None,
        outcome: str = "",
        error: BaseException | str = "",
    ) -> None:
        """Record a decision that was measured elsewhere. Arguments as in `decide` and `chose`.

        Args:
            model: the chosen model.
            duration_s: seconds.
            complexity: `low`, `medium` or `high`.
            confidence: 0 to 1.
            query_type: kind of query.
            over: the other models considered.
            instead_of: the first choice that could not be taken.
            reason: why not.
            outcome: how it ended; success by default.
            error: the failure.
        """
        decision = self.decide(query_type=query_type)
        decision.chose(
            model, complexity=complexity, confidence=confidence, over=over, instead_of=instead_of, reason=reason
        )
        decision.record(duration_s, outcome=outcome, error=error)
