"""The outlets of one instance."""

from __future__ import annotations

import os
import subprocess
import sys

from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider

from capibara_otel.operation import Emitter, belonging_to, put_context_on
from capibara_otel.operation.context import SCOPE
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.testing import Capture, FakeClock


def test_the_clock_may_be_replaced() -> None:
    """Operations read the clock that the emitter has then."""
    emitter = Emitter()
    clock = FakeClock(5)
    emitter.clock = clock

    assert emitter.clock is clock
    assert emitter.time_ns() == 5
    clock.advance(1)
    assert emitter.time_ns() == 1_000_000_005
    assert emitter.monotonic_ns() == clock.monotonic_ns()


def test_a_forked_process_begins_anew(capture: Capture) -> None:
    """What was begun before is of another epoch, and what was noted for the reaper is not this process's."""
    emitter = Emitter()
    emitter.bind(capture.tracer_provider, capture.meter_provider)
    done: list[int] = []
    emitter.reaper.put(lambda: done.append(1))
    emitter.after_fork()
    emitter.reaper.drain()
    emitter.measure("rag.vectors", m.RAG_VECTORS, 3, {a.RAG_INDEX: "docs", a.USER_ID: "u"})

    assert emitter.epoch == 1
    assert done == []
    (point,) = capture.points("capibara6.rag.vectors")
    assert point.attributes == {"capibara6.rag.index": "docs"}


def test_whom_work_is_for_is_put_on_spans_of_others(capture: Capture) -> None:
    """Spans of either implementation take it from the context they began in; those of operations have it already."""
    for provider in (capture.tracer_provider, SdkTracerProvider(shutdown_on_exit=False)):
        foreign = provider.get_tracer("somebody.else").start_span("GET")
        own = provider.get_tracer(SCOPE).start_span("rag search")
        with belonging_to({a.USER_ID: "u"}):
            put_context_on(foreign)
            put_context_on(own)
        put_context_on(foreign)

        assert foreign.attributes == {"user.id": "u"}  # type: ignore[attr-defined]
        assert not own.attributes  # type: ignore[attr-defined]


def test_helpers_need_no_sdk() -> None:
    """Operations and all subsystems work without the official SDK; it is not even imported."""
    program = (
        "import sys, pkgutil, importlib\n"
        "import capibara_otel.operation, capibara_otel.subsystems\n"
        "for room in (capibara_otel.operation, capibara_otel.subsystems):\n"
        "    for module in pkgutil.iter_modules(room.__path__, room.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "from capibara_otel.operation import Emitter\n"
        "from capibara_otel.subsystems.rag import Rag\n"
        "with Rag(Emitter()).search(index='docs', top_k=8) as search:\n"
        "    search.found(3)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )

    assert done.stdout == "[]\n"
