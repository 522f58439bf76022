"""One small FastAPI app, observed by each peer. uvicorn's `--factory` calls one of these functions.

The route `/-/settle` sends what waits and tells how much processor the process has used, so that sending is counted.
"""

# ruff: noqa: PLC0415 - each process imports one peer only, and when it is told to, for that is measured too

from __future__ import annotations

import time
from typing import Any

import fastapi
from fastapi import FastAPI

from benchmarks.lib import setups


def _app(flush: setups.Flush, **settings: Any) -> FastAPI:
    app = fastapi.FastAPI(**settings)  # looked up now: openlit puts another class there

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> dict[str, int]:
        return {"id": item_id}

    @app.post("/-/settle")
    def settle() -> dict[str, float]:
        flush()
        return {"cpu_s": time.process_time(), "memory_mb": setups.memory_bytes() / 1e6}

    return app


def bare() -> FastAPI:
    """No observation."""
    return _app(setups.nothing())


def bare_off() -> FastAPI:
    """No observation, and FastAPI's own layer for it switched off, which costs something even where nobody listens."""
    return _app(setups.nothing(), telemetry={"tracing": False, "metrics": False, "logs": False})


def opentelemetry() -> FastAPI:
    """OpenTelemetry set up, requests not observed: what the SDK itself takes."""
    return _app(setups.opentelemetry(), telemetry={"tracing": False, "metrics": False, "logs": False})


def contrib() -> FastAPI:
    """Contrib's instrumentation, one span per request."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    app = _app(setups.opentelemetry())
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"])
    return app


def contrib_default() -> FastAPI:
    """Contrib's instrumentation as it comes."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    app = _app(setups.opentelemetry())
    FastAPIInstrumentor.instrument_app(app)
    return app


def contrib_metrics() -> FastAPI:
    """Contrib's instrumentation without spans."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.trace import NoOpTracerProvider

    app = _app(setups.opentelemetry(traces=False, logs=False))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=NoOpTracerProvider())
    return app


def native() -> FastAPI:
    """FastAPI's own telemetry, one span per request."""
    return _app(setups.opentelemetry(), telemetry={"operation_spans": False})


def native_default() -> FastAPI:
    """FastAPI's own telemetry as it comes."""
    return _app(setups.opentelemetry())


def native_metrics() -> FastAPI:
    """FastAPI's own telemetry without spans."""
    return _app(setups.opentelemetry(traces=False, logs=False), telemetry={"tracing": False, "logs": False})


def pfi() -> FastAPI:
    """prometheus-fastapi-instrumentator as it comes; it makes no spans."""
    from prometheus_fastapi_instrumentator import Instrumentator  # type: ignore[import-not-found]

    app = _app(setups.nothing())
    Instrumentator().instrument(app).expose(app)
    return app


def logfire() -> FastAPI:
    """Logfire as it comes."""
    import logfire as observed  # type: ignore[import-not-found]

    app = _app(setups.logfire())
    observed.instrument_fastapi(app)
    return app


def openlit() -> FastAPI:
    """Openlit as it comes; it brings and activates contrib's instrumentation."""
    return _app(setups.openlit())


def capibara() -> FastAPI:
    """Observe with this package, as its README says."""
    import capibara_otel as cap

    app = _app(setups.capibara())
    cap.instrument_fastapi(app)
    return app
