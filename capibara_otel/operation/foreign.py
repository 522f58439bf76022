"""Puts what `context()` set on the spans of other instrumentations too. Needs the official SDK, so it is imported late."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from capibara_otel.operation.context import who
from capibara_otel.operation.emitter import SCOPE


class ContextOnSpans(SpanProcessor):
    """Writes user, session, tenant and so on to each span at its start. Operations have them already."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Take a span that just began."""
        scope = span.instrumentation_scope
        if scope is not None and scope.name == SCOPE:
            return
        for name, value in who(parent_context).items():
            span.set_attribute(name, value)
