"""What is known of a span that is recorded, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Self

from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from capibara_otel.pipeline.scope import Resource, Scope
from capibara_otel.pipeline.traces.data import Event, Linked
from capibara_otel.pipeline.traces.shared import Shared

SAMPLED: Final = TraceFlags.SAMPLED
RANDOM_TRACE_ID: Final = TraceFlags.RANDOM_TRACE_ID
FLAGS: Final = tuple(TraceFlags(bits) for bits in range(4))

# What few spans have stands in the dict that every span of the API has, under these names, until the span ends.
EVENTS: Final = "events so far"
LINKS: Final = "links so far"
LOST: Final = "dropped so far"

new: Final = object.__new__


def span_context(trace_id: int, span_id: int, flags: int, state: TraceState) -> SpanContext:
    """Return a local context of ids that are known to be valid; the class's own constructor takes twice as long."""
    return tuple.__new__(SpanContext, (trace_id, span_id, False, FLAGS[flags], state, True))


class Happened(Event):
    """An event of a span, with the names the official SDK gives its parts."""

    __slots__ = ()

    @property
    def timestamp(self) -> int:
        """When it happened, nanoseconds since the epoch."""
        return self.time_ns


class Recorded(ApiSpan):
    """The reading half of a `Span`: its data, in the form exporters read and in the form the official SDK shows it."""

    __slots__ = (
        "_context",
        "_failure",
        "_is_shrinking",
        "_is_told_more",
        "_open",
        "_parent_flags",
        "_parent_state",
        "_record_exception",
        "_set_status_on_exception",
        "_shared",
        "_succeeded",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "end_ns",
        "flags",
        "happened",
        "kind",
        "linked",
        "name",
        "parent_id",
        "parent_is_remote",
        "scope",
        "span_id",
        "start_ns",
        "state",
        "status_code",
        "status_description",
        "trace_id",
        "trace_state",
        "values",
    )

    def begin(  # noqa: PLR0917 - keywords would cost as much as all the rest
        self,
        shared: Shared,
        scope: Scope,
        name: str,
        kind: SpanKind,
        trace_id: int,
        span_id: int,
        flags: int,
        state: TraceState,
        trace_state: str,
        parent_id: int,
        parent_is_remote: bool,
        parent_flags: int,
        parent_state: TraceState,
        start_ns: int,
        values: dict[str, Any],
        dropped_attributes: int,
        record_exception: bool,
        set_status_on_exception: bool,
    ) -> Self:
        """Fill it in; its tracer does, once.

        Not a constructor: to call a class with an `__init__` takes half as long again.

        Args:
            shared: what it knows of its provider.
            scope: of its tracer.
            name: its name.
            kind: its kind.
            trace_id: valid.
            span_id: valid.
            flags: trace flags.
            state: trace state of its own context.
            trace_state: the same in W3C header form.
            parent_id: 0 for a root.
            parent_is_remote: whether the parent is another process's.
            parent_flags: trace flags of the parent.
            parent_state: trace state of the parent.
            start_ns: nanoseconds since the epoch.
            values: attributes, cleaned; the span's own from now on.
            dropped_attributes: how many were not kept.
            record_exception: whether an exception that leaves its block is recorded.
            set_status_on_exception: whether it sets the status.
        """
        self._shared = shared
        self.scope = scope
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.state = state
        self.trace_state = trace_state
        self.parent_id = parent_id
        self.parent_is_remote = parent_is_remote
        self._parent_flags = parent_flags
        self._parent_state = parent_state
        self.start_ns = start_ns
        self.end_ns = 0
        self.values = values
        self.dropped_attributes = dropped_attributes
        self.happened: Sequence[Event] = ()
        self.dropped_events = 0
        self.linked: Sequence[Linked] = ()
        self.dropped_links = 0
        self.status_code = 0
        self.status_description = ""
        self._record_exception = record_exception
        self._set_status_on_exception = set_status_on_exception
        self._context: SpanContext | None = None
        self._open = [None]
        self._succeeded = False
        self._failure: str | None = None
        self._is_told_more = False
        self._is_shrinking = False
        return self

    # --- what can be asked

    def is_recording(self) -> bool:
        """Tell whether it has not ended."""
        return bool(self._open)

    def get_span_context(self) -> SpanContext:
        """Return what children and other services get to know of it."""
        context = self._context
        if context is None:
            context = span_context(self.trace_id, self.span_id, self.flags, self.state)
            self._context = context
        return context

    @property
    def context(self) -> SpanContext:
        """See `get_span_context`."""
        return self.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        """The context of the span it is in."""
        if not self.parent_id:
            return None
        return SpanContext(
            self.trace_id, self.parent_id, self.parent_is_remote, TraceFlags(self._parent_flags), self._parent_state
        )

    @property
    def start_time(self) -> int:
        """When it began, nanoseconds since the epoch."""
        return self.start_ns

    @property
    def end_time(self) -> int | None:
        """When it ended, nanoseconds since the epoch."""
        return None if self._open else self.end_ns

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Its attributes."""
        return MappingProxyType(self.values)

    @property
    def events(self) -> Sequence[Event]:
        """Its events."""
        return tuple(self._so_far(EVENTS)) if self._open else self.happened

    @property
    def links(self) -> Sequence[Linked]:
        """Its links."""
        return tuple(self._so_far(LINKS)) if self._open else self.linked

    @property
    def status(self) -> Status:
        """How it went."""
        if not self._open:
            return Status(StatusCode(self.status_code), self.status_description or None)
        if self._succeeded:
            return Status(StatusCode.OK)
        return Status() if self._failure is None else Status(StatusCode.ERROR, self._failure)

    @property
    def resource(self) -> Resource:
        """What it is attributed to."""
        return self._shared.resource

    @property
    def instrumentation_scope(self) -> Scope:
        """The library that made it."""
        return self.scope

    def to_json(self, indent: int | None = 4) -> str:
        """Return it as the official SDK writes spans as JSON.

        Args:
            indent: spaces per level.
        """
        from capibara_otel.pipeline.traces.official import readable  # noqa: PLC0415 - needs the SDK, and few ask

        return str(readable(self, self.resource).to_json(indent))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(name="{self.name}", context={self.get_span_context()})'

    def dropped_so_far(self) -> tuple[int, int, int]:
        """Return how many attributes, events and links were dropped, also while it lasts."""
        attributes, events, links = vars(self).get(LOST, (0, 0, 0)) if self._open else (0, 0, 0)
        return self.dropped_attributes + attributes, self.dropped_events + events, self.dropped_links + links

    def _so_far(self, kind: str) -> list[Any]:
        items: list[Any] = vars(self).get(kind, [])
        return items
