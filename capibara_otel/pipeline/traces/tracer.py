"""Makes spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import DEFAULT_TRACE_STATE, Link, NonRecordingSpan, SpanKind
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import Tracer as ApiTracer
from opentelemetry.util.types import Attributes

from capibara_otel._safety import kept, shield
from capibara_otel.pipeline.scope import Resource, Scope
from capibara_otel.pipeline.traces.block import SpanBlock
from capibara_otel.pipeline.traces.current import SPAN_KEY, current_context, parent_context
from capibara_otel.pipeline.traces.ids import new_span_id, new_trace_id, random_bits
from capibara_otel.pipeline.traces.recorded import RANDOM_TRACE_ID, SAMPLED, new, span_context
from capibara_otel.pipeline.traces.sampling import RATIO_MASK
from capibara_otel.pipeline.traces.shared import Shared
from capibara_otel.pipeline.traces.span import Span
from capibara_otel.pipeline.traces.values import cleaned


class Tracer(ApiTracer):
    """Makes the spans of one library.

    Args:
        shared: of its provider.
        scope: the library.
    """

    def __init__(self, shared: Shared, scope: Scope) -> None:
        self.shared = shared
        self.scope: Final = scope

    @property
    def resource(self) -> Resource:
        """What its spans are attributed to; instrumentations read it, as the official SDK's tracers have it."""
        return self.shared.resource

    # One long function on purpose: each call within it would cost a tenth of the whole.
    def start_span(  # noqa: C901, PLR0912, PLR0915 - see above
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> ApiSpan:
        """Begin a span; see `opentelemetry.trace.Tracer`."""
        shared = self.shared
        around = current_context() if context is None else context
        above = around.get(SPAN_KEY)
        if type(above) is Span:
            trace_id = above.trace_id
            parent_id = above.span_id
            parent_is_remote = False
            parent_flags = above.flags
            parent_state = above.state
            trace_state = above.trace_state
            flags = parent_flags & RANDOM_TRACE_ID
        elif above is not None and (foreign := parent_context(above)) is not None:
            trace_id, parent_id, parent_is_remote, parent_flags, parent_state, _ = foreign
            trace_state = parent_state.to_header() if parent_state else ""
            flags = parent_flags & RANDOM_TRACE_ID
        else:
            parent_id = parent_flags = 0
            parent_is_remote = False
            parent_state = DEFAULT_TRACE_STATE
            trace_state = ""
            if shared.ids is None:
                trace_id = random_bits(128) or new_trace_id()
                flags = RANDOM_TRACE_ID
            else:
                trace_id = shared.ids.trace_id()
                flags = shared.ids.flags()

        state = parent_state
        if shared.sampler is not None:
            verdict = shared.sampler.judge(
                context, trace_id, name, kind, attributes, links, parent_flags if parent_id else SAMPLED, parent_state
            )
            is_recorded, attributes, flags = verdict.is_recorded, verdict.attributes, flags | verdict.flags
            if verdict.state is not state:
                state = verdict.state
                trace_state = state.to_header()
        elif parent_flags & SAMPLED if parent_id and shared.samples_by_parent else trace_id & RATIO_MASK < shared.bound:
            is_recorded = True
            flags |= SAMPLED
        else:
            is_recorded = False

        span_id = (random_bits(64) or new_span_id()) if shared.ids is None else shared.ids.span_id()
        if not (is_recorded and shared.is_heard):
            return NonRecordingSpan(span_context(trace_id, span_id, flags, state))

        values, dropped = cleaned(attributes, shared.attributes, shared.value_length)
        span = new(Span).begin(
            shared,
            self.scope,
            name,
            kind,
            trace_id,
            span_id,
            flags,
            state,
            trace_state,
            parent_id,
            parent_is_remote,
            parent_flags,
            parent_state,
            shared.time_ns() if start_time is None else start_time,
            values,
            dropped,
            record_exception,
            set_status_on_exception,
        )
        if links:
            with shield("traces.links"):
                for link in links:
                    span.add_link(link.context, link.attributes)
        for tell in shared.on_start:
            try:
                tell(span, around)
            except Exception as fault:
                if not kept("traces.on_start", fault):
                    raise
        if shared.processors is not None:
            shared.processors.start(span, context)
        return span

    def start_as_current_span(  # type: ignore[override]  # noqa: PLR0917 - the API's, which is a decorated generator
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> SpanBlock:
        """Begin a span that is current in a block or, as a decorator, in each call of a function.

        See `opentelemetry.trace.Tracer`.
        """
        return SpanBlock(
            self,
            (name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception),
            end_on_exit,
        )
