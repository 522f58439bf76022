"""What an app does after the last byte of its response: background tasks, for the most part."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, Status, StatusCode
from opentelemetry.util import types

from capibara_otel.operation import Operation
from capibara_otel.web.setup import Setup

_WORTH_TELLING_NS: Final = 1_000_000
_WORTH_TELLING_BLOCKED_NS: Final = 10_000_000
"""For what never waited: less may be the machine's doing, more is a task that blocks the event loop."""


class Rest(Span):
    """The span of the rest, which begins when it is needed.

    Most apps return at once after the last byte, and a span for that would say nothing. So the rest has a span when
    something asks for it, which starting a span or writing a log line in there does, when it fails, or when it waits
    and takes a millisecond or more, or blocks the event loop for ten. A span that begins late still has its right start.

    Args:
        setup: opens the operation.
        inside: the request's context.
        here: the context that the last byte was sent in.
        route: the request's.
    """

    def __init__(self, setup: Setup, inside: Context, here: Context, route: str | None) -> None:
        self._setup: Final = setup
        self._request: Final = trace.get_current_span(inside)
        self._around: Final = here if trace.get_current_span(here) is self._request else inside
        self._route: Final = route
        self._began_ns: Final = setup.emitter.clock.monotonic_ns()
        self._operation: Operation | None = None
        self._over = False
        self._opening = threading.RLock()
        self.waited = False
        """Whether the app gave up control since."""

    def within(self, here: Context) -> Context:
        """Return a context with the rest in the request's place; unchanged where another span is current."""
        return trace.set_span_in_context(self, here) if trace.get_current_span(here) is self._request else here

    def finish(self, error: BaseException | None) -> None:
        """End it.

        Args:
            error: what ended it.
        """
        with self._opening:
            elapsed_ns = self._elapsed_ns()
            worth = elapsed_ns >= (_WORTH_TELLING_NS if self.waited else _WORTH_TELLING_BLOCKED_NS)
            operation = self._opened() if error is not None or worth else self._operation
            self._over = True
        if operation is not None:
            if isinstance(error, Exception):
                self._setup.api.exception(error, route=self._route)
            operation.finish(error)

    def _elapsed_ns(self) -> int:
        return self._setup.emitter.clock.monotonic_ns() - self._began_ns

    def _opened(self) -> Operation:
        if self._operation is None:
            operation = self._setup.api.background(route=self._route)
            self._operation = operation.start(parent=self._around, current=False, ago_ns=self._elapsed_ns())
        return self._operation

    @property
    def _span(self) -> Span:
        with self._opening:
            if self._over and self._operation is None:  # a task that outlives it
                return self._request
            return self._opened().span

    # --- a span, for whoever looks at it

    def get_span_context(self) -> SpanContext:
        """Return its ids."""
        return self._span.get_span_context()

    def is_recording(self) -> bool:
        """Tell whether it takes anything."""
        return self._span.is_recording()

    def set_attribute(self, key: str, value: types.AttributeValue) -> None:
        """Set an attribute."""
        self._span.set_attribute(key, value)

    def set_attributes(self, attributes: Mapping[str, types.AttributeValue]) -> None:
        """Set attributes."""
        self._span.set_attributes(attributes)

    def add_event(self, name: str, attributes: types.Attributes = None, timestamp: int | None = None) -> None:
        """Add an event."""
        self._span.add_event(name, attributes, timestamp)

    def update_name(self, name: str) -> None:
        """Rename it."""
        self._span.update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set its status."""
        self._span.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: types.Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Record an exception."""
        self._span.record_exception(exception, attributes, timestamp, escaped)

    def end(self, end_time: int | None = None) -> None:
        """Do nothing: `finish` ends it."""
