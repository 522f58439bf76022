"""Where lines go: a stream, as JSON for machines or as text for people, and OpenTelemetry's logs."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Final, Literal, TextIO, TypeAlias

from opentelemetry._logs import Logger, LoggerProvider, get_logger_provider

from capibara_otel._safety import kept
from capibara_otel.logs.categories import Category, LogLevel
from capibara_otel.logs.forms import as_json, as_text
from capibara_otel.logs.lines import Line
from capibara_otel.semconv import attributes as a

Format: TypeAlias = Literal["auto", "json", "console"]

_ATTRIBUTES: Final = {
    "component": "component",
    "duration_ms": "duration_ms",
    "user_id": a.USER_ID,
    "session_id": a.SESSION_ID,
    "tenant_id": a.TENANT_ID,
    "request_id": a.REQUEST_ID,
    "conversation_id": a.GEN_AI_CONVERSATION_ID,
    "agent": a.GEN_AI_AGENT_NAME,
}


class _Known:
    """What is known of a stream, for which the system need not be asked for each line.

    Args:
        stream: where text goes.
        form: as for `Output`.
    """

    __slots__ = ("for_people", "stream", "terminal")

    def __init__(self, stream: TextIO, form: Format) -> None:
        self.stream = stream
        self.terminal: bool = getattr(stream, "isatty", bool)()
        self.for_people = form == "console" or (form == "auto" and self.terminal)


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
        self._known: _Known | None = None
        # Made beforehand: the SDK takes a lock to make one, which a signal's handler that logs might wait for.
        self._loggers: dict[str, Logger] = {} if provider is None else _loggers(provider)
        self._form: Final = form
        self._colours = colours
        self._lock = threading.RLock()  # a signal's handler may log while its own thread is writing

    def write(self, line: Line) -> None:
        """Write one line everywhere. What cannot be written is dropped; the caller never waits for a fault."""
        try:
            self._to_stream(line)
        except Exception as fault:
            if not kept("logs.stream", fault):
                raise
        try:
            self._to_provider(line)
        except Exception as fault:
            if not kept("logs.otlp", fault):
                raise

    def renew(self) -> None:
        """Take a fresh lock, in a forked process."""
        self._lock = threading.RLock()

    def _to_stream(self, line: Line) -> None:
        stream = sys.stdout if self._stream is None else self._stream
        if stream is None:  # no console, as under pythonw, or at interpreter exit
            return
        try:
            known = self._known
            if known is None or known.stream is not stream:
                known = self._known = _Known(stream, self._form)
            text = as_text(line, colours=self._wants_colour(known)) if known.for_people else as_json(line)
            if not text.isascii():  # the encoding, which the app may change, may lack a character
                encoding = getattr(stream, "encoding", None) or "utf-8"
                text = text.encode(encoding, "backslashreplace").decode(encoding)
            with self._lock:
                stream.write(text)
                # What waited here would be lost where it is needed most: before a kill.
                stream.flush()
        except ValueError:
            if not getattr(stream, "closed", False):
                raise

    def _wants_colour(self, stream: _Known) -> bool:
        if self._colours is not None:
            return self._colours
        return stream.terminal and "NO_COLOR" not in os.environ

    def _to_provider(self, line: Line) -> None:
        if not self._loggers:
            self._loggers = _loggers(get_logger_provider())
        source, known = line.source, line.known
        logger, event = self._loggers[source.category], known.get("event")
        if not logger.enabled(context=line.context, severity_number=source.severity, event_name=event):
            return
        attributes: dict[str, Any] = {"category": source.category}
        for key, value in known.items():
            if key in _ATTRIBUTES:
                attributes[_ATTRIBUTES[key]] = value
        if "exception" in known:
            attributes |= {f"exception.{key}": value for key, value in known["exception"].items()}
        logger.emit(
            timestamp=line.time_ns,
            context=line.context,
            severity_number=source.severity,
            severity_text=source.severity_text,
            body=known["message"],
            attributes=attributes | line.metadata,
            event_name=event,
        )


def _loggers(provider: LoggerProvider) -> dict[str, Logger]:
    return {category.value: provider.get_logger(f"capibara_otel.{category}") for category in Category}
