"""The 11 categories and 5 levels of log lines."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Final

from opentelemetry._logs import SeverityNumber


class Category(StrEnum):
    """What a line is about."""

    SYSTEM = "system"
    API = "api"
    ROUTING = "routing"
    ACE = "ace"
    E2B = "e2b"
    RAG = "rag"
    AGENTS = "agents"
    OPTIMIZATIONS = "optimizations"
    BUSINESS = "business"
    SECURITY = "security"
    PERFORMANCE = "performance"


class LogLevel(StrEnum):
    """How serious a line is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def number(self) -> int:
        """The standard library's number of the level."""
        return _NUMBERS[self]

    @property
    def severity(self) -> SeverityNumber:
        """OpenTelemetry's number of the level."""
        return _SEVERITY[self]


_NUMBERS: Final = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
    LogLevel.CRITICAL: logging.CRITICAL,
}
_SEVERITY: Final = {
    LogLevel.DEBUG: SeverityNumber.DEBUG,
    LogLevel.INFO: SeverityNumber.INFO,
    LogLevel.WARNING: SeverityNumber.WARN,
    LogLevel.ERROR: SeverityNumber.ERROR,
    LogLevel.CRITICAL: SeverityNumber.FATAL,
}


def level_of(number: int) -> LogLevel:
    """Return the level for a number of the standard library's logging."""
    for level in (LogLevel.CRITICAL, LogLevel.ERROR, LogLevel.WARNING, LogLevel.INFO):
        if number >= level.number:
            return level
    return LogLevel.DEBUG
