"""Sends the standard library's log lines to OpenTelemetry too, with their trace."""

from __future__ import annotations

import logging
from typing import Any, Final

from opentelemetry._logs import Logger, LoggerProvider, get_logger_provider
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value

from capibara_otel._safety import shield
from capibara_otel.logs.categories import level_of
from capibara_otel.logs.fields import name_of
from capibara_otel.logs.lines import described
from capibara_otel.redaction import scrub, scrub_value

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OWN: Final = ("opentelemetry.", "capibara_otel", "urllib3.", "grpc.")
"""Loggers on the exporter's own path: their lines would make more lines."""


class OtlpHandler(logging.Handler):
    """Turns log records of the standard library into OpenTelemetry's.

    Args:
        provider: where to; the global logger provider by default.
        level: lines below are not sent.
    """

    def __init__(self, provider: LoggerProvider | None = None, level: int = logging.INFO) -> None:
        super().__init__(level)
        self._provider = provider
        self._loggers: dict[str, Logger] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        if record.name.startswith(_OWN) or get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return
        with shield("logs.stdlib"):
            logger, severity = self._logger(record.name), level_of(record.levelno).severity
            if logger.enabled(severity_number=severity):
                logger.emit(
                    timestamp=int(record.created * 1e9),
                    severity_number=severity,
                    severity_text=record.levelname,
                    body=scrub(record.getMessage()),
                    attributes=_attributes(record),
                )

    def _logger(self, name: str) -> Logger:
        if self._provider is None:
            return get_logger_provider().get_logger(name)
        known = self._loggers.get(name)
        return self._loggers.setdefault(name, self._provider.get_logger(name)) if known is None else known


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "code.file.path": record.pathname,
        "code.function.name": record.funcName,
        "code.line.number": record.lineno,
    }
    attributes |= {name_of(key): scrub_value(key, value) for key, value in vars(record).items() if key not in _STANDARD}
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        attributes |= {f"exception.{key}": value for key, value in described(error).items()}
    return attributes
