"""Structured logs: one logger per category, each line with the context it was written in."""

from __future__ import annotations

from capibara_otel.logs.bound import BoundLogger
from capibara_otel.logs.canonical import CanonicalLines
from capibara_otel.logs.categories import Category, LogLevel
from capibara_otel.logs.loggers import Logs
from capibara_otel.logs.output import Output

__all__ = ["BoundLogger", "CanonicalLines", "Category", "LogLevel", "Logs", "Output"]
