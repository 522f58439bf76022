"""What an ended span is to whoever exports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opentelemetry.trace import SpanContext, SpanKind

from capibara_otel.pipeline.scope import Scope


@dataclass(slots=True, eq=False)
class Event:
    """Something that happened within a span."""

    name: str
    time_ns: int
    attributes: Mapping[str, Any]
    dropped_attributes: int = 0


@dataclass(slots=True, eq=False)
class Linked:
    """A link to another span."""

    context: SpanContext
    attributes: Mapping[str, Any]
    dropped_attributes: int = 0


class EndedSpan(Protocol):
    """What encoders read. Plain attributes, no properties that compute, for they are read for every span."""

    trace_id: int
    span_id: int
    parent_id: int
    """0 for a root."""
    parent_is_remote: bool
    flags: int
    """W3C trace flags of the span's own context."""
    trace_state: str
    """W3C header form, empty where there is none."""
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    values: dict[str, Any]
    """Attributes, cleaned and within the limits."""
    dropped_attributes: int
    happened: Sequence[Event]
    dropped_events: int
    linked: Sequence[Linked]
    dropped_links: int
    status_code: int
    """0 unset, 1 ok, 2 error: OpenTelemetry's `StatusCode` values; OTLP numbers them alike."""
    status_description: str
    scope: Scope
