"""A provider whose spans a test can look at."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.limits import SpanLimits
from capibara_otel.pipeline.traces.provider import TracerProvider
from capibara_otel.pipeline.traces.span import Span


class Ended(list[Span]):
    """The sampled spans that ended, in that order, and the provider they came from."""

    provider: TracerProvider

    def named(self, name: str) -> Span:
        """Return the only one of that name."""
        (found,) = [span for span in self if span.name == name]
        return found


def provider_into(
    ended: Ended, *, limits: SpanLimits | None = None, processors: Iterable[Any] = (), **settings: Any
) -> TracerProvider:
    """Return a provider that puts ended spans into a list, with a clock that ticks once per look."""
    ticks: Callable[[], int] = itertools.count(1).__next__
    ended.provider = TracerProvider(
        Resource({"service.name": "test"}),
        limits=limits or SpanLimits(),
        processors=processors,
        on_end=ended.append,
        time_ns=ticks,
        **settings,
    )
    return ended.provider


def remote(trace_id: int = 10, span_id: int = 20, flags: int = 1, state: TraceState | None = None) -> Any:
    """Return a context with a parent in another process."""
    return set_span_in_context(
        NonRecordingSpan(
            SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags), trace_state=state)
        )
    )
