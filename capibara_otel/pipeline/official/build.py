"""Builds the pipeline over the official OpenTelemetry SDK."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider, TraceBasedExemplarFilter
from opentelemetry.sdk.resources import Resource as OfficialResource
from opentelemetry.sdk.trace import TracerProvider

from capibara_otel.pipeline.apps import add_to
from capibara_otel.pipeline.batch import BatchLimits, BatchQueue
from capibara_otel.pipeline.health import SIGNALS, Signal
from capibara_otel.pipeline.official.exporters import outlets
from capibara_otel.pipeline.official.exposition import Exposition
from capibara_otel.pipeline.official.fork import clear_metrics, set_resource
from capibara_otel.pipeline.official.processors import BatchLogs, BatchSpans, SpanStarts
from capibara_otel.pipeline.official.push import PushReader, count_points
from capibara_otel.pipeline.official.views import limit_series, official_views
from capibara_otel.pipeline.outlet import Outlet
from capibara_otel.pipeline.plan import Built, Plan, plugged_ids, plugged_sampler
from capibara_otel.pipeline.push import MetricPush, interval_s
from capibara_otel.pipeline.scope import Resource

logger: Final = logging.getLogger(__name__)

_OWN_ONLY: Final = frozenset(
    {"trace_share", "trace_slow", "trace_slow_routes", "trace_dear", "trace_buffer", "spool_dir", "spool_limit"}
    | {"merge_workers", "workers_dir"}
)


def build(plan: Plan) -> Built:
    """Build the providers that the app has not set, and add to those it has.

    Raises:
        MissingExtraError: gRPC is asked for and not installed.
    """
    environ, apps, health = plan.environ, plan.apps, plan.health
    _say_ignored(plan)
    targets: dict[Signal, list[Outlet[Any]]] = {
        signal: [] if plan.is_disabled or apps.has(signal) else list(outlets(signal, environ)) for signal in SIGNALS
    }
    resource = OfficialResource(plan.resource.attributes, plan.resource.schema_url)
    page = Exposition(health.record_scrape, resource=None if apps.meter else plan.resource, clock=plan.clock)

    def queues(signal: Signal, prefix: str) -> list[BatchQueue[Any]]:
        limits = BatchLimits.read(prefix, environ)
        return [BatchQueue(signal, outlet, limits, health, clock=plan.clock) for outlet in targets[signal]]

    pushed = [(PushReader(environ), outlet) for outlet in targets["metrics"]]
    readers = [
        limit_series(reader, plan.settings.series_limit) for reader in (page.reader, *(each for each, _ in pushed))
    ]
    readers += plan.metric_readers
    meter_provider = apps.meter or MeterProvider(
        readers,
        resource,
        exemplar_filter=_exemplar_filter(environ),
        shutdown_on_exit=False,
        views=official_views(plan.views),
    )
    takes_readers = apps.meter is None or add_to(apps.meter, "add_metric_reader", readers)
    if not takes_readers:
        page.detach()

    spans = queues("traces", "OTEL_BSP")
    tracer_provider = apps.tracer or TracerProvider(
        sampler=plugged_sampler(environ),
        resource=resource,
        shutdown_on_exit=False,
        id_generator=plan.id_generator or plugged_ids(environ),
        meter_provider=meter_provider,
    )
    starts = [SpanStarts(plan.span_starts)] if plan.span_starts else []
    add_to(tracer_provider, "add_span_processor", [*starts, *plan.span_processors, *map(BatchSpans, spans)])

    records = queues("logs", "OTEL_BLRP")
    logger_provider = apps.logger or LoggerProvider(
        resource=resource, shutdown_on_exit=False, meter_provider=meter_provider
    )
    add_to(logger_provider, "add_log_record_processor", [*plan.log_processors, *map(BatchLogs, records)])

    def after_fork(childs: Resource) -> None:
        if isinstance(meter_provider, MeterProvider):
            clear_metrics(meter_provider, readers)
        official = OfficialResource(childs.attributes, childs.schema_url)
        for provider, apps_own in (
            (tracer_provider, apps.tracer),
            (meter_provider, apps.meter),
            (logger_provider, apps.logger),
        ):
            if apps_own is None:
                set_resource(provider, official)
        page.after_fork(childs if apps.meter is None else None)

    guests = [*plan.span_processors, *plan.log_processors, *(plan.metric_readers if takes_readers else ())]
    return Built(
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        logger_provider=logger_provider,
        page=page,
        flushes=[each.force_flush for each in guests if hasattr(each, "force_flush")],
        closes=[each.shutdown for each in guests],
        queues=[*spans, *records],
        pushes=[
            MetricPush(reader.read, count_points, outlet, health, interval_s=interval_s(environ), clock=plan.clock)
            for reader, outlet in pushed
        ],
        after_fork=after_fork,
    )


def _exemplar_filter(environ: Mapping[str, str]) -> TraceBasedExemplarFilter | None:
    # The SDK reads the variable, but fails on one that is set and empty.
    return None if environ.get("OTEL_METRICS_EXEMPLAR_FILTER") else TraceBasedExemplarFilter()


def _say_ignored(plan: Plan) -> None:
    """Say once which settings were given that only the own pipeline knows."""
    given = plan.settings.model_fields_set & _OWN_ONLY
    if given:
        logger.warning("pipeline=sdk knows nothing of %s; the own pipeline does", ", ".join(sorted(given)))
