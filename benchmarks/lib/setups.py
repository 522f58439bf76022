"""How each peer is set up, as its own documentation says. Runs in the peer's process; `OTEL_*` names the receiver."""

# ruff: noqa: PLC0415 - each process imports one peer only, and when it is told to, for that is measured too

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from typing import Any, Final, TypeAlias

Flush: TypeAlias = Callable[[], object]

_FLUSH_MS: Final = 30_000


def nothing() -> Flush:
    """Set nothing up."""
    return lambda: None


def opentelemetry(*, traces: bool = True, metrics: bool = True, logs: bool = True, grpc: bool = False) -> Flush:
    """Set up OpenTelemetry's SDK with the batch processors, the reader and the OTLP exporters that it comes with."""
    from opentelemetry import _logs, trace
    from opentelemetry import metrics as meters
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    span_exporter, metric_exporter, log_exporter = _exporters(grpc=grpc)
    flushes: list[Callable[[int], object]] = []
    if traces:
        tracers = TracerProvider()
        tracers.add_span_processor(BatchSpanProcessor(span_exporter()))
        trace.set_tracer_provider(tracers)
        flushes.append(tracers.force_flush)
    if metrics:
        provider = MeterProvider([PeriodicExportingMetricReader(metric_exporter())])
        meters.set_meter_provider(provider)
        flushes.append(provider.force_flush)
    if logs:
        loggers = LoggerProvider()
        loggers.add_log_record_processor(BatchLogRecordProcessor(log_exporter()))
        _logs.set_logger_provider(loggers)
        flushes.append(loggers.force_flush)
    return lambda: [flush(_FLUSH_MS) for flush in flushes]


def _exporters(*, grpc: bool) -> tuple[Any, Any, Any]:
    if grpc:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans

        return GrpcSpans, GrpcMetrics, GrpcLogs
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter, OTLPMetricExporter, OTLPLogExporter


def logfire() -> Flush:
    """Set logfire up with OTLP to the receiver and without its console."""
    import logfire as observed  # type: ignore[import-not-found]

    observed.configure(console=False, send_to_logfire=False)
    flush: Flush = observed.force_flush
    return flush


def openlit() -> Flush:
    """Set openlit up; a price list of its own, for it fetches one from the network otherwise."""
    import tempfile

    import openlit as observed  # type: ignore[import-not-found]
    from opentelemetry import metrics, trace

    with tempfile.NamedTemporaryFile("w", suffix=".json") as prices:
        prices.write("{}")
        prices.flush()
        observed.init(otlp_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], pricing_json=prices.name)
    providers: list[Any] = [trace.get_tracer_provider(), metrics.get_meter_provider()]
    return lambda: [provider.force_flush(_FLUSH_MS) for provider in providers]


def capibara(**settings: Any) -> Flush:
    """Set this package up."""
    import capibara_otel as cap

    cap.configure(**settings)
    return lambda: cap.force_flush(_FLUSH_MS / 1000)


def memory_bytes() -> int:
    """Return what this process holds in memory; the most it ever held where the system tells nothing else."""
    statm = "/proc/self/statm"
    if os.path.exists(statm):  # noqa: PTH110 - pathlib is a module that a peer need not have loaded
        with open(statm, encoding="ascii") as pages:  # noqa: PTH123 - the same
            return int(pages.read().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
