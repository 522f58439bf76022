"""Spans that are current in a block or in the calls of a function."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from typing import Any

import pytest
from opentelemetry import context as otel
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanKind,
    StatusCode,
    get_current_span,
    set_span_in_context,
    use_span,
)

from capibara_otel.pipeline.traces.sampling import Sampling
from capibara_otel.pipeline.traces.span import Span
from capibara_otel.pipeline.traces.tracer import Tracer
from tests.unit.pipeline.traces.support import Ended, provider_into, remote


@pytest.fixture
def ended() -> Ended:
    """The spans that ended."""
    return Ended()


@pytest.fixture
def tracer(ended: Ended) -> Tracer:
    """Makes them."""
    made = provider_into(ended).get_tracer("lib")
    assert isinstance(made, Tracer)
    return made


def test_it_is_current_in_its_block_only(tracer: Tracer, ended: Ended) -> None:
    """In the block the span is current, spans that begin there are its children, and afterwards all is as before."""
    key = otel.create_key("mine")
    token = otel.attach(otel.set_value(key, "kept"))
    before = otel.get_current()
    with tracer.start_as_current_span("outer") as outer:
        assert get_current_span() is outer
        assert otel.get_value(key) == "kept"
        with tracer.start_as_current_span("inner"):
            pass
        assert get_current_span() is outer
    assert otel.get_current() is before
    otel.detach(token)

    inner, whole = ended
    assert (inner.name, whole.name) == ("inner", "outer")
    assert (inner.parent_id, inner.trace_id) == (whole.span_id, whole.trace_id)
    assert whole.parent_id == 0


def test_it_takes_what_a_tracer_takes(tracer: Tracer, ended: Ended) -> None:
    """Context, kind, attributes, links and start time reach the span; the context around the block stays current."""
    around = remote(trace_id=10, span_id=20)
    link: Any = type("Linkish", (), {"context": get_span_context(around), "attributes": {"l": 1}})
    with tracer.start_as_current_span(
        "work", around, SpanKind.CLIENT, {"a": 1}, [link], 7, record_exception=False, set_status_on_exception=False
    ):
        pass
    (span,) = ended
    assert (span.trace_id, span.parent_id, span.parent_is_remote, span.kind) == (10, 20, True, SpanKind.CLIENT)
    assert (span.values, span.start_ns, span.linked[0].attributes) == ({"a": 1}, 7, {"l": 1})


def get_span_context(context: otel.Context) -> Any:
    """Return the context of the span in a context."""
    return get_current_span(context).get_span_context()


def test_an_error_is_recorded_and_goes_on(tracer: Tracer, ended: Ended) -> None:
    """An exception makes an event that did not escape, and a status, in the block's span and in those around it."""
    with (
        pytest.raises(ValueError, match="wrong"),
        tracer.start_as_current_span("outer"),
        tracer.start_as_current_span("inner"),
    ):
        raise ValueError("wrong")

    for span in ended:
        assert (span.status_code, span.status_description) == (2, "ValueError: wrong")
        assert span.happened[0].attributes["exception.escaped"] == "False"
    assert get_current_span() is INVALID_SPAN


@pytest.mark.parametrize("left_by", [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, SystemExit])
def test_what_is_no_error_is_none(tracer: Tracer, ended: Ended, left_by: type[BaseException]) -> None:
    """Cancellation, interruption and a generator's end leave the span as it was, and end it."""
    with pytest.raises(left_by), tracer.start_as_current_span("work"):
        raise left_by
    (span,) = ended
    assert (span.happened, span.status_code) == ((), 0)


def test_it_can_be_told_not_to(tracer: Tracer, ended: Ended) -> None:
    """Exception, status and end are each left out where asked."""
    with (
        pytest.raises(ValueError, match="x"),
        tracer.start_as_current_span(
            "work", record_exception=False, set_status_on_exception=False, end_on_exit=False
        ) as span,
    ):
        raise ValueError("x")
    assert ended == []
    assert span.is_recording()
    span.end()
    assert (ended[0].happened, ended[0].status_code) == ((), 0)


