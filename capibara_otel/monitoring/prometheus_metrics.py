"""`get_prometheus_metrics()` and its `record_…` calls, as existing code makes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from capibara_otel.sdk import DEFAULT, Capibara

_SUCCESS: Final = "success"
_WORDS: Final = {"ok": _SUCCESS, "completed": _SUCCESS, "failure": "error", "failed": "error"}
"""Words that existing code uses for an outcome."""


class PrometheusMetrics:
    """Metrics of one instance, under the names that existing code uses.

    Args:
        instance: where they are recorded.
    """

    def __init__(self, instance: Capibara) -> None:
        self._cap = instance

    def record_api_request(
        self,
        method: str,
        endpoint: str,
        status_code: int,
        duration: float,
        request_size: int | None = None,
        response_size: int | None = None,
    ) -> None:
        """Record an API request: HTTP method, route template, status, seconds, and bytes in and out."""
        self._cap.api.record_request(
            method, endpoint, status_code, duration, request_size=request_size, response_size=response_size
        )

    def record_routing_request(self, model: str, complexity: str, duration: float, confidence: float) -> None:
        """Record a routing decision: chosen model, `low|medium|high`, seconds, confidence 0 to 1."""
        self._cap.routing.record_decision(model, duration, complexity=complexity, confidence=confidence)

    def record_routing_fallback(self, model: str, instead_of: str, reason: str, duration: float = 0.0) -> None:
        """Record a decision that left its first choice: model taken, model left, reason, seconds."""
        self._cap.routing.record_decision(model, duration, instead_of=instead_of, reason=reason)

    def record_ace_cycle(
        self,
        component: str,
        status: str,
        duration: float,
        awareness: float | None = None,
        tokens_before: int | None = None,
        tokens_after: int | None = None,
    ) -> None:
        """Record an ACE cycle: `generator|reflector|curator`, outcome, seconds, awareness 0 to 1, tokens."""
        self._cap.ace.record_cycle(
            component,
            duration,
            outcome=_outcome(status),
            awareness=awareness,
            tokens_before=tokens_before,
            tokens_after=tokens_after,
        )

    def record_e2b_execution(self, language: str, status: str, duration: float, exit_code: int | None = None) -> None:
        """Record a code execution: language, outcome, seconds, exit code."""
        self._cap.e2b.record_execution(language, duration, exit_code=exit_code, outcome=_outcome(status))

    def record_rag_search(
        self, index: str, duration: float, results: int | None = None, scores: Iterable[float] | None = None
    ) -> None:
        """Record a search: index, seconds, results found, their relevance 0 to 1."""
        self._cap.rag.record_search(index, duration, results=results, scores=scores)

    def record_rag_ingest(self, index: str, documents: int, duration: float, chunks: int | None = None) -> None:
        """Record an ingestion: index, documents, seconds, chunks."""
        self._cap.rag.record_ingest(index, duration, documents=documents, chunks=chunks)

    def set_rag_vectors(self, index: str, count: int) -> None:
        """Set how many vectors an index holds."""
        self._cap.rag.vectors(index=index, count=count)

    def record_agent_interaction(
        self, domain: str, status: str, duration: float, memory_bytes: int | None = None, steps: int | None = None
    ) -> None:
        """Record a task given to an agent: domain, outcome, seconds, bytes remembered, steps."""
        self._cap.agents.record_interaction(
            domain, duration, outcome=_outcome(status), memory_size=memory_bytes, steps=steps
        )

    def record_agent_graduation(self, domain: str, score: float | None = None) -> None:
        """Record that an agent graduated: domain, score 0 to 1."""
        self._cap.agents.record_graduation(domain, score=score)

    def set_active_agents(self, domain: str, count: int) -> None:
        """Set how many agents a domain has."""
        self._cap.agents.active(domain=domain, count=count)

    def record_llm_call(
        self,
        provider: str,
        model: str,
        status: str,
        duration: float,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> None:
        """Record a model call: provider, model, outcome, seconds, tokens in and out."""
        self._cap.llm.record_chat(
            provider,
            model,
            duration,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            outcome=_outcome(status),
        )

    def record_cache_request(self, cache: str, hit: bool, duration: float = 0.0) -> None:
        """Record a cache look-up: cache, whether it hit, seconds. The hit rate follows by itself."""
        self._cap.optimizations.record_cache(cache, "hit" if hit else "miss", duration)

    def record_batch(self, name: str, size: int, duration: float, wait: float | None = None) -> None:
        """Record a batch: queue, items, seconds of processing, seconds of waiting."""
        self._cap.optimizations.record_batch(name, size, duration, wait_s=wait)

    def record_optimization(
        self, name: str, status: str = _SUCCESS, improvement: float | None = None, duration: float = 0.0
    ) -> None:
        """Record an optimization: name, outcome, share saved 0 to 1, seconds."""
        self._cap.optimizations.record_optimization(name, duration, improvement=improvement, outcome=_outcome(status))

    def record_business_query(
        self, query_type: str, tier: str, duration: float, satisfaction: float | None = None
    ) -> None:
        """Record a query as the user sees it: kind, tier, seconds, score 1 to 5."""
        self._cap.business.record_query(query_type, duration, tier=tier, satisfaction=satisfaction)

    def set_active_users(self, tier: str, count: int) -> None:
        """Set how many users of a tier are active."""
        self._cap.business.users(tier=tier, active=count)

    def set_kpi(self, name: str, value: float) -> None:
        """Set a key performance indicator."""
        self._cap.business.kpi(name, value)

    def record_system(self, cpu_percent: float, memory_bytes: int) -> None:
        """Set processor use 0 to 100 and memory in use, bytes. The background collector does so by itself."""
        self._cap.system.record_cpu(cpu_percent)
        self._cap.system.record_memory(memory_bytes)

    def get_metrics(self) -> str:
        """Return everything as Prometheus text."""
        return self._cap.metrics()


_METRICS: Final = PrometheusMetrics(DEFAULT)


def get_prometheus_metrics() -> PrometheusMetrics:
    """Return the metrics of the default instance, configured with its defaults if that was not done."""
    if not DEFAULT.configured:
        DEFAULT.configure()
    return _METRICS


def _outcome(status: Any) -> Any:
    return str(_WORDS.get(status, status)) if isinstance(status, str) else status
