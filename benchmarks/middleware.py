"""What observing a request costs: FastAPI bare, with our middleware, and with the peers, side by side in one run.

Requests are made in this process without a socket, so that only the app's and the telemetry's own work is timed. The
variants take turns, round by round; the table has the median of the rounds. Spans go through a batch processor to an
exporter that drops them; metrics are recorded and read by nobody.

    python benchmarks/middleware.py [--rounds 9] [--requests 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from fastapi import FastAPI
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider

from capibara_otel.operation import Emitter
from capibara_otel.subsystems.api import Api
from capibara_otel.web import instrument

App = Callable[[Any, Any, Any], Awaitable[None]]

HEADERS: Final = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"benchmark/1.0"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"connection", b"keep-alive"),
]
OFF: Final[Any] = {"tracing": False, "metrics": False, "logs": False}


class Nowhere(SpanExporter):
    """Drops what it is given."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Drop the spans."""
        del spans
        return SpanExportResult.SUCCESS


def app(**settings: Any) -> FastAPI:
    """Return the app under test."""
    made = FastAPI(**settings)

    @made.get("/items/{item_id}")
    async def item(item_id: int) -> dict[str, int]:
        return {"id": item_id}

    return made


def ours(tracer_provider: Any, meter_provider: Any) -> App:
    """Return the app with our middleware."""
    emitter = Emitter()
    emitter.bind(tracer_provider, meter_provider)
    observed: App = instrument(app(telemetry=OFF), api=Api(emitter))
    return observed


def contrib(tracer_provider: Any, meter_provider: Any) -> App | None:
    """Return the app with contrib's instrumentation, if that is installed."""
    try:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415
    except ImportError:
        return None
    made = app(telemetry=OFF)
    FastAPIInstrumentor.instrument_app(
        made, tracer_provider=tracer_provider, meter_provider=meter_provider, exclude_spans=["send", "receive"]
    )
    return made


def variants() -> dict[str, App]:
    """Return the apps by name; the first is the measure."""
    spans = TracerProvider()
    spans.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=100_000))
    unsampled = TracerProvider(sampler=ALWAYS_OFF)
    numbers = MeterProvider()
    native = {"tracer_provider": spans, "meter_provider": numbers, "logs": False, "operation_spans": False}
    all_of_them: dict[str, App | None] = {
        "bare": app(telemetry=OFF),
        "ours, no providers": ours(NoOpTracerProvider(), NoOpMeterProvider()),
        "ours, metrics only": ours(NoOpTracerProvider(), numbers),
        "ours, not sampled": ours(unsampled, numbers),
        "ours, spans and metrics": ours(spans, numbers),
        "FastAPI's own, one span": app(telemetry=native),
        "contrib, one span": contrib(spans, numbers),
    }
    return {name: made for name, made in all_of_them.items() if made is not None}


async def requests(served: App, count: int) -> float:
    """Make requests; return the CPU seconds each took."""
    body: list[Any] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        return body[0]

    async def send(_message: Any) -> None:
        return None

    start = time.process_time()
    for number in range(count):
        path = f"/items/{number}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "root_path": "",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": HEADERS,
            "state": {},
        }
        await served(scope, receive, send)
        if number % 16 == 0:
            await asyncio.sleep(0)
    return (time.process_time() - start) / count


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=2000)
    chosen = parser.parse_args()
    apps = variants()
    taken: dict[str, list[float]] = {name: [] for name in apps}
    for served in apps.values():  # build stacks, fill caches
        asyncio.run(requests(served, 200))
    for _ in range(chosen.rounds):
        for name, served in apps.items():
            gc.collect()
            taken[name].append(asyncio.run(requests(served, chosen.requests)))
    bare = statistics.median(taken["bare"])
    print(f"Python {sys.version.split()[0]}, {chosen.rounds} rounds of {chosen.requests} requests, CPU time")
    print(f"{'':26}{'µs/request':>12}{'ratio':>8}{'+µs':>8}")
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        print(f"{name:26}{median * 1e6:12.1f}{median / bare:8.2f}{(median - bare) * 1e6:8.1f}")


if __name__ == "__main__":
    main()
