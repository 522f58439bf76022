"""Hands out loggers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from opentelemetry._logs import Logger as ApiLogger
from opentelemetry._logs import LoggerProvider as ApiLoggerProvider
from opentelemetry._logs import NoOpLogger
from opentelemetry.util.types import Attributes

from capibara_otel.pipeline.logs.limits import LogLimits
from capibara_otel.pipeline.logs.logger import Logger, Shared
from capibara_otel.pipeline.logs.official import Processors
from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.scopes import Scopes

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LogRecordProcessor


class LoggerProvider(ApiLoggerProvider):
    """A logger provider of OpenTelemetry's logs API.

    It starts no thread and registers nothing: whoever builds it flushes it, shuts it down, and tells it of a fork.

    Args:
        resource: what all records are attributed to.
        on_emit: called with each record, in the thread that emits it, after the processors.
        limits: of each record; by default what the environment says.
        processors: log record processors of the official SDK's kind, to begin with.
        time_ns: nanoseconds since the epoch.

    Raises:
        ValueError: the environment holds a limit that is none.
    """

    def __init__(
        self,
        resource: Resource,
        *,
        on_emit: Callable[[Record], object] | None = None,
        limits: LogLimits | None = None,
        processors: Iterable[LogRecordProcessor] = (),
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        limits = LogLimits.read(os.environ) if limits is None else limits
        self._shared: Final = Shared(resource, limits, on_emit, time_ns)
        self._is_disabled: Final = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        self._processors: Final = Processors(resource, limits)
        self._loggers: Final = Scopes(lambda scope: Logger(self._shared, scope))
        for processor in processors:
            self.add_log_record_processor(processor)

    @property
    def resource(self) -> Resource:
        """What its records are attributed to."""
        return self._shared.resource

    def get_logger(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> ApiLogger:
        """Return the logger of a library, the same one each time; see `opentelemetry._logs.LoggerProvider`."""
        if self._is_disabled:
            return NoOpLogger(name, version, schema_url, attributes)
        return self._loggers.get(name, version, schema_url, attributes)

    def add_log_record_processor(self, log_record_processor: LogRecordProcessor) -> None:
        """Have a processor of the official SDK's kind told of each record from now on; what it changes is exported."""
        self._processors.add(log_record_processor)
        self._shared.processors = self._processors

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have the processors flush.

        Args:
            timeout_millis: milliseconds for all of them.

        Returns:
            Whether all of them did in time.
        """
        return self._processors.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Have the processors shut down."""
        self._processors.shutdown()

    def after_fork(self, resource: Resource) -> None:
        """Begin anew in a forked child.

        Args:
            resource: of the child.
        """
        self._loggers.after_fork()
        self._shared.resource = resource
        self._processors.after_fork(resource)
