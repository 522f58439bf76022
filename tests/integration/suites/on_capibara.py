"""A pytest plugin: OpenTelemetry's published test suites get the own pipeline's providers instead of the SDK's.

Their base class makes the providers in two functions, which take the SDK's arguments.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.test.test_base import TestBase  # type: ignore[import-not-found]

from capibara_otel.pipeline.metrics.provider import MeterProvider
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.provider import TracerProvider


def _resource(arguments: dict[str, Any]) -> Resource:
    given = arguments.pop("resource", None) or SdkResource.create()
    return Resource(dict(given.attributes), given.schema_url)


def create_tracer_provider(**arguments: Any) -> tuple[TracerProvider, InMemorySpanExporter]:
    """Return the own tracer provider and the exporter that keeps its spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(_resource(arguments), **arguments)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def create_meter_provider(**arguments: Any) -> tuple[MeterProvider, InMemoryMetricReader]:
    """Return the own meter provider and the reader that keeps its metrics."""
    reader = InMemoryMetricReader()
    readers = [*arguments.pop("metric_readers", []), reader]
    return MeterProvider(_resource(arguments), readers=readers, **arguments), reader


TestBase.create_tracer_provider = staticmethod(create_tracer_provider)
TestBase.create_meter_provider = staticmethod(create_meter_provider)
