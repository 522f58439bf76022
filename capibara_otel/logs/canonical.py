"""One line per operation, with the registry's keys."""

from __future__ import annotations

from typing import Final

from opentelemetry.trace import Span

from capibara_otel.logs.categories import Category, LogLevel
from capibara_otel.logs.loggers import Logs
from capibara_otel.logs.processors import named
from capibara_otel.operation import OperationRecord
from capibara_otel.operation.outcomes import FAILURES

_CATEGORIES: Final = {category.value: category for category in Category} | {"llm": Category.AGENTS}


class CanonicalLines:
    """An operation hook. Requests and failures are written at `info` and `warning`, the rest at `debug`.

    Args:
        logs: the loggers.
    """

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    def on_end(self, record: OperationRecord, span: Span) -> None:  # noqa: ARG002 - the hook's signature
        """Write the line of an operation."""
        level = LogLevel.DEBUG
        if record.outcome in FAILURES:
            level = LogLevel.WARNING
        elif record.spec.kind == "server":
            level = LogLevel.INFO
        if level.number < self._logs.output.level.number:
            return
        logger = self._logs.of(_CATEGORIES.get(record.spec.subsystem, Category.SYSTEM))
        getattr(logger, level)(
            record.name,
            event_name=record.spec.type,
            duration_ms=round(record.duration_s * 1000, 3),
            trace_id=record.trace_id,
            span_id=record.span_id,
            exc_info=record.exception,
            **named(record.context),
            **record.attributes,
        )
