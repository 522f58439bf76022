"""A log record as it waits to be exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capibara_otel.pipeline.scope import Scope


@dataclass(slots=True, eq=False)
class Record:
    """OTLP's `LogRecord`; what was not given is 0, empty or None."""

    time_ns: int
    observed_ns: int
    severity_number: int
    severity_text: str
    body: Any
    attributes: Mapping[str, Any]
    """Cleaned and within the limits; values of any depth."""
    dropped_attributes: int
    trace_id: int
    span_id: int
    flags: int
    event_name: str
    scope: Scope
