"""Several threads at one span lose nothing, double nothing and break nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.trace import StatusCode

from capibara_otel.pipeline.traces.limits import SpanLimits
from capibara_otel.pipeline.traces.span import Span
from tests.unit.pipeline.traces.support import Ended, provider_into

THREADS = 4


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    """Have threads change places as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(work: Callable[[int], object]) -> None:
    """Run something in several threads that begin at once, and raise what they raise."""
    barrier = threading.Barrier(THREADS)
    faults: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait(20)
        try:
            work(number)
        except BaseException as fault:  # noqa: BLE001 - raised below
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if faults:
        raise faults[0]


def test_one_end_for_many_enders() -> None:
    """However many threads end a span at once, it is handed on once."""
    ended = Ended()
    tracer = provider_into(ended).get_tracer("lib")
    spans = [tracer.start_span("a") for _ in range(500)]

    def end(_: int) -> None:
        for span in spans:
            span.end()

    together(end)
    assert len(ended) == 500
    assert set(map(id, ended)) == set(map(id, spans))


def test_nothing_is_lost_within_the_limits() -> None:
    """Attributes, events and links of all threads are there, the first ones added at once too."""
    for _ in range(20):
        ended = Ended()
        span = provider_into(ended, limits=SpanLimits(500, events=500, links=500)).get_tracer("lib").start_span("a")
        assert isinstance(span, Span)

        def tell(number: int, span: Span = span) -> None:
            for turn in range(25):
                span.add_event(f"{number}.{turn}")
                span.add_link(span.get_span_context())
                span.set_attribute(f"{number}.{turn}", turn)

        together(tell)
        span.end()
        assert len(span.values) == len(span.happened) == len(span.linked) == 100
        assert (span.dropped_attributes, span.dropped_events, span.dropped_links) == (0, 0, 0)


def test_everything_over_the_limits_is_counted() -> None:
    """What is kept and what is counted as dropped are together all that was told."""
    for _ in range(20):
        ended = Ended()
        span = provider_into(ended, limits=SpanLimits(3, events=3, links=3)).get_tracer("lib").start_span("a")
        assert isinstance(span, Span)

        def tell(number: int, span: Span = span) -> None:
            for turn in range(25):
                span.add_event(f"{number}.{turn}")
                span.set_attribute(f"{number}.{turn}", turn)

        together(tell)
        span.end()
        assert (len(span.values), span.dropped_attributes) == (3, 97)
        assert (len(span.happened), span.dropped_events) == (3, 97)


def test_an_exported_span_stands_still() -> None:
    """A span that has ended can be read by an exporter while other threads still tell it things."""
    for _ in range(30):
        ended = Ended()
        span = provider_into(ended, limits=SpanLimits(50)).get_tracer("lib").start_span("a")
        assert isinstance(span, Span)

        def work(number: int, span: Span = span, ended: Ended = ended) -> None:
            for turn in range(60):
                if number:
                    span.set_attribute(f"{number}.{turn}", turn)
                elif turn == 20:
                    span.end()
                elif ended:
                    assert [*span.values.items()] == [*ended[0].values.items()]

        together(work)
        assert len(span.values) <= 50


def test_success_is_final_in_any_order() -> None:
    """Where one thread says success and others failure, it is a success."""
    for _ in range(300):
        ended = Ended()
        span = provider_into(ended).get_tracer("lib").start_span("a")
        assert isinstance(span, Span)

        def judge(number: int, span: Span = span) -> None:
            span.set_status(StatusCode.OK if number == 2 else StatusCode.ERROR)

        together(judge)
        span.end()
        assert span.status_code == 1
