"""Makes log records."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import Logger as ApiLogger
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.util.types import AnyValue, Attributes

from capibara_otel._safety import kept, shield
from capibara_otel.pipeline.logs.limits import LogLimits
from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.logs.values import severity, snapshot
from capibara_otel.pipeline.scope import Resource, Scope
from capibara_otel.pipeline.traces.current import SPAN_KEY, context_of, current_context
from capibara_otel.pipeline.traces.span import Span
from capibara_otel.pipeline.traces.values import AS_IS, cleaned, exception_attributes

if TYPE_CHECKING:
    from capibara_otel.pipeline.logs.official import Processors


class Shared:
    """What all loggers of one provider share.

    Args:
        resource: of this process.
        limits: of each record.
        on_emit: called with each record.
        time_ns: nanoseconds since the epoch.
    """

    __slots__ = ("attributes", "on_emit", "processors", "resource", "time_ns", "value_length")

    def __init__(
        self,
        resource: Resource,
        limits: LogLimits,
        on_emit: Callable[[Record], object] | None,
        time_ns: Callable[[], int],
    ) -> None:
        self.resource = resource
        self.attributes = limits.attributes
        self.value_length = limits.value_length
        self.on_emit = on_emit
        self.processors: Processors | None = None
        self.time_ns = time_ns


class Logger(ApiLogger):
    """Makes the log records of one library.

    Args:
        shared: of its provider.
        scope: the library.
    """

    def __init__(self, shared: Shared, scope: Scope) -> None:
        super().__init__(scope.name, scope.version, scope.schema_url, scope.attributes)
        self._shared: Final = shared
        self.scope: Final = scope

    @property
    def resource(self) -> Resource:
        """What its records are attributed to."""
        return self._shared.resource

    @property
    def instrumentation_scope(self) -> Scope:
        """The library."""
        return self.scope

    def enabled(
        self,
        *,
        context: Context | None = None,
        severity_number: SeverityNumber | None = None,
        event_name: str | None = None,
    ) -> bool:
        """Tell whether anybody would get such a record; see `opentelemetry._logs.Logger`."""
        shared = self._shared
        if shared.on_emit is not None or shared.processors is None:
            return shared.on_emit is not None
        return shared.processors.enabled(context, self.scope, severity_number, event_name)

    def emit(
        self,
        record: LogRecord | None = None,
        *,
        timestamp: int | None = None,
        observed_timestamp: int | None = None,
        context: Context | None = None,
        severity_number: SeverityNumber | None = None,
        severity_text: str | None = None,
        body: AnyValue | None = None,
        attributes: Attributes = None,
        event_name: str | None = None,
        exception: BaseException | None = None,
    ) -> None:
        """Emit a record, given as a whole or in parts; see `opentelemetry._logs.Logger`."""
        if record is not None:
            with shield("logs.emit"):
                self._emit_whole(record)
            return
        shared = self._shared
        around = context or current_context()
        span = around.get(SPAN_KEY)
        if span is None:
            trace_id = span_id = flags = 0
        elif type(span) is Span:
            trace_id, span_id, flags = span.trace_id, span.span_id, span.flags
        else:
            trace_id, span_id, flags = _ids_of(span)
        if exception is not None:
            attributes = _with_exception(attributes, exception)
        values, dropped = cleaned(attributes, shared.attributes, shared.value_length)
        kind = type(body)
        made = Record(
            timestamp or 0,
            shared.time_ns() if observed_timestamp is None else observed_timestamp,
            severity_number._value_ if type(severity_number) is SeverityNumber else severity(severity_number),
            severity_text or "",
            body if kind is str or kind in AS_IS else snapshot(body),
            values,
            dropped,
            trace_id,
            span_id,
            flags,
            event_name or "",
            self.scope,
        )
        self._hand_on(made, around)

    def _emit_whole(self, given: Any) -> None:
        shared = self._shared
        inner = getattr(given, "log_record", None)
        if inner is None:
            exception = getattr(given, "exception", None)
            attributes = given.attributes if exception is None else _with_exception(given.attributes, exception)
            values, dropped = cleaned(attributes, shared.attributes, shared.value_length)
            self._emit_made(given, self.scope, values, dropped)
            return
        # The official SDK's ReadWriteLogRecord: its attributes are clean already, and its own word goes first.
        values, dropped = dict(inner.attributes or {}), 0
        if inner.exception is not None:
            attributes = {**values, **_with_exception(values, inner.exception)}
            values, dropped = cleaned(attributes, shared.attributes, shared.value_length)
        scope = self.scope if given.instrumentation_scope is None else own_scope(given.instrumentation_scope)
        self._emit_made(inner, scope, values, dropped + given.dropped_attributes)

    def _emit_made(self, record: LogRecord, scope: Scope, values: dict[str, Any], dropped: int) -> None:
        observed: int | None = record.observed_timestamp
        made = Record(
            record.timestamp or 0,
            self._shared.time_ns() if observed is None else observed,
            severity(record.severity_number),
            record.severity_text or "",
            snapshot(record.body),
            values,
            dropped,
            record.trace_id or 0,
            record.span_id or 0,
            record.trace_flags or 0,
            record.event_name or "",
            scope,
        )
        self._hand_on(made, record.context)

    def _hand_on(self, record: Record, around: Context) -> None:
        shared = self._shared
        if shared.processors is not None:
            record = shared.processors.emit(record, around)
        if shared.on_emit is not None:
            try:
                shared.on_emit(record)
            except Exception as fault:
                if not kept("logs.on_emit", fault):
                    raise


def _ids_of(span: object) -> tuple[int, int, int]:
    context = context_of(span)
    return (0, 0, 0) if context is None else (context.trace_id, context.span_id, context.trace_flags)


def _with_exception(attributes: Attributes, exception: BaseException) -> dict[str, Any]:
    """Return the attributes with what describes the exception, unless they describe it themselves."""
    with shield("logs.exception"):
        return {**exception_attributes(exception), **(attributes or {})}
    return dict(attributes or {})


@lru_cache(maxsize=256)
def own_scope(scope: Any) -> Scope:
    """Return a scope of the official SDK's as ours; the same object for equal ones, for records are grouped by it."""
    return Scope(scope.name, scope.version or "", scope.schema_url or "", dict(scope.attributes or {}))
