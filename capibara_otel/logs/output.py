"""Where lines go: a stream, as JSON for machines or as text for people, and OpenTelemetry's logs."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final, Literal, TextIO, TypeAlias

from opentelemetry._logs import Logger, LoggerProvider, LogRecord, get_logger_provider

from capibara_otel._safety import shield
from capibara_otel.logs.categories import Category, LogLevel
from capibara_otel.semconv import attributes as a

Format: TypeAlias = Literal["auto", "json", "console"]

_COLOURS: Final = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "1;31"}
_ATTRIBUTES: Final = {
    "user_id": a.USER_ID,
    "session_id": a.SESSION_ID,
    "tenant_id": a.TENANT_ID,
    "request_id": a.REQUEST_ID,
    "conversation_id": a.GEN_AI_CONVERSATION_ID,
    "agent": a.GEN_AI_AGENT_NAME,
}


class Output:
    """Writes finished lines.

    Args:
        form: `json`, `console`, or `auto`: console on a terminal, else JSON.
        level: lines below are dropped before they cost anything.
        stream: where text goes; standard output by default, None inside of tests that want none.
        provider: OpenTelemetry's logger provider; the global one by default.
        colours: colour for people; by default on a terminal without `NO_COLOR`.
    """

    def __init__(
        self,
        form: Format = "auto",
        level: LogLevel = LogLevel.INFO,
        *,
        stream: TextIO | None = None,
        provider: LoggerProvider | None = None,
        colours: bool | None = None,
    ) -> None:
        self.level = level
        self._stream = stream
        # Made beforehand: the SDK takes a lock to make one, which a signal's handler that logs might wait for.
        self._loggers = {} if provider is None else {category: _logger(provider, category) for category in Category}
        self._form = form
        self._colours = colours
        self._lock = threading.RLock()  # a signal's handler may log while its own thread is writing

    def write(self, line: Mapping[str, Any]) -> None:
        """Write one line everywhere. What cannot be written is dropped; the caller never waits for a fault."""
        with shield("logs.stream"):
            self._to_stream(line)
        with shield("logs.otlp"):
            self._to_provider(line)

    def renew(self) -> None:
        """Take a fresh lock, in a forked process."""
        self._lock = threading.RLock()

    def _to_stream(self, line: Mapping[str, Any]) -> None:
        stream = self._stream or sys.stdout
        if stream is None or getattr(stream, "closed", False):  # no console, as under pythonw, or at interpreter exit
            return
        terminal = getattr(stream, "isatty", bool)()
        if self._form == "console" or (self._form == "auto" and terminal):
            text = console(line, colours=self._wants_colour(terminal=terminal))
        else:
            text = _json({key: line[key] for key in line if key != "timestamp_ns"})
        encoding = getattr(stream, "encoding", None) or "utf-8"
        with self._lock:
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            stream.flush()

    def _wants_colour(self, *, terminal: bool) -> bool:
        import os  # noqa: PLC0415 - read at each call so that a changed environment counts

        return (terminal and "NO_COLOR" not in os.environ) if self._colours is None else self._colours

    def _to_provider(self, line: Mapping[str, Any]) -> None:
        category = line["category"]
        logger = self._loggers.get(category) or _logger(get_logger_provider(), category)
        level = LogLevel(line["level"])
        attributes = {name: line[key] for key, name in _ATTRIBUTES.items() if key in line}
        attributes |= {f"exception.{key}": value for key, value in line.get("exception", {}).items()}
        attributes |= {key: line[key] for key in ("category", "component", "duration_ms") if key in line}
        attributes |= line.get("metadata", {})
        logger.emit(
            LogRecord(
                timestamp=line["timestamp_ns"],
                severity_number=level.severity,
                severity_text=level.upper(),
                body=line["message"],
                attributes=attributes,
                event_name=line.get("event"),
            )
        )


def _logger(provider: LoggerProvider, category: str) -> Logger:
    return provider.get_logger(f"capibara_otel.{category}")


def _json(line: Mapping[str, Any]) -> str:
    try:
        return json.dumps(line, default=str, ensure_ascii=False, allow_nan=False)
    except ValueError:  # JSON has no words for what is not finite
        finite = json.loads(json.dumps(line, default=str), parse_constant=str)
        return json.dumps(finite, ensure_ascii=False)


def console(line: Mapping[str, Any], *, colours: bool) -> str:
    """Return a line for people: time, level, category, message, then what else is known."""
    clock = str(line["timestamp"])[11:23]
    level = f"{line['level']:<8}"
    if colours:
        level = f"\x1b[{_COLOURS[line['level']]}m{level}\x1b[0m"
    known = {key: line[key] for key in line if key not in _NOT_SHOWN} | line.get("metadata", {})
    pairs = " ".join(f"{key}={_value(value)}" for key, value in known.items())
    message = line["message"].translate(_UNSAFE).replace("\n", "\n    ")
    text = f"{clock} {level} {line['category']:<13} {message}" + (f"  {pairs}" if pairs else "")
    trouble = line.get("exception")
    return f"{text}\n{trouble.get('stacktrace', trouble['message']).rstrip()}" if trouble else text


_NOT_SHOWN: Final = frozenset(
    {"timestamp", "timestamp_ns", "level", "category", "message", "metadata", "exception", "event", "span_id"}
)


def _value(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if text and text.isprintable() and not set(text) & _QUOTED else json.dumps(text, ensure_ascii=False)


_QUOTED: Final = frozenset(' "=')
_UNSAFE: Final = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
"""Control characters, with which a text could change the terminal, but for line break and tab."""
