"""One line per operation, with the registry's keys."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import Span

from capibara_otel.logs.categories import Category
from capibara_otel.logs.fields import people
from capibara_otel.logs.lines import SOURCES, SPAN_KEY, Line, described
from capibara_otel.logs.loggers import Logs
from capibara_otel.operation import OperationRecord
from capibara_otel.operation.context import current_context
from capibara_otel.operation.outcomes import FAILURES

_CATEGORIES: Final = {category.value: category for category in Category} | {"llm": Category.AGENTS}
_SOURCES: Final = {subsystem: SOURCES[category] for subsystem, category in _CATEGORIES.items()}
_OTHER: Final = SOURCES[Category.SYSTEM]
_DEBUG: Final = 10
_INFO: Final = 20
_WARNING: Final = 30


class CanonicalLines:
    """An operation hook. Requests and failures are written at `info` and `warning`, the rest at `debug`.

    Args:
        logs: the loggers.
    """

    def __init__(self, logs: Logs) -> None:
        self._route: Final = logs.route

    def on_end(self, record: OperationRecord, _span: Span) -> None:
        """Write the line of an operation."""
        failed = record.outcome in FAILURES
        if failed:
            level, number = "warning", _WARNING
        elif record.spec.kind == "server":
            level, number = "info", _INFO
        else:
            level, number = "debug", _DEBUG
        route = self._route
        if number < route.least:
            return
        known: dict[str, Any] = {"message": record.name}
        if record.context:
            known.update(people(record.context))
        known["duration_ms"] = round(record.duration_s * 1e6) / 1000
        last: dict[str, Any] = {"event": record.spec.type}
        if failed and record.exception is not None:
            last["exception"] = described(record.exception)
        here, span = current_context(), record.span
        ids = span.get_span_context()
        if ids.is_valid and here.get(SPAN_KEY) is not span:  # operations also end where they are not current
            here = trace.set_span_in_context(span, here)
        told = record.attributes
        rest = told.copy() if type(told) is MappingProxyType else dict(told)  # six times as fast
        source = _SOURCES.get(record.spec.subsystem, _OTHER)[level]
        route.output.write(Line(source, route.time_ns(), known, ids, last, rest, here))
