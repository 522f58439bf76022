"""The current context, read and set with as few calls as possible: every span and every log record asks for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Token
from typing import Final

from opentelemetry.context import _RUNTIME_CONTEXT, Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.trace import Span, SpanContext
from opentelemetry.trace.propagation import _SPAN_KEY

logger: Final = logging.getLogger(__name__)

SPAN_KEY: Final[str] = _SPAN_KEY

current_context: Callable[[], Context] = _RUNTIME_CONTEXT.get_current
attach: Callable[[Context], Token[Context]] = _RUNTIME_CONTEXT.attach
_detach: Callable[[Token[Context]], object] = _RUNTIME_CONTEXT.detach
if type(_RUNTIME_CONTEXT) is ContextVarsRuntimeContext:  # unless OTEL_PYTHON_CONTEXT names another one
    _variable: Final = _RUNTIME_CONTEXT._current_context  # noqa: SLF001 - saves a call and a half each time
    current_context, attach, _detach = _variable.get, _variable.set, _variable.reset


def detach(token: Token[Context]) -> None:
    """Go back to the context before an `attach`; where that is not possible it is said, as by OpenTelemetry's API."""
    try:
        _detach(token)
    except Exception:
        logger.exception("Failed to detach context")


def context_of(span: object) -> SpanContext | None:
    """Return the context of what a `Context` holds as its span, whoever made it."""
    if not isinstance(span, Span):
        return None
    context: object = span.get_span_context()
    if not isinstance(context, SpanContext):  # a fault of whoever made it
        logger.warning("Invalid span context for %s: %s", span, context)
        return None
    return context


def parent_context(span: object) -> SpanContext | None:
    """Return the context of a span as long as that names a trace."""
    context = context_of(span)
    return context if context is not None and context.is_valid else None
