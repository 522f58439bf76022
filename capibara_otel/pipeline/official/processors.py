"""Puts what the official SDK's providers make into the queues."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from capibara_otel.pipeline.batch import BatchQueue
from capibara_otel.pipeline.plan import SpanStart

_NO_RESOURCE: Final = Resource.get_empty()


class BatchSpans(SpanProcessor):
    """Puts sampled spans into a queue as they end.

    Args:
        queue: where they go.
    """

    def __init__(self, queue: BatchQueue[ReadableSpan]) -> None:
        self._queue: Final = queue

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that has ended."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._queue.put(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued.

        Args:
            timeout_millis: milliseconds to wait at most.

        Returns:
            Whether all of it reached the receiver in time.
        """
        return self._queue.wait_flush(self._queue.ask_flush(), timeout_millis / 1000)

    def shutdown(self, timeout_millis: int = 2_000) -> None:
        """Send what is queued and refuse the rest.

        Args:
            timeout_millis: milliseconds to wait at most.
        """
        self._queue.close()
        self._queue.finish(timeout_millis / 1000)


class BatchLogs(LogRecordProcessor):
    """Puts log records into a queue.

    Args:
        queue: where they go.
    """

    def __init__(self, queue: BatchQueue[ReadableLogRecord]) -> None:
        self._queue: Final = queue

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take a record."""
        record = copy.copy(log_record.log_record)
        record.context = Context()  # what it refers to may be large, and must not live as long as the queue
        self._queue.put(
            ReadableLogRecord(
                log_record=record,
                resource=log_record.resource or _NO_RESOURCE,
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued; see `BatchSpans.force_flush`."""
        return self._queue.wait_flush(self._queue.ask_flush(), timeout_millis / 1000)

    def shutdown(self, timeout_millis: int = 2_000) -> None:
        """Send what is queued and refuse the rest; see `BatchSpans.shutdown`."""
        self._queue.close()
        self._queue.finish(timeout_millis / 1000)


class SpanStarts(SpanProcessor):
    """Tells callables of each span that begins.

    Args:
        tells: told the span and the context it began in.
    """

    def __init__(self, tells: Sequence[SpanStart]) -> None:
        self._tells: Final = tuple(tells)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Take a span that just began."""
        for tell in self._tells:
            tell(span, parent_context)
