"""The bridge to the official SDK: its log record processors work on our records.

What needs the SDK imports it in the function: nobody pays for it who does not use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.trace import TraceFlags

from capibara_otel.pipeline.logs.limits import LogLimits
from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.logs.values import official_severity, severity, snapshot
from capibara_otel.pipeline.scope import Resource, Scope
from capibara_otel.pipeline.traces.chain import Chain
from capibara_otel.pipeline.traces.official import bounded, official_resource, official_scope
from capibara_otel.pipeline.traces.shared import guarded
from capibara_otel.pipeline.traces.values import UNLIMITED, cleaned

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord


class Processors(Chain["LogRecordProcessor"]):
    """Hands our records to processors that were written for the official SDK.

    Args:
        resource: what the records are attributed to.
        limits: of each record.
    """

    _all: tuple[LogRecordProcessor, ...]

    def __init__(self, resource: Resource, limits: LogLimits) -> None:
        super().__init__("logs.processor", resource)
        self._limits = limits

    def enabled(
        self, context: Context | None, scope: Scope, severity_number: SeverityNumber | None, event_name: str | None
    ) -> bool:
        """Tell whether one of them wants such a record."""
        official, _ = official_scope(scope)
        answers: list[bool] = []
        for processor in self._all:
            guarded(
                "logs.processor.enabled",
                lambda processor=processor: answers.append(
                    processor.enabled(
                        context=context,
                        instrumentation_scope=official,
                        severity_number=severity_number,
                        event_name=event_name,
                    )
                ),
            )
        return any(answers)

    def emit(self, record: Record, context: Context) -> Record:
        """Hand a record to all of them.

        Args:
            record: ours.
            context: it was emitted in.

        Returns:
            The record as they left it.
        """
        given = self._writable(record, context)
        for processor in self._all:
            guarded("logs.processor.on_emit", processor.on_emit, given)
        left = given.log_record
        attributes = left.attributes
        if type(attributes) is BoundedAttributes:  # has kept to the limits by itself
            values, dropped = dict(attributes), attributes.dropped
        else:
            values, dropped = cleaned(attributes, self._limits.attributes, self._limits.value_length)
        return Record(
            left.timestamp or 0,
            left.observed_timestamp or 0,
            severity(left.severity_number),
            left.severity_text or "",
            snapshot(left.body),
            values,
            dropped,
            left.trace_id or 0,
            left.span_id or 0,
            left.trace_flags or 0,
            left.event_name or "",
            record.scope,
        )

    def _writable(self, record: Record, context: Context) -> ReadWriteLogRecord:
        from opentelemetry.sdk._logs import LogRecordLimits, ReadWriteLogRecord  # noqa: PLC0415 - see the module

        limits: Any = object.__new__(LogRecordLimits)  # its constructor reads the environment
        count, length = self._limits.attributes, self._limits.value_length
        limits.max_attributes = limits.max_log_record_attributes = None if count == UNLIMITED else count
        limits.max_attribute_length = limits.max_log_record_attribute_length = None if length == UNLIMITED else length
        official: Any = _official(record, context)
        writable = ReadWriteLogRecord(
            official, official_resource(self._resource), official_scope(record.scope)[0], limits
        )
        inner = official.attributes
        inner._dict, inner.dropped = dict(record.attributes), record.dropped_attributes  # noqa: SLF001 - cleaned twice
        return writable


def readable(record: Record, resource: Resource) -> ReadableLogRecord:
    """Return a record as the official SDK hands it to exporters.

    Args:
        record: ours.
        resource: what it is attributed to.
    """
    from opentelemetry.sdk._logs import ReadableLogRecord  # noqa: PLC0415 - see the module

    official = _official(record, Context())
    official.attributes = bounded(record.attributes, record.dropped_attributes)
    return ReadableLogRecord(official, official_resource(resource), official_scope(record.scope)[0])


def _official(record: Record, context: Context) -> LogRecord:
    made = LogRecord(
        timestamp=record.time_ns or None,
        observed_timestamp=record.observed_ns,
        context=context,
        severity_text=record.severity_text or None,
        severity_number=official_severity(record.severity_number),
        body=record.body,
        attributes=record.attributes,
        event_name=record.event_name or None,
    )
    made.context = context  # an empty one has been replaced by the current one
    made.trace_id, made.span_id, made.trace_flags = record.trace_id, record.span_id, TraceFlags(record.flags)
    return made
