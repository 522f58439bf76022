"""Trace context and baggage that come with a request, and what OpenTelemetry's response propagators send back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from opentelemetry import propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from capibara_otel.operation.context import spanned
from capibara_otel.web.headers import RawHeaders, values

_KNOWN: Final = frozenset({TraceContextTextMapPropagator, W3CBaggagePropagator})
"""Propagators that read nothing but their `fields`. Others may: Jaeger's looks through the names of all headers."""


_PARENT: Final = b"traceparent"
_FLAGS: Final = {b"%02x" % flags: TraceFlags(flags) for flags in range(256)}
_USUAL: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})").fullmatch


class HeadersGetter(Getter[RawHeaders]):
    """Lets OpenTelemetry's propagators read request headers."""

    def get(self, carrier: RawHeaders, key: str) -> list[str] | None:
        """Return the values of a header; several `baggage` headers are one, for the propagator reads the first."""
        found = values(carrier, key.lower().encode("latin-1"))
        if len(found) > 1 and key.lower() == "baggage":
            return [",".join(found)]
        return found or None

    def keys(self, carrier: RawHeaders) -> list[str]:
        """Return the names of all headers."""
        return [name.decode("latin-1") for name, _ in carrier]


class HeadersSetter(Setter[list[tuple[bytes, bytes]]]):
    """Lets OpenTelemetry's response propagators write response headers."""

    def set(self, carrier: list[tuple[bytes, bytes]], key: str, value: str) -> None:
        """Add a header."""
        carrier.append((key.lower().encode("latin-1"), value.encode("latin-1")))


_GETTER: Final = HeadersGetter()
SETTER: Final = HeadersSetter()


class Incoming:
    """Reads what comes with requests, with the global propagator, where there can be something for it."""

    def __init__(self) -> None:
        self._textmap: TextMapPropagator | None = None
        self._fields: frozenset[bytes] | None = None
        self._others: frozenset[bytes] = frozenset()

    def extract(self, raw: RawHeaders, headers: Mapping[bytes, bytes], context: Context) -> Context:
        """Return the context with what came with a request.

        Args:
            raw: the request's headers.
            headers: the same by name.
            context: what to add it to.
        """
        textmap = propagate.get_global_textmap()
        if textmap is not self._textmap:
            self._fields = _all_it_reads(textmap)
            self._others = (self._fields or frozenset()) - {_PARENT}
            self._textmap = textmap
        if self._fields is not None:
            if self._fields.isdisjoint(headers):
                return context
            if _PARENT in self._fields and self._others.isdisjoint(headers) and len(raw) == len(headers):
                parent = _usual_parent(headers[_PARENT])
                if parent is not None:
                    return spanned(context, parent)
        return propagate.extract(raw, context, _GETTER)


def _usual_parent(given: bytes) -> Span | None:
    """Return the span that a `traceparent` of the usual form names; of any other OpenTelemetry's propagator judges."""
    match = _USUAL(given)
    if match is None:
        return None
    trace_id, span_id, flags = match.groups()
    context = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=_FLAGS[flags])
    return NonRecordingSpan(context) if context.is_valid else None


def _all_it_reads(textmap: TextMapPropagator) -> frozenset[bytes] | None:
    """Return the headers that a propagator reads; None where that is not known."""
    parts = getattr(textmap, "_propagators", None) if type(textmap) is CompositePropagator else (textmap,)
    if parts is None or not all(type(part) in _KNOWN for part in parts):
        return None
    return frozenset(field.encode("latin-1") for field in textmap.fields)
