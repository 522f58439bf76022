"""One line per operation, with the registry's keys."""

from __future__ import annotations

from typing import Final

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import Span

from capibara_otel.logs.categories import Category, LogLevel
from capibara_otel.logs.loggers import Logs
from capibara_otel.logs.processors import named
from capibara_otel.operation import OperationRecord, attached
from capibara_otel.operation.outcomes import FAILURES

_CATEGORIES: Final = {category.value: category for category in Category} | {"llm": Category.AGENTS}


class CanonicalLines:
    """An operation hook. Requests and failures are written at `info` and `warning`, the rest at `debug`.

    Args:
        logs: the loggers.
    """

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    def on_end(self, record: OperationRecord, span: Span) -> None:
        """Write the line of an operation."""
        level = LogLevel.DEBUG
        if record.outcome in FAILURES:
            level = LogLevel.WARNING
        elif record.spec.kind == "server":
            level = LogLevel.INFO
        if level.number < self._logs.output.level.number:
            return
        logger = self._logs.of(_CATEGORIES.get(record.spec.subsystem, Category.SYSTEM))
        # Operations also end where they are not current; their lines still belong to their spans.
        own = trace.set_span_in_context(span) if span.get_span_context().is_valid else otel.get_current()
        with attached(own):
            getattr(logger, level)(
                record.name,
                event_name=record.spec.type,
                duration_ms=round(record.duration_s * 1000, 3),
                exc_info=record.exception if record.outcome in FAILURES else None,
                **named(record.context),
                **record.attributes,
            )
