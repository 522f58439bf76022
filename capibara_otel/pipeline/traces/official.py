"""The bridge to the official SDK: its span processors work on our spans.

What needs the SDK imports it in the function: nobody pays for it who does not use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.trace import Link

from capibara_otel.pipeline.scope import Resource, Scope
from capibara_otel.pipeline.traces.chain import Chain
from capibara_otel.pipeline.traces.recorded import Recorded
from capibara_otel.pipeline.traces.shared import guarded
from capibara_otel.pipeline.traces.span import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource as OfficialResource
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.util import BoundedList
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope


class Processors(Chain["SpanProcessor"]):
    """Hands our spans to processors that were written for the official SDK.

    Args:
        resource: what the spans are attributed to.
    """

    def __init__(self, resource: Resource) -> None:
        super().__init__("traces.processor", resource)
        self._told_of_ending: tuple[SpanProcessor, ...] = ()

    def add(self, processor: SpanProcessor) -> None:
        """Have it told of each span that begins or ends from now on."""
        from opentelemetry.sdk.trace import SpanProcessor as Base  # noqa: PLC0415 - see the module

        with self._lock:
            super().add(processor)
            ending = getattr(type(processor), "_on_ending", None)
            if ending is not None and ending is not Base._on_ending:  # noqa: SLF001 - most do not override it
                self._told_of_ending += (processor,)

    def start(self, span: Span, context: Context | None) -> None:
        """Tell them of a span that begins."""
        for processor in self._all:
            guarded("traces.processor.on_start", _start, processor, span, context)

    def end(self, span: Span) -> None:
        """Tell them of a span that ended."""
        for processor in self._told_of_ending:
            guarded("traces.processor._on_ending", processor._on_ending, span)  # noqa: SLF001 - its name in the SDK
        if self._all:
            ended = readable(span, self._resource)
            for processor in self._all:
                guarded("traces.processor.on_end", processor.on_end, ended)


def _start(processor: SpanProcessor, span: Any, context: Context | None) -> None:
    processor.on_start(span, parent_context=context)


def readable(span: Recorded, resource: Resource) -> ReadableSpan:
    """Return a span as the official SDK hands it to processors and exporters.

    Its attributes are the very ones of the span: what a processor changes in them is exported changed.

    Args:
        span: ours; one that has not ended yet is read as it is now.
        resource: what it is attributed to.
    """
    from opentelemetry.sdk.trace import Event, ReadableSpan  # noqa: PLC0415 - see the module

    scope, info = official_scope(span.scope)
    attributes_dropped, events_dropped, links_dropped = span.dropped_so_far()
    events = [
        Event(event.name, bounded(event.attributes, event.dropped_attributes), event.time_ns) for event in span.events
    ]
    links = [Link(link.context, bounded(link.attributes, link.dropped_attributes)) for link in span.links]
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=official_resource(resource),
        attributes=bounded(span.values, attributes_dropped),
        events=_list(events, events_dropped),
        links=_list(links, links_dropped),
        kind=span.kind,
        instrumentation_info=info,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope,
    )


@lru_cache(maxsize=64)
def official_resource(resource: Resource) -> OfficialResource:
    """Return a resource as the official SDK's; the same object for the same one."""
    from opentelemetry.sdk.resources import Resource as Official  # noqa: PLC0415 - see the module

    return Official(resource.attributes, resource.schema_url)


@lru_cache(maxsize=512)
def official_scope(scope: Scope) -> tuple[InstrumentationScope, Any]:
    """Return a scope as the official SDK's, and in the older form that some exporters still ask for."""
    from opentelemetry.sdk.util.instrumentation import (  # noqa: PLC0415 - see the module
        InstrumentationInfo,
        InstrumentationScope,
    )

    older: Any = object.__new__(InstrumentationInfo)  # its constructor warns of its own use
    older._name, older._version, older._schema_url = scope.name, scope.version, scope.schema_url  # noqa: SLF001
    return InstrumentationScope(scope.name, scope.version, scope.schema_url, scope.attributes), older


def bounded(attributes: Any, dropped: int) -> BoundedAttributes:
    """Return cleaned attributes in the form the SDK keeps them in, without a copy."""
    made = BoundedAttributes()
    made._dict = attributes  # noqa: SLF001 - its constructor would clean them a second time
    made.dropped = dropped
    return made


def _list(items: Sequence[Any], dropped: int) -> BoundedList[Any]:
    from opentelemetry.sdk.util import BoundedList  # noqa: PLC0415 - see the module

    bounded: BoundedList[Any] = BoundedList(None)
    bounded.extend(items)
    bounded.dropped = dropped
    return bounded
