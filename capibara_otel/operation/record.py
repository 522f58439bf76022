"""What is left of an operation when it has ended, and who wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypeAlias

from opentelemetry import trace
from opentelemetry.trace import Span, SpanContext
from opentelemetry.util.types import AttributeValue

from capibara_otel.semconv.specs import MetricSpec, SpanSpec

Measurement: TypeAlias = tuple[MetricSpec, float, Mapping[str, AttributeValue] | None]
"""A metric, a value in its unit, and labels beyond the operation's attributes."""


class OperationRecord(NamedTuple):
    """One ended operation."""

    spec: SpanSpec
    name: str
    """The span's name."""
    attributes: Mapping[str, AttributeValue]
    """Everything recorded on the span, `error.type` and `capibara6.outcome` included."""
    context: Mapping[str, str]
    """User, session, tenant and so on that were set around it, by attribute name."""
    told: tuple[Measurement, ...]
    """What it measured, as `measurements`, with labels beyond its attributes."""
    start_ns: int
    """When it began, nanoseconds since the epoch."""
    duration_s: float
    outcome: str
    """A value of `capibara6.outcome`."""
    error_type: str
    """Class of the failure, empty when there was none."""
    exception: BaseException | None
    span: Span
    """Its span, or the one around it where it has none of its own."""

    @property
    def measurements(self) -> tuple[tuple[MetricSpec, float], ...]:
        """What it measured, its own duration and count included."""
        return tuple((metric, number) for metric, number, _ in self.told)

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return trace.format_trace_id(self.span.get_span_context().trace_id)

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""
        return trace.format_span_id(self.span.get_span_context().span_id)

    @property
    def parent_span_id(self) -> str:
        """16 hexadecimal digits, empty for a root."""
        parent: SpanContext | None = getattr(self.span, "parent", None)
        return "" if parent is None else trace.format_span_id(parent.span_id)


class OperationHook(Protocol):
    """Told of each operation when it ends, while its span can still be written to.

    A hook runs on the caller's path: it must be quick and must not block. What it raises is kept from the app,
    logged once and counted.
    """

    def on_end(self, record: OperationRecord, span: Span) -> None:
        """Take the record of an operation."""