def test_a_status_set_before_stays_as_it_may(tracer: Tracer, ended: Ended) -> None:
    """A success stays one though an exception leaves the block; a span that ended in it is not touched."""

    @tracer.start_as_current_span("work")
    def work() -> None:
        get_current_span().set_status(StatusCode.OK)
        get_current_span().end()
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        work()
    assert (ended[0].status_code, ended[0].happened) == (1, ())


def test_it_decorates_functions(tracer: Tracer, ended: Ended) -> None:
    """Each call has a span of its own, begun at the call; name, result and exceptions are the function's."""

    @tracer.start_as_current_span("call")
    def double(number: int) -> int:
        """Double it."""
        if number < 0:
            raise ValueError(number)
        assert isinstance(get_current_span(), Span)
        return number * 2

    assert ended == []
    assert (double(2), double(number=3)) == (4, 6)
    with pytest.raises(ValueError, match="-1"):
        double(-1)
    assert (double.__name__, double.__doc__) == ("double", "Double it.")
    assert [span.status_code for span in ended] == [0, 0, 2]
    assert len({span.span_id for span in ended}) == 3
    assert len({span.trace_id for span in ended}) == 3


def test_it_decorates_coroutine_functions(tracer: Tracer, ended: Ended) -> None:
    """The span lasts until the coroutine has ended, and stays with its task."""

    @tracer.start_as_current_span("call")
    async def work(number: int) -> int:
        mine = get_current_span()
        await asyncio.sleep(0)
        assert get_current_span() is mine
        assert mine.is_recording()
        return number

    async def both() -> list[int]:
        return list(await asyncio.gather(work(1), work(2)))

    assert inspect.iscoroutinefunction(work)
    assert asyncio.run(both()) == [1, 2]
    assert [span.name for span in ended] == ["call", "call"]
    assert len({span.trace_id for span in ended}) == 2


def test_use_span_of_the_api_works_on_it(tracer: Tracer, ended: Ended) -> None:
    """A span made current by the API's own function is a parent, is told of errors, and is ended if asked."""
    span = tracer.start_span("used")
    with (
        pytest.raises(ValueError, match="x"),
        use_span(span, end_on_exit=True),
        tracer.start_as_current_span("child"),
    ):
        raise ValueError("x")
    assert ended.named("child").parent_id == ended.named("used").span_id
    assert ended.named("used").status_code == 2


def test_a_block_left_in_another_context_is_said(
    tracer: Tracer, ended: Ended, caplog: pytest.LogCaptureFixture
) -> None:
    """A generator that is closed elsewhere cannot restore the context; that is logged as by the API, and the span ends."""
    block = tracer.start_as_current_span("work")
    contextvars.copy_context().run(block.__enter__)
    block.__exit__(None, None, None)

    assert "Failed to detach context" in caplog.text
    assert [span.name for span in ended] == ["work"]


def test_an_unrecorded_span_is_current_too(ended: Ended) -> None:
    """Where nothing is recorded the span still carries its ids, to other services and to log lines."""
    tracer = provider_into(ended, sampler=Sampling.named("always_off")).get_tracer("lib")
    with tracer.start_as_current_span("outer") as outer:
        assert get_current_span() is outer
        inner = tracer.start_span("inner")
    assert isinstance(outer, NonRecordingSpan)
    assert outer.get_span_context().is_valid
    assert not outer.get_span_context().trace_flags.sampled
    assert inner.get_span_context().trace_id == outer.get_span_context().trace_id
    assert inner.get_span_context().span_id != outer.get_span_context().span_id
    assert ended == []


def test_the_context_may_be_set_by_anybody(tracer: Tracer, ended: Ended) -> None:
    """What others put into the context as its span is a parent if it is one, and none if it is not."""
    odd: Any = "no span"
    for span in (odd, INVALID_SPAN, NonRecordingSpan(odd)):
        tracer.start_span("root", set_span_in_context(span)).end()
    assert [span.parent_id for span in ended] == [0, 0, 0]
