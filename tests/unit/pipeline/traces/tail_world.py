"""A provider with tail sampling behind it, in which a test decides about time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import StatusCode, set_span_in_context

from capibara_otel.pipeline.health import Decision
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.limits import SpanLimits
from capibara_otel.pipeline.traces.provider import TracerProvider
from capibara_otel.pipeline.traces.sampling import Sampling
from capibara_otel.pipeline.traces.span import Span
from capibara_otel.pipeline.traces.tail import TailPolicy, TailSampler
from tests.unit.pipeline.traces.support import remote


@dataclass
class World:
    """Spans that begin and end, and what tail sampling makes of them."""

    policy: TailPolicy
    now: float = 0.0
    kept: list[Span] = field(default_factory=list)
    decided: Counter[Decision] = field(default_factory=Counter)
    events: list[tuple[str, Span | None]] = field(default_factory=list)
    """What the sampler was told, in that order."""

    def __post_init__(self) -> None:
        self.tail = TailSampler(self.policy, keep=self.kept.append, count=self._count, clock=lambda: self.now)
        self.provider = TracerProvider(
            Resource({}), sampler=Sampling(), limits=SpanLimits(), on_end=self._on_end, time_ns=lambda: 0
        )
        self.provider.on_start.append(self._on_start)
        self.tracer = self.provider.get_tracer("lib")

    def _count(self, decision: Decision, traces: int) -> None:
        self.decided[decision] += traces

    def _on_start(self, span: Span, context: Context) -> None:
        self.events.append(("start", span))
        self.tail.on_start(span, context)

    def _on_end(self, span: Span) -> None:
        self.events.append(("end", span))
        self.tail.on_end(span)

    def flush(self) -> None:
        """Have everything decided."""
        self.events.append(("flush", None))
        self.tail.flush()

    def root(self, name: str = "root", *, trace_id: int | None = None, **attributes: Any) -> Span:
        """Begin a local root: one of its own trace, or one more of a trace that came from elsewhere."""
        context = Context() if trace_id is None else remote(trace_id, 9)
        span = self.tracer.start_span(name, context, attributes=attributes)
        assert isinstance(span, Span)
        return span

    def child(self, parent: Span, name: str = "child", **attributes: Any) -> Span:
        """Begin a child."""
        span = self.tracer.start_span(name, set_span_in_context(parent), attributes=attributes)
        assert isinstance(span, Span)
        return span

    @property
    def names(self) -> list[str]:
        """The names of what was kept."""
        return [span.name for span in self.kept]


def end(span: Span, *, seconds: float = 0, failed: bool = False) -> None:
    """End a span."""
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end(round(seconds * 1e9))


LOW = 1
"""A trace id that is within every share but none."""
HIGH = 2**64 - 1
"""One that is within none but all."""
