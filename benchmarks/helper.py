"""What a helper costs beside the same work by hand: one span with 5 attributes, a counter, a histogram.

Both go to the same official SDK with a span processor and a metric reader that keep nothing, interleaved in one run;
the ratio is what counts, the microseconds depend on the machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from capibara_otel.operation import Emitter
from capibara_otel.subsystems.rag import Rag

ROUNDS, CALLS = 25, 400

tracer_provider = TracerProvider(shutdown_on_exit=False)
meter_provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
tracer = tracer_provider.get_tracer("by hand")
meter = meter_provider.get_meter("by hand")
searches = meter.create_counter("searches")
durations = meter.create_histogram("duration", unit="s")
emitter = Emitter()
emitter.bind(tracer_provider, meter_provider)
rag = Rag(emitter)


def by_hand() -> None:
    """The same telemetry with OpenTelemetry's API."""
    began = time.perf_counter()
    start = {"index": "docs", "top_k": 8, "operation": "retrieval"}
    with tracer.start_as_current_span("rag search docs", attributes=start) as span:
        span.set_attributes({"results": 3, "hit": True})
        durations.record(time.perf_counter() - began, {"index": "docs"})
        searches.add(1, {"index": "docs", "hit": True, "outcome": "success"})


def helper() -> None:
    """The helper; it also checks values and keeps a record."""
    with rag.search(index="docs", top_k=8) as search:
        search.found(3)


def microseconds(call: Callable[[], None]) -> float:
    """Return the time of one call, averaged over a round."""
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e6


if __name__ == "__main__":
    for call in (by_hand, helper):
        microseconds(call)
    pairs = [(microseconds(by_hand), microseconds(helper)) for _ in range(ROUNDS)]
    hand, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(ours / hand for hand, ours in pairs)
    print(f"by hand {hand:.1f} µs · helper {ours:.1f} µs · ratio {ratio:.2f} (median of {ROUNDS} rounds)")
