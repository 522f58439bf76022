"""Providers that keep what they are told in memory: of the own pipeline, and of the official SDK."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from opentelemetry.sdk import _logs as sdk_logs
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk import trace as sdk_trace
from opentelemetry.sdk._logs.export import LogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

from capibara_otel.operation.context import put_context_on
from capibara_otel.pipeline.logs.provider import LoggerProvider
from capibara_otel.pipeline.metrics.provider import MeterProvider
from capibara_otel.pipeline.official.processors import SpanStarts
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.provider import TracerProvider
from capibara_otel.testing.clock import SequentialIds

_RESOURCE: Final = {"service.name": "test"}


class Kept(NamedTuple):
    """The providers of the three signals."""

    tracer_provider: TracerProvider | sdk_trace.TracerProvider
    meter_provider: MeterProvider | sdk_metrics.MeterProvider
    logger_provider: LoggerProvider | sdk_logs.LoggerProvider


def own(spans: SpanExporter, reader: MetricReader, records: LogRecordExporter) -> Kept:
    """Return the own pipeline's.

    Args:
        spans: keeps spans.
        reader: reads metrics.
        records: keeps log records.
    """
    resource = Resource(_RESOURCE)
    tracers = TracerProvider(resource, id_generator=SequentialIds(), processors=[SimpleSpanProcessor(spans)])
    tracers.on_start.append(put_context_on)
    loggers = LoggerProvider(resource, processors=[SimpleLogRecordProcessor(records)])
    return Kept(tracers, MeterProvider(resource, readers=[reader]), loggers)


def sdk(spans: SpanExporter, reader: MetricReader, records: LogRecordExporter) -> Kept:
    """Return the official SDK's; see `own`."""
    common: dict[str, Any] = {"resource": SdkResource(_RESOURCE), "shutdown_on_exit": False}
    tracers = sdk_trace.TracerProvider(id_generator=SequentialIds(), **common)
    tracers.add_span_processor(SpanStarts([put_context_on]))
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    loggers = sdk_logs.LoggerProvider(**common)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(records))
    return Kept(tracers, sdk_metrics.MeterProvider([reader], **common), loggers)
