"""A span that is recorded."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from opentelemetry.trace import SpanContext, Status, StatusCode
from opentelemetry.util.types import AnyValue, Attributes

from capibara_otel._safety import kept, shield
from capibara_otel.pipeline.traces.data import Event, Linked
from capibara_otel.pipeline.traces.recorded import EVENTS, LINKS, LOST, SAMPLED, Happened, Recorded
from capibara_otel.pipeline.traces.shared import Shared
from capibara_otel.pipeline.traces.values import (
    AS_IS,
    UNLIMITED,
    UNUSABLE,
    clean,
    cleaned,
    drop_oldest,
    exception_attributes,
    exception_message,
)

logger: Final = logging.getLogger(__name__)


def is_link(context: Any, attributes: Attributes) -> bool:
    """Tell whether a link says anything: it names a span, or carries attributes or a trace state."""
    return isinstance(context, SpanContext) and bool(context.is_valid or attributes or context.trace_state)


def failure(exception: BaseException) -> Status:
    """Return the status of a span that an exception left."""
    return Status(StatusCode.ERROR, f"{type(exception).__name__}: {exception_message(exception)}")


class Span(Recorded):
    """A span of OpenTelemetry's API that is recorded; made by a `Tracer`.

    It satisfies `data.EndedSpan` once it has ended, and can be read as the official SDK's spans can.

    Any thread, signal handler or finalizer may call it at any moment. Nothing waits for a lock but what is over a
    limit: what is set is set by single operations of dicts and lists, and the end is whoever empties `_open` first.
    """

    __slots__ = ()

    # --- what it is told

    def set_attribute(self, key: str, value: AnyValue) -> None:
        """Set an attribute; see `opentelemetry.trace.Span`."""
        values = self.values  # read first: once it has ended these are exported
        if not self._open:
            logger.warning("Setting attribute on ended span.")
            return
        kind, length = type(value), self._shared.value_length
        if kind not in AS_IS and (kind is not str or len(value) > length):  # type: ignore[arg-type]  # a str has one
            value = clean(value, length)
        if value is UNUSABLE or not isinstance(key, str) or not key:  # type: ignore[redundant-expr]  # for whoever checks no types
            logger.warning("invalid key `%s`. must be non-empty string. Dropping key from attributes.", key)
            self._lose(1)
        else:
            self._put(values, key, value)

    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None:
        """Set attributes; see `opentelemetry.trace.Span`."""
        values = self.values  # as above
        if not self._open:
            logger.warning("Setting attribute on ended span.")
            return
        usable, dropped = cleaned(attributes, UNLIMITED, self._shared.value_length)
        if dropped:
            self._lose(dropped)
        for key, value in usable.items():
            self._put(values, key, value)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add an event; see `opentelemetry.trace.Span`."""
        if not self._open:
            logger.warning("Tried calling add_event on an ended span.")
            return
        shared = self._shared
        kept, dropped = cleaned(attributes, shared.event_attributes, shared.inner_value_length)
        time_ns = shared.time_ns() if timestamp is None else timestamp
        self._add(EVENTS, Happened(name, time_ns, kept, dropped), shared.events)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Add a link to another span; see `opentelemetry.trace.Span`."""
        if not self._open:
            logger.warning("Tried calling add_link on an ended span.")
            return
        if is_link(context, attributes):
            shared = self._shared
            kept, dropped = cleaned(attributes, shared.link_attributes, shared.inner_value_length)
            self._add(LINKS, Linked(context, kept, dropped), shared.links)

    def update_name(self, name: str) -> None:
        """Give it another name; see `opentelemetry.trace.Span`."""
        if not self._open:
            logger.warning("Tried calling update_name on an ended span.")
            return
        self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Say how it went; success is final. See `opentelemetry.trace.Span`."""
        if not self._open:
            logger.warning("Tried calling set_status on an ended span.")
            return
        if not isinstance(status, Status):
            status = Status(status, description)
        elif description is not None:
            logger.warning("Description %s ignored. Use either `Status` or `(StatusCode, Description)`", description)
        if status.status_code is StatusCode.OK:
            self._succeeded = True
        elif status.status_code is StatusCode.ERROR:
            self._failure = status.description or ""
        self._is_told_more = True

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an event that describes an exception; see `opentelemetry.trace.Span`."""
        with shield("traces.record_exception"):
            described = exception_attributes(exception)
            described["exception.escaped"] = str(escaped)
            if attributes:
                described.update(attributes)
            self.add_event("exception", described, timestamp)

    def _put(self, values: dict[str, Any], key: str, value: Any) -> None:
        if key in values:
            values.pop(key, None)  # what is set last stands last: it is dropped last
        values[key] = value
        if len(values) > self._shared.attributes:
            self._shrink()

    def _add(self, kind: str, item: Any, limit: int) -> None:
        # The first two may be added at once. `setdefault` of the dict that every span of the API has, and that is empty
        # in most, is one operation; a list for each span that might need one would cost all of them.
        items = vars(self).setdefault(kind, [])
        items.append(item)
        self._is_told_more = True
        if len(items) > limit:
            self._shrink()

    def _lose(self, attributes: int) -> None:
        with self._shared.lock:
            self._lost()[0] += attributes

    def _shrink(self) -> None:
        """Drop the oldest of what is over its limit.

        What a signal handler adds while this runs is over the limit when it returns; the loops see it. Should it end
        the span, nothing here touches what is exported.
        """
        shared = self._shared
        with shared.lock:
            if self._is_shrinking:
                return
            self._is_shrinking = True
            try:
                values, events, links, lost = self.values, self._so_far(EVENTS), self._so_far(LINKS), self._lost()
                while self._open and len(values) > shared.attributes:
                    if drop_oldest(values):
                        lost[0] += 1
                while len(events) > shared.events:
                    del events[0]
                    lost[1] += 1
                while len(links) > shared.links:
                    del links[0]
                    lost[2] += 1
            finally:
                self._is_shrinking = False

    def _lost(self) -> list[int]:
        """Return how many attributes, events and links were dropped so far."""
        lost: list[int] = vars(self).setdefault(LOST, [0, 0, 0])
        self._is_told_more = True
        return lost

    # --- its end

    def end(self, end_time: int | None = None) -> None:
        """End it; only the first call counts. See `opentelemetry.trace.Span`."""
        try:
            self._open.pop()
        except IndexError:
            logger.warning("Calling end() on an ended span.")
            return
        shared = self._shared
        self.end_ns = shared.time_ns() if end_time is None else end_time
        # A copy: a thread that is just setting an attribute must not change what an exporter reads.
        self.values = values = self.values.copy()
        if self._is_told_more or len(values) > shared.attributes:
            self._settle(shared)
        if shared.processors is not None:
            shared.processors.end(self)
        on_end = shared.on_end
        if on_end is not None and self.flags & SAMPLED:
            try:
                on_end(self)
            except Exception as fault:
                if not kept("traces.on_end", fault):
                    raise

    def _settle(self, shared: Shared) -> None:
        """Bring into its final form what few spans have."""
        values = self.values
        events: Sequence[Event] = vars(self).pop(EVENTS, ())
        links: Sequence[Linked] = vars(self).pop(LINKS, ())
        attributes_lost, events_lost, links_lost = vars(self).pop(LOST, (0, 0, 0))
        self.happened = tuple(events[max(0, len(events) - shared.events) :])
        self.linked = tuple(links[max(0, len(links) - shared.links) :])
        attributes_over = max(0, len(values) - shared.attributes)
        for _ in range(attributes_over):
            drop_oldest(values)
        self.dropped_attributes += attributes_lost + attributes_over
        self.dropped_events = events_lost + len(events) - len(self.happened)
        self.dropped_links = links_lost + len(links) - len(self.linked)
        if self._succeeded:
            self.status_code = StatusCode.OK.value
        elif self._failure is not None:
            self.status_code, self.status_description = StatusCode.ERROR.value, self._failure

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        """End it, and tell it the exception that left the block."""
        if exc_val is not None and self.is_recording():
            if self._record_exception:
                self.record_exception(exc_val, escaped=True)
            if self._set_status_on_exception:
                self.set_status(failure(exc_val))
        self.end()
