"""A signal handler or a finalizer may record at any bytecode of a recording: nothing hangs, is lost or is doubled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from capibara_otel.pipeline.traces.limits import SpanLimits
from capibara_otel.pipeline.traces.span import Span
from tests.unit.pipeline.traces.interrupting import every_bytecode, interrupted
from tests.unit.pipeline.traces.support import Ended, provider_into


def _span(ended: Ended, limits: SpanLimits | None = None) -> Span:
    span = provider_into(ended, limits=limits).get_tracer("lib").start_span("work", attributes={"a": 1})
    assert isinstance(span, Span)
    return span


def test_attributes_within_attributes() -> None:
    """Over the limit, with a handler that sets attributes too: the newest are kept, and every other one is counted."""

    def run(at: int) -> bool:
        ended = Ended()
        span = _span(ended, SpanLimits(attributes=2))
        came = interrupted(
            lambda: span.set_attributes({"b": 1, "c": 1, "d": 1}), lambda: span.set_attributes({"x": 1, "y": 1}), at
        )
        span.end()
        assert len(span.values) == 2
        assert span.dropped_attributes == (4 if came else 2)
        return came

    assert every_bytecode(run) > 50


def test_events_within_events() -> None:
    """The same for events: those that are kept and those that are counted are all there were."""

    def run(at: int) -> bool:
        ended = Ended()
        span = _span(ended, SpanLimits(events=2, links=1))

        def add() -> None:
            for _ in range(3):
                span.add_event("event", {"a": 1})

        came = interrupted(add, add, at)
        span.end()
        assert len(span.happened) + span.dropped_events == (6 if came else 3)
        assert len(span.happened) == 2
        return came

    assert every_bytecode(run) > 100


def test_ended_within_its_end() -> None:
    """Whoever ends it first does; it is handed on once, complete."""

    def run(at: int) -> bool:
        ended = Ended()
        span = _span(ended)
        span.add_event("event")
        came = interrupted(span.end, span.end, at)
        assert ended == [span]
        assert span.values == {"a": 1}
        assert len(span.happened) == 1
        assert span.end_ns > 0
        return came

    assert every_bytecode(run) > 20


@pytest.mark.parametrize(
    "told",
    [
        lambda span: span.set_attribute("b", 1),
        lambda span: span.add_event("event"),
        lambda span: span.set_status(StatusCode.ERROR, "late"),
        lambda span: span.update_name("late"),
    ],
    ids=["attribute", "event", "status", "name"],
)
def test_told_within_its_end(told: Callable[[Span], object]) -> None:
    """What a handler tells a span that is just ending is taken or comes too late; what was there stays."""

    def run(at: int) -> bool:
        ended = Ended()
        span = _span(ended)
        span.add_event("before")
        came = interrupted(span.end, lambda: told(span), at)
        assert ended == [span]
        assert span.values["a"] == 1
        assert span.happened[0].name == "before"
        return came

    every_bytecode(run)


def test_ended_while_it_is_told() -> None:
    """A handler that ends the span leaves the caller's call without effect or with all of it, never with an exception."""

    def run(at: int) -> bool:
        ended = Ended()
        span = _span(ended, SpanLimits(attributes=1, events=1))
        span.add_event("before")

        def tell() -> None:
            span.set_attribute("b", 1)
            span.add_event("event", {"a": 1})
            span.set_status(StatusCode.OK)

        exported: list[Any] = []

        def end() -> None:
            span.end()
            exported.append((dict(span.values), span.happened, span.to_json()))

        came = interrupted(tell, end, at)
        span.end()
        assert ended == [span]
        if exported:
            assert (dict(span.values), span.happened, span.to_json()) == exported[0]
        assert len(span.values) == 1
        assert len(span.happened) == 1
        return came

    assert every_bytecode(run) > 100


def test_spans_within_the_start_of_spans() -> None:
    """A handler's own span, begun in the midst of another's start, leaves ids and parents as they should be."""

    def run(at: int) -> bool:
        ended = Ended()
        tracer = provider_into(ended).get_tracer("lib")

        def work() -> None:
            with tracer.start_as_current_span("outer"):
                tracer.start_span("inner", attributes={"a": 1}).end()

        def handle() -> None:
            with tracer.start_as_current_span("handler"):
                pass

        came = interrupted(work, handle, at)
        outer, inner = ended.named("outer"), ended.named("inner")
        assert (inner.parent_id, inner.trace_id) == (outer.span_id, outer.trace_id)
        assert outer.parent_id == 0
        assert len({span.span_id for span in ended}) == len(ended) == (3 if came else 2)
        return came

    assert every_bytecode(run) > 200
