"""Writes spans: `ExportTraceServiceRequest` of opentelemetry-proto, `trace/v1/trace.proto`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.trace import SpanKind

from capibara_otel.pipeline.otlp.common import LeftOut, Pause, attributes, encode_items, names
from capibara_otel.pipeline.otlp.wire import pack_fixed32, pack_fixed64, sized, text, varint
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.data import EndedSpan, Event, Linked

_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200

# Kind, start and end stand beside each other, with their tags between them.
_pack_middle: Final[Callable[..., bytes]] = struct.Struct("<BBBQBQ").pack
_LOCAL: Final = b"\x85\x01" + pack_fixed32(_HAS_IS_REMOTE)
_REMOTE: Final = b"\x85\x01" + pack_fixed32(_HAS_IS_REMOTE | _IS_REMOTE)
_NO_STATUS: Final = b"\x7a\x00"
_INTERNAL: Final = SpanKind.INTERNAL  # most are, and an enumeration's value takes a while to get at


def encode(
    spans: Iterable[EndedSpan], resource: Resource, *, pause: Pause | None = None, left_out: LeftOut | None = None
) -> bytes:
    """Return a request with spans, grouped by scope.

    Args:
        spans: in the order they are to have within their scope.
        resource: of the process.
        pause: called between slices of spans.
        left_out: told of each span that could not be written; the others go without it.

    Returns:
        The bytes; none where there is nothing to send.
    """
    return encode_items(spans, _span, resource, pause, left_out)


def _span(span: EndedSpan) -> bytes:
    name = names[span.name]
    parent_id, kind = span.parent_id, span.kind
    parts = [
        b"\x0a\x10",
        span.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        span.span_id.to_bytes(8, "big"),
        b"\x22\x08" + parent_id.to_bytes(8, "big") if parent_id else b"",
        b"\x2a",
        varint(len(name)),
        name,
        _pack_middle(0x30, 1 if kind is _INTERNAL else kind.value + 1, 0x39, span.start_ns, 0x41, span.end_ns),
        attributes(b"\x4a", span.values),
        _REMOTE if span.parent_is_remote else _LOCAL,
    ]
    if span.trace_state:
        parts.append(b"\x1a" + sized(text(span.trace_state)))
    if span.happened:
        parts += [b"\x5a" + sized(_event(event)) for event in span.happened]
    if span.linked:
        parts += [b"\x6a" + sized(_link(link)) for link in span.linked]
    if span.dropped_attributes:
        parts.append(b"\x50" + varint(span.dropped_attributes))
    if span.dropped_events:
        parts.append(b"\x60" + varint(span.dropped_events))
    if span.dropped_links:
        parts.append(b"\x70" + varint(span.dropped_links))
    parts.append(_status(span) if span.status_code else _NO_STATUS)
    return sized(b"".join(parts))


def _status(span: EndedSpan) -> bytes:
    body = b"\x12" + sized(text(span.status_description)) if span.status_description else b""
    return b"\x7a" + sized(body + b"\x18" + varint(span.status_code))


def _event(event: Event) -> bytes:
    body = b"\x09" + pack_fixed64(event.time_ns) + b"\x12" + sized(names[event.name])
    body += attributes(b"\x1a", event.attributes)
    return body + b"\x20" + varint(event.dropped_attributes) if event.dropped_attributes else body


def _link(link: Linked) -> bytes:
    context = link.context
    body = b"\x0a\x10" + context.trace_id.to_bytes(16, "big") + b"\x12\x08" + context.span_id.to_bytes(8, "big")
    body += attributes(b"\x22", link.attributes)
    if link.dropped_attributes:
        body += b"\x28" + varint(link.dropped_attributes)
    return body + b"\x35" + pack_fixed32(_HAS_IS_REMOTE | _IS_REMOTE if context.is_remote else _HAS_IS_REMOTE)
