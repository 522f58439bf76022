"""Steps a line goes through before it is written: context, trace, redaction, form. All are structlog processors."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TypeAlias

from opentelemetry import trace
from structlog import DropEvent

from capibara_otel._safety import shield
from capibara_otel.operation import who
from capibara_otel.operation.context import KEYWORDS
from capibara_otel.operation.outcomes import full_name
from capibara_otel.redaction import scrub, scrub_value, text_of
from capibara_otel.semconv import attributes as a

EventDict: TypeAlias = MutableMapping[str, Any]

_SHORT: Final[Mapping[str, str]] = {name: keyword for keyword, name in KEYWORDS.items()} | {a.TENANT_ID: "tenant_id"}
_FIRST: Final = (
    "timestamp", "level", "category", "component", "message", "user_id", "session_id", "tenant_id", "request_id",
    "conversation_id", "agent", "duration_ms", "trace_id", "span_id", "event", "exception",
)  # fmt: skip
"""The fields every reader may rely on, in this order; everything else stands in `metadata`."""


def named(people: Mapping[str, str]) -> dict[str, str]:
    """Return what `context()` set, under the names of a line's fields."""
    return {_SHORT.get(name, name): value for name, value in people.items()}


class Line:
    """All steps, in order. A line that a step fails at is dropped: the caller goes on, and nothing unredacted leaves.

    Args:
        time_ns: the clock.
        category: what the line is about.
    """

    def __init__(self, time_ns: Callable[[], int], category: str) -> None:
        self._steps: Final = (Stamp(time_ns, category), add_context, add_exception, redact, arrange)

    def __call__(self, logger: Any, method: str, line: EventDict) -> EventDict:
        """Return the finished line."""
        with shield("logs.line"):
            for step in self._steps:
                line = step(logger, method, line)
            return line
        raise DropEvent


class Stamp:
    """Adds time, level and category.

    Args:
        time_ns: the clock.
        category: what the line is about.
    """

    def __init__(self, time_ns: Callable[[], int], category: str) -> None:
        self._time_ns = time_ns
        self._category = category

    def __call__(self, _logger: Any, method: str, line: EventDict) -> EventDict:
        """Add `timestamp` (ISO 8601, UTC, microseconds), `level` and `category`."""
        now_ns = self._time_ns()
        line["timestamp_ns"] = now_ns
        seconds, rest = divmod(now_ns, 1_000_000_000)
        stamp = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
        line["timestamp"] = stamp.isoformat(timespec="microseconds").replace("+00:00", "Z")
        line["level"] = {"exception": "error", "warn": "warning", "fatal": "critical"}.get(method, method)
        line["category"] = self._category
        return line


def add_context(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """Add who the request is for, and the ids of the current span; what the caller gave stays."""
    for name, value in named(who()).items():
        line.setdefault(name, value)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        line.setdefault("trace_id", trace.format_trace_id(span.trace_id))
        line.setdefault("span_id", trace.format_span_id(span.span_id))
    return line


def add_exception(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """Turn `exc_info` into type, message and traceback, named by the conventions."""
    given = line.pop("exception", None)
    error = _error(line.pop("exc_info", None)) or (given if isinstance(given, BaseException) else None)
    if given is not None and given is not error:
        line["exception"] = {"message": scrub(text_of(given))}
    if error is not None:
        line["exception"] = {
            "type": full_name(type(error)),
            "message": scrub(text_of(error)),
            "stacktrace": scrub("".join(traceback.format_exception(error))),
        }
    return line


def redact(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """Mask secrets in every field that a caller may have filled."""
    for key, value in line.items():
        if key not in _OURS and not (key in _IDS and _is_id(value)):
            line[key] = scrub_value(_NAMELESS.get(key, key), value)
    return line


_OURS: Final = frozenset({"timestamp", "timestamp_ns", "level", "category", "exception"})
_IDS: Final = frozenset({"trace_id", "span_id"})
_NAMELESS: Final = {"session_id": ""}
"""Here a session's id is what lines are found by, not a key to it; what looks like a secret is masked all the same."""


def _is_id(value: Any) -> bool:
    """Tell whether a value is an id of OpenTelemetry, which may by chance look like a payment card's number."""
    return isinstance(value, str) and len(value) in {16, 32} and set(value) <= set("0123456789abcdef")


def arrange(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """Put the known fields first and the rest into `metadata`."""
    line["message"] = text_of(line.pop("event", ""))
    name = line.pop("event_name", None)
    if name:
        line["event"] = name
    stamp_ns = line.pop("timestamp_ns", 0)
    known = {field: line[field] for field in _FIRST if line.get(field) is not None}
    rest = {key: value for key, value in line.items() if key not in _FIRST}
    if rest:
        known["metadata"] = rest
    known["timestamp_ns"] = stamp_ns
    return known


def _error(info: Any) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        kept: tuple[type[BaseException] | None, BaseException | None, TracebackType | None] = info
        return kept[1]
    return sys.exc_info()[1] if info else None
