"""OpenTelemetry's own instrumentations run on it unchanged, with the spans they make on the official SDK."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from textwrap import dedent
from typing import Any

import fastapi
import httpx
import pytest
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import TracerProvider as OfficialProvider
from opentelemetry.trace import TracerProvider as ApiProvider

from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.provider import TracerProvider
from tests.unit.pipeline.traces.programs import Keep


def _described(spans: Sequence[ReadableSpan]) -> list[object]:
    """Return all that does not differ from run to run, with parents by name."""
    names = {span.context.span_id: span.name for span in spans if span.context is not None}
    return [
        (
            span.name,
            span.kind,
            dict(span.attributes or {}),
            None if span.parent is None else (names.get(span.parent.span_id), span.parent.is_remote),
            span.context is not None and span.context.trace_state.to_header(),
            span.status.status_code,
            span.status.description,
            [(event.name, (event.attributes or {}).get("exception.message")) for event in span.events],
            span.instrumentation_scope and span.instrumentation_scope.name,
        )
        for span in spans
    ]


def _run(provider: ApiProvider) -> None:
    """Call an instrumented app through an instrumented client."""
    app = fastapi.FastAPI(telemetry={"operation_spans": False})

    @app.get("/items/{item}")
    async def read(item: int) -> dict[str, int]:
        return {"item": item}

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("broken")

    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)

    async def call() -> None:
        transport = httpx.ASGITransport(app)
        remote = {"traceparent": f"00-{10:032x}-{20:016x}-01", "tracestate": "vendor=x"}
        async with httpx.AsyncClient(transport=transport, base_url="http://host", headers=remote) as client:
            await client.get("/items/1")
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            HTTPXClientInstrumentor.instrument_client(client, tracer_provider=provider)
            await client.get("/items/3")
            await client.get("/nowhere")
            with pytest.raises(RuntimeError, match="broken"):
                await client.get("/broken")

    try:
        asyncio.run(call())
    finally:
        FastAPIInstrumentor.uninstrument_app(app)


def test_fastapi_and_httpx_make_the_same_spans() -> None:
    """Server and client spans, names, attributes, errors and remote parents are those of the SDK."""
    official, own = Keep(), Keep()
    officials = OfficialProvider(shutdown_on_exit=False)
    officials.add_span_processor(official)
    _run(officials)
    _run(TracerProvider(Resource({}), processors=[own]))

    assert _described(own.spans) == _described(official.spans)
    assert len(own.spans) > 6
    remote = [span for span in own.spans if span.parent is not None and span.parent.is_remote]
    assert [span.name for span in remote] == ["GET /items/{item}"]


def test_the_asgi_middleware_runs_on_it() -> None:
    """One server span for a request, ended with it."""
    kept = Keep()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    wrapped = OpenTelemetryMiddleware(app, tracer_provider=TracerProvider(Resource({}), processors=[kept]))

    async def call() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(wrapped), base_url="http://host") as client:
            return (await client.get("/path")).status_code

    assert asyncio.run(call()) == 204
    assert [span.kind.name for span in kept.spans].count("SERVER") == 1
    assert kept.spans[-1].attributes is not None
    assert kept.spans[-1].attributes["http.status_code"] == 204


_GLOBAL = """
    from opentelemetry import trace

    early = trace.get_tracer("early")

    @early.start_as_current_span("decorated")
    def decorated():
        return trace.get_current_span()

    from capibara_otel.pipeline.scope import Resource
    from capibara_otel.pipeline.traces.provider import TracerProvider

    ended = []
    trace.set_tracer_provider(TracerProvider(Resource({}), on_end=ended.append))
    decorated()
    with early.start_as_current_span("early"), trace.get_tracer("late").start_as_current_span("late") as late:
        assert trace.get_current_span() is late
    print([(span.name, span.scope.name) for span in ended], ended[1].parent_id == ended[2].span_id)
"""


def test_it_may_be_the_global_one() -> None:
    """Tracers that were handed out before it was set work on it too, as decorators as well."""
    ran = subprocess.run(
        [sys.executable, "-c", dedent(_GLOBAL)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[('decorated', 'early'), ('late', 'late'), ('early', 'early')] True"


_IMPORTS = """
    import sys
    import capibara_otel.pipeline.traces.provider, capibara_otel.pipeline.traces.tail
    import capibara_otel.pipeline.logs.provider
    costly = ("opentelemetry.sdk", "prometheus_client", "requests", "grpc", "google.protobuf", "hypothesis")
    from capibara_otel.pipeline.scope import Resource
    provider = capibara_otel.pipeline.traces.provider.TracerProvider(Resource({}))
    with provider.get_tracer("lib").start_as_current_span("a") as span:
        span.add_event("event")
    provider.after_fork(Resource({}))
    print([name for name in sys.modules if name.startswith(costly)])
"""


def test_it_needs_no_sdk() -> None:
    """Neither importing nor recording imports the official SDK or what it brings along."""
    ran = subprocess.run(
        [sys.executable, "-c", dedent(_IMPORTS)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[]"
