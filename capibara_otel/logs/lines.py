"""Makes lines: adds context and trace, describes exceptions, masks secrets, puts the fields in order."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from types import TracebackType
from typing import Any, Final

from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext
from opentelemetry.trace.propagation import _SPAN_KEY

from capibara_otel.logs.categories import Category, LogLevel
from capibara_otel.logs.fields import BEGINNINGS, KNOWN, RESERVED, named, people
from capibara_otel.logs.members import members, remember, written
from capibara_otel.operation.context import WHO
from capibara_otel.operation.outcomes import full_name
from capibara_otel.redaction import scrub, scrub_each, scrub_value, text_of

SPAN_KEY: Final[str] = _SPAN_KEY
"""What a context holds its span under."""
_NONE: Final[dict[str, Any]] = {}
_IDS: Final = frozenset({"trace_id", "span_id"})
_HEXADECIMAL: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Source:
    """What a line is about and how serious it is, in every form that outlets need."""

    category: str
    level: str
    severity: SeverityNumber
    severity_text: str
    json: str
    """Both as a part of a JSON text."""


def _source(category: Category, level: LogLevel) -> Source:
    text = f', "level": "{level}", "category": "{category}"'
    return Source(category.value, level.value, level.severity, level.upper(), text)


SOURCES: Final = {category: {level.value: _source(category, level) for level in LogLevel} for category in Category}


class Line:
    """A finished line: nothing in it is secret, and all of it can be written.

    Args:
        source: what it is about and how serious it is.
        time_ns: when, nanoseconds since the epoch.
        known: fields of `KNOWN`, in their order; taken over.
        span: the span it belongs to.
        last: fields of `KNOWN` that come after its ids, and hold nothing secret.
        rest: everything else; taken over.
        context: where it belongs.
    """

    __slots__ = ("_rest", "context", "json", "known", "source", "time_ns")

    def __init__(
        self,
        source: Source,
        time_ns: int,
        known: dict[str, Any],
        span: SpanContext,
        last: dict[str, Any],
        rest: dict[str, Any],
        context: Context,
    ) -> None:
        texts: dict[str, str] = {}
        json, metadata = members(known, texts), members(rest, texts)
        if texts:
            scrubbed = scrub_each(texts)
            if scrubbed is texts:
                remember(texts.values())
            else:
                for key, text in scrubbed.items():
                    (known if key in known else rest)[key] = text
                json, metadata = members(known, {}), members(rest, {})
        if span.is_valid:
            known["trace_id"] = trace_id = span.trace_id.to_bytes(16).hex()
            known["span_id"] = span_id = span.span_id.to_bytes(8).hex()
            json += f', "trace_id": "{trace_id}", "span_id": "{span_id}"'
        if last:
            known.update(last)
            for name, value in last.items():
                json += BEGINNINGS[name] + (quoted(value) if type(value) is str else written(value))
        self.source = source
        self.time_ns = time_ns
        self.context = context
        """Where it belongs."""
        self.known = known
        """Those of the fields `KNOWN` that it has, in their order."""
        self._rest = rest
        self.json = f'{json}, "metadata": {{{metadata[2:]}}}' if metadata else json
        """All fields as further members of a JSON text."""

    @property
    def metadata(self) -> dict[str, Any]:
        """All other fields, in the caller's order, by names that hold no secret."""
        return named(self._rest)


def said(source: Source, time_ns: int, event: object, fields: dict[str, Any], context: Context) -> Line:
    """Make the line of a call of a logger.

    Args:
        source: what it is about and how serious it is.
        time_ns: when, nanoseconds since the epoch.
        event: the message.
        fields: what the caller gave with it; taken over.
        context: where it was said.
    """
    who: Any = context.get(WHO)
    span = context.get(SPAN_KEY)
    ids = span.get_span_context() if isinstance(span, Span) else trace.INVALID_SPAN_CONTEXT
    known: dict[str, Any] = {"message": event if type(event) is str else _message(event)}
    if who:
        known |= people(who)
    if RESERVED.isdisjoint(fields):
        return Line(source, time_ns, known, ids, _NONE, fields, context)
    known, last = _with_given(known, fields, ids)
    return Line(source, time_ns, known, trace.INVALID_SPAN_CONTEXT, last, fields, context)


def _with_given(
    known: dict[str, Any], fields: dict[str, Any], span: SpanContext
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take the known fields that the caller gave from the others; they win over what is known otherwise.

    Returns:
        The known fields in their order: those that may hold a secret, and those that come after them.
    """
    given = {name: fields.pop(name) for name in RESERVED.intersection(fields)}
    last: dict[str, Any] = {"exception": _exception(given.pop("exc_info", None), given.pop("exception", None))}
    last["event"] = scrub_value("", given.pop("event_name", None)) or None
    if span.is_valid:
        last |= {"trace_id": span.trace_id.to_bytes(16).hex(), "span_id": span.span_id.to_bytes(8).hex()}
    for name in _IDS.intersection(given):
        value = given.pop(name)
        last[name] = value if _is_id(value) else scrub_value("", value)
    return _in_order(known | given | {"message": known["message"]}), _in_order(last)


def _in_order(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in KNOWN if fields.get(name) is not None}


def _message(event: object) -> str:
    return "" if event is None else text_of(scrub_value("", event))


def _is_id(value: object) -> bool:
    """Tell whether a value is an id of OpenTelemetry, which may by chance look like a payment card's number."""
    return isinstance(value, str) and len(value) in {16, 32} and set(value) <= _HEXADECIMAL


def described(error: BaseException) -> dict[str, str]:
    """Return an exception's type, message and traceback, under the last parts of the conventions' names."""
    return {
        "type": full_name(type(error)),
        "message": scrub(text_of(error)),
        "stacktrace": scrub("".join(traceback.format_exception(error))),
    }


def _exception(info: Any, given: Any) -> dict[str, str] | None:
    """Return what is known of the exception that a caller gave: one, its text, or the wish for the current one."""
    error = _error(info) or (given if isinstance(given, BaseException) else None)
    if error is not None:
        return described(error)
    return None if given is None else {"message": scrub(text_of(given))}


def _error(info: Any) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        kept: tuple[type[BaseException] | None, BaseException | None, TracebackType | None] = info
        return kept[1]
    return sys.exc_info()[1] if info else None
