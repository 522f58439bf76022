"""Writes log records: `ExportLogsServiceRequest` of opentelemetry-proto, `logs/v1/logs.proto`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Final

from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.otlp.common import LeftOut, Pause, any_value, attributes, encode_items, names
from capibara_otel.pipeline.otlp.wire import pack_fixed32, sized, text, varint
from capibara_otel.pipeline.scope import Resource

# Both times stand beside each other, with their tags between them.
_pack_times: Final[Callable[..., bytes]] = struct.Struct("<BQBQ").pack


def encode(
    records: Iterable[Record], resource: Resource, *, pause: Pause | None = None, left_out: LeftOut | None = None
) -> bytes:
    """Return a request with log records, grouped by scope.

    Args:
        records: in the order they are to have within their scope.
        resource: of the process.
        pause: called between slices of records.
        left_out: told of each record that could not be written; the others go without it.

    Returns:
        The bytes; none where there is nothing to send.
    """
    return encode_items(records, _record, resource, pause, left_out)


def _record(record: Record) -> bytes:
    parts = [
        _pack_times(0x09, record.time_ns, 0x59, record.observed_ns),
        b"\x2a" + sized(any_value(record.body)),
        attributes(b"\x32", record.attributes),
    ]
    if record.severity_number:
        parts.append(b"\x10" + varint(record.severity_number))
    if record.severity_text:
        parts.append(b"\x1a" + sized(names[record.severity_text]))
    if record.trace_id:
        parts.append(b"\x4a\x10" + record.trace_id.to_bytes(16, "big"))
    if record.span_id:
        parts.append(b"\x52\x08" + record.span_id.to_bytes(8, "big"))
    if record.flags:
        parts.append(b"\x45" + pack_fixed32(record.flags))
    if record.event_name:
        parts.append(b"\x62" + sized(text(record.event_name)))
    if record.dropped_attributes:
        parts.append(b"\x38" + varint(record.dropped_attributes))
    return sized(b"".join(parts))
