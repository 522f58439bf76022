"""`cap.business`: what the product is used for, by whom, and how content they are."""

from __future__ import annotations

from opentelemetry.util.types import AttributeValue

from capibara_otel.operation import Emitter, Operation
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans


class Query(Operation):
    """One query as the user sees it."""

    def satisfied(self, score: float) -> None:
        """Tell the score the user gave, 1 worst to 5 best."""
        self.measure(m.BUSINESS_SATISFACTION, self.take(a.BUSINESS_SATISFACTION, score, "score"))


class Business:
    """Queries, satisfaction, users and key figures."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def query(self, *, query_type: str, tier: str | None = None) -> Query:
        """Open a query, from question to answer.

        Args:
            query_type: one of the product's few kinds.
            tier: the user's plan.
        """
        query = Query(self._emitter, spans.BUSINESS_QUERY)
        query.take(a.BUSINESS_QUERY_TYPE, query_type)
        if tier is not None:
            query.take(a.BUSINESS_TIER, tier)
        return query

    def satisfaction(self, score: float, *, query_type: str | None = None, tier: str | None = None) -> None:
        """Record a score a user gave afterwards.

        Args:
            score: 1 worst to 5 best.
            query_type: kind of the query it is about.
            tier: the user's plan.
        """
        call = "business.satisfaction"
        labels = self._labels(call, {a.BUSINESS_QUERY_TYPE: query_type, a.BUSINESS_TIER: tier})
        self._emitter.measure(call, m.BUSINESS_SATISFACTION, score, labels, argument="score")

    def users(self, *, tier: str, active: int) -> None:
        """Tell how many users are active now.

        Args:
            tier: their plan.
            active: how many.
        """
        call = "business.users"
        labels = self._labels(call, {a.BUSINESS_TIER: tier})
        if labels:
            self._emitter.measure(call, m.BUSINESS_USERS_ACTIVE, active, labels)

    def kpi(self, name: str, value: float) -> None:
        """Set a key performance indicator.

        Args:
            name: one of the product's few indicators.
            value: finite, any sign.
        """
        call = "business.kpi"
        checked = self._emitter.checked(call, a.BUSINESS_KPI, name, "name")
        if checked is not None:
            self._emitter.measure(call, m.BUSINESS_KPI, value, {a.BUSINESS_KPI: checked}, argument="value")

    def record_query(
        self,
        query_type: str,
        duration_s: float,
        *,
        tier: str | None = None,
        satisfaction: float | None = None,
        outcome: str = "",
        error: BaseException | str = "",
    ) -> None:
        """Record a query that was measured elsewhere.

        Args:
            query_type: one of the product's few kinds.
            duration_s: seconds until the user had the answer.
            tier: the user's plan.
            satisfaction: the score the user gave, 1 to 5.
            outcome: how it ended; success by default.
            error: the failure.
        """
        query = self.query(query_type=query_type, tier=tier)
        if satisfaction is not None:
            query.satisfied(satisfaction)
        query.record(duration_s, outcome=outcome, error=error)

    def _labels(self, call: str, given: dict[str, str | None]) -> dict[str, AttributeValue]:
        checked = {name: self._emitter.checked(call, name, value) for name, value in given.items()}
        return {name: value for name, value in checked.items() if value is not None}
