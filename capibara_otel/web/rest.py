"""What an app does after the last byte of its response: background tasks, for the most part."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, Status, StatusCode
from opentelemetry.util import types

from capibara_otel.operation import Operation
from capibara_otel.operation.context import spanned
from capibara_otel.web.setup import Setup
from capibara_otel.web.turns import Turns

_running_loop: Final = asyncio._get_running_loop  # noqa: SLF001 - exported; unlike the other one it does not raise
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
        self._inside: Final = inside
        self._here: Final = here
        self._route: Final = route
        self._operation: Operation | None = None
        self._free: Final = [None]
        """Holds one item until somebody asks for the span or the rest is over, whoever takes it out first."""
        turns, loop = setup.turns, _running_loop()
        if turns.loop is not loop:
            turns = setup.turns = Turns(loop)
        if not turns.is_counting:
            turns.go_on()
        self._turns: Final = turns
        self._turn: Final = turns.count
        self._began_ns: Final = setup.emitter.monotonic_ns()

    def within(self, here: Context) -> Context:
        """Return a context with the rest in the request's place; unchanged where another span is current."""
        return spanned(here, self) if here is self._inside or self._is_requests(here) else here

    def finish(self, error: BaseException | None) -> None:
        """End it.

        Args:
            error: what ended it.
        """
        elapsed_ns = self._setup.emitter.monotonic_ns() - self._began_ns
        if error is None and (elapsed_ns < _WORTH_TELLING_NS or not self._is_worth_telling(elapsed_ns)):
            try:
                self._free.pop()
            except IndexError:
                pass  # somebody asked
            else:
                return
        with self._opening:
            operation = self._opened()
        if operation is not None:
            if isinstance(error, Exception):
                self._setup.api.exception(error, route=self._route)
            operation.finish(error)

    def _is_worth_telling(self, elapsed_ns: int) -> bool:
        # Where turns cannot be told from one another it is taken to have waited.
        waited = self._turns.loop is None or self._turns.count != self._turn
        return waited or elapsed_ns >= _WORTH_TELLING_BLOCKED_NS

    @property
    def _opening(self) -> threading.RLock:
        """What those who ask wait for while the first of them opens the operation."""
        lock: threading.RLock = vars(self).setdefault("_lock", threading.RLock())
        return lock

    def _opened(self) -> Operation | None:
        """Return the operation; None where the rest was over before anybody asked."""
        try:
            self._free.pop()
        except IndexError:
            return self._operation
        setup = self._setup
        around = self._here if self._is_requests(self._here) else self._inside
        ago_ns = setup.emitter.monotonic_ns() - self._began_ns
        self._operation = operation = setup.api.background(route=self._route)
        return operation.start(parent=around, current=False, ago_ns=ago_ns)

    def _is_requests(self, here: Context) -> bool:
        return trace.get_current_span(here) is trace.get_current_span(self._inside)

    @property
    def _span(self) -> Span:
        with self._opening:
            operation = self._opened()
        # A task may outlive the rest.
        return trace.get_current_span(self._inside) if operation is None else operation.span

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
