"""What is left of an operation when it has ended, and who wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from capibara_otel.semconv.specs import MetricSpec, SpanSpec


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """One ended operation."""

    spec: SpanSpec
    name: str
    """The span's name."""
    attributes: Mapping[str, AttributeValue]
    """Everything recorded on the span, `error.type` and `capibara6.outcome` included."""
    context: Mapping[str, str]
    """User, session, tenant and so on that were set around it, by attribute name."""
    measurements: tuple[tuple[MetricSpec, float], ...]
    """What it measured, its own duration and count included."""
    start_ns: int
    """When it began, nanoseconds since the epoch."""
    duration_s: float
    outcome: str
    """A value of `capibara6.outcome`."""
    error_type: str
    """Class of the failure, empty when there was none."""
    exception: BaseException | None
    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""
    parent_span_id: str
    """16 hexadecimal digits, empty for a root."""


class OperationHook(Protocol):
    """Told of each operation when it ends, while its span can still be written to.

    A hook runs on the caller's path: it must be quick and must not block. What it raises is kept from the app,
    logged once and counted.
    """

    def on_end(self, record: OperationRecord, span: Span) -> None:
        """Take the record of an operation."""
