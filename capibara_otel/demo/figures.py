"""Reads the figures of a run from the backend's own metrics page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from capibara_otel.operation.outcomes import FAILURES
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import promnames
from capibara_otel.semconv.metrics import METRICS
from capibara_otel.semconv.specs import MetricSpec

_QUANTILES: Final = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Row:
    """One subsystem's figures."""

    name: str
    calls: int
    errors: int | None
    """None where failures are not told apart."""
    quantiles_s: tuple[float, ...]
    tokens: int | None = None


# Name, metric of the calls (None: the durations count), metric of the durations, labels that select.
_ROWS: Final[tuple[tuple[str, MetricSpec | None, MetricSpec, Mapping[str, str]], ...]] = (
    ("API", m.API_REQUESTS, m.API_REQUEST_DURATION, {}),
    ("WebSocket", None, m.API_WEBSOCKET_DURATION, {}),
    ("Business query", m.BUSINESS_QUERIES, m.BUSINESS_QUERY_DURATION, {}),
    ("Agents", m.AGENTS_INTERACTIONS, m.AGENTS_TASK_DURATION, {}),
    ("Routing", m.ROUTING_DECISIONS, m.ROUTING_DECISION_DURATION, {}),
    ("ACE", m.ACE_CYCLES, m.ACE_CYCLE_DURATION, {}),
    ("RAG search", m.RAG_SEARCHES, m.RAG_SEARCH_DURATION, {}),
    ("RAG ingest", None, m.RAG_INGEST_DURATION, {}),
    ("LLM chat", m.LLM_CALLS, m.GEN_AI_CLIENT_INFERENCE_DURATION, {a.GEN_AI_OPERATION_NAME: "chat"}),
    ("LLM embeddings", m.LLM_CALLS, m.GEN_AI_CLIENT_OPERATION_DURATION, {a.GEN_AI_OPERATION_NAME: "embeddings"}),
    ("E2B", m.E2B_EXECUTIONS, m.E2B_EXECUTION_DURATION, {}),
    ("Cache", m.CACHE_REQUESTS, m.CACHE_LOOKUP_DURATION, {}),
    ("Batches", None, m.BATCH_PROCESSING_DURATION, {}),
)


class Page:
    """A metrics page, read.

    Args:
        text: the page in Prometheus text form.
    """

    def __init__(self, text: str) -> None:
        self._samples: dict[str, list[Sample]] = {}
        self.families: set[str] = set()
        for family in text_string_to_metric_families(text):
            names = {sample.name for sample in family.samples}
            self.families.add(f"{family.name}_total" if f"{family.name}_total" in names else family.name)
            for sample in family.samples:
                self._samples.setdefault(sample.name, []).append(sample)

    @property
    def known(self) -> set[str]:
        """Families of the registry that are on the page."""
        return self.families & {promnames.series(spec) for spec in METRICS}

    def total(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        """Add up the samples of a name that carry the labels."""
        return sum(sample.value for sample in self._chosen(name, labels or {}))

    def quantile(self, spec: MetricSpec, share: float, labels: Mapping[str, str] | None = None) -> float:
        """Estimate a quantile of a histogram as Prometheus does: linearly inside of a bucket."""
        counts: dict[float, float] = {}
        for sample in self._chosen(f"{promnames.series(spec)}_bucket", labels or {}):
            bound = float(sample.labels["le"])
            counts[bound] = counts.get(bound, 0.0) + sample.value
        bounds = sorted(counts)
        total = counts[bounds[-1]] if bounds else 0.0
        if not total:
            return 0.0
        rank, low, below = share * total, 0.0, 0.0
        for bound in bounds:
            if counts[bound] >= rank:
                if bound == float("inf"):
                    return low
                return low + (bound - low) * (rank - below) / (counts[bound] - below)
            low, below = bound, counts[bound]
        return low

    def rows(self) -> list[Row]:
        """Return the figures of each subsystem that was used."""
        rows = [self._row(*row) for row in _ROWS]
        return [row for row in rows if row.calls]

    def _row(self, name: str, calls: MetricSpec | None, duration: MetricSpec, given: Mapping[str, str]) -> Row:
        labels = {promnames.label(key): value for key, value in given.items()}
        errors: int | None = None
        if calls is None:
            count = self.total(f"{promnames.series(duration)}_count", labels)
        else:
            count = self.total(promnames.series(calls), labels)
            outcome = promnames.label(a.OUTCOME)
            errors = int(sum(self.total(promnames.series(calls), {**labels, outcome: word}) for word in FAILURES))
        quantiles = tuple(self.quantile(duration, share, labels) for share in _QUANTILES)
        return Row(name, int(count), errors, quantiles, self._tokens(labels) if name == "LLM chat" else None)

    def _tokens(self, labels: Mapping[str, str]) -> int:
        counters = (m.GEN_AI_CLIENT_INFERENCE_USAGE_INPUT_TOKENS, m.GEN_AI_CLIENT_INFERENCE_USAGE_OUTPUT_TOKENS)
        return int(sum(self.total(promnames.series(spec), labels) for spec in counters))

    def _chosen(self, name: str, labels: Mapping[str, str]) -> Iterable[Sample]:
        for sample in self._samples.get(name, ()):
            if all(sample.labels.get(key) == value for key, value in labels.items()):
                yield sample
