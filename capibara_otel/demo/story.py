"""What one request did, read from the log lines that carry its trace id."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

_SAID: Final = (
    "capibara6.routing.model",
    "capibara6.rag.results",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "capibara6.llm.retries",
    "capibara6.cache.result",
    "capibara6.e2b.exit_code",
    "http.response.status_code",
    "error.type",
)
"""Fields worth a place in a short line."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a request."""

    begins_s: float
    """Seconds after the request began."""
    seconds: float
    name: str
    said: str
    failed: bool


def steps_of(trace_id: str, log: Path) -> list[Step]:
    """Return the operations of a trace in the order in which they began, the request first."""
    operations = [(_begin(line), line) for line in _lines(log) if line.get("trace_id") == trace_id and "event" in line]
    operations.sort(key=lambda pair: pair[0])
    first = operations[0][0] if operations else 0.0
    return [_step(begin - first, line) for begin, line in operations]


def _lines(log: Path) -> Iterable[dict[str, Any]]:
    for text in log.read_text("utf-8", "replace").splitlines():
        if text.startswith("{"):
            try:
                yield json.loads(text)
            except ValueError:  # a line of somebody else, or one cut short
                continue


def _begin(line: dict[str, Any]) -> float:
    ended = datetime.fromisoformat(line["timestamp"]).timestamp()
    return ended - float(line.get("duration_ms", 0)) / 1000


def _step(begins_s: float, line: dict[str, Any]) -> Step:
    fields = line.get("metadata", {})
    said = ", ".join(f"{key.rpartition('.')[2]} {fields[key]}" for key in _SAID if key in fields)
    return Step(begins_s, float(line.get("duration_ms", 0)) / 1000, line["message"], said, "error.type" in fields)
