"""Starts the pipeline over the official OpenTelemetry SDK: providers, exporters, the metrics page, the hooks."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final

from opentelemetry import _logs, metrics, trace
from opentelemetry._logs._internal import ProxyLoggerProvider
from opentelemetry.metrics._internal import _ProxyMeterProvider
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider, TraceBasedExemplarFilter
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler

from capibara_otel.config import Settings
from capibara_otel.pipeline.batch import BatchLimits, BatchLogs, BatchQueue, BatchSpans
from capibara_otel.pipeline.endpoint import MetricsEndpoint
from capibara_otel.pipeline.exporters import Outlet, exporter_names, outlets
from capibara_otel.pipeline.exposition import Exposition
from capibara_otel.pipeline.fork import clear_metrics, set_resource, start_anew_in_children
from capibara_otel.pipeline.guests import Guests
from capibara_otel.pipeline.health import SIGNALS, Health, Signal
from capibara_otel.pipeline.push import MetricPush
from capibara_otel.pipeline.resource import build_resource, distro_version
from capibara_otel.pipeline.running import Providers
from capibara_otel.pipeline.shutdown import shut_down_at_exit
from capibara_otel.semconv.instruments import Instruments

logger: Final = logging.getLogger(__name__)

SCOPE: Final = "capibara_otel"

# These the SDK reads by itself; others are installed plugins.
_OWN_SAMPLERS: Final = frozenset(
    {"", "always_on", "always_off", "parentbased_always_on", "parentbased_always_off"}
    | {"traceidratio", "parentbased_traceidratio"}
)


def start(
    settings: Settings,
    *,
    clock: Callable[[], float] = time.monotonic,
    id_generator: IdGenerator | None = None,
    span_processors: Sequence[SpanProcessor] = (),
    log_processors: Sequence[LogRecordProcessor] = (),
    metric_readers: Sequence[MetricReader] = (),
    set_global: bool = True,
    before_flush: Callable[[], object] | None = None,
    is_used: Callable[[], bool] | None = None,
    endpoint_is_open: bool = True,
) -> Providers:
    """Start the pipeline.

    Nothing leaves the machine unless the environment names an endpoint or an exporter. Providers that the app has set
    already are used and never replaced, each signal on its own: what is handed in here and the metrics page are added
    to them where they are the SDK's, no exporter is, and shutting down only flushes them.

    Args:
        settings: the settings. `OTEL_*` is read from the environment, which `load_settings` has checked.
        clock: monotonic seconds.
        id_generator: makes trace and span ids; by default what `OTEL_PYTHON_ID_GENERATOR` names.
        span_processors: called before the export, so that what they change is exported changed.
        log_processors: the same for log records.
        metric_readers: read the same metrics as the export does.
        set_global: make the providers global. False builds own ones, whatever the app has set, and leaves its as is.
        before_flush: called before each flush and the shutdown, so that what waits elsewhere comes along.
        is_used: tells whether the app observed anything; if not, the process's end waits for hardly anything.
        endpoint_is_open: whether a metrics page on a port of its own is served at once.

    Raises:
        MissingExtraError: gRPC is asked for and not installed.
    """
    environ = os.environ
    is_disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    apps = _apps_own() if set_global else _Apps()
    if environ.get("OTEL_CONFIG_FILE") and not all(map(apps.has, SIGNALS)):
        logger.warning("OTEL_CONFIG_FILE is not read here; what it says does not hold for capibara_otel's providers")
    plan: dict[Signal, list[Outlet[Any]]] = {
        signal: [] if is_disabled or apps.has(signal) else outlets(signal, environ) for signal in SIGNALS
    }
    resource = build_resource(settings)
    health = Health()
    exposition = Exposition(health.record_scrape, resource=None if apps.meter else resource, clock=clock)

    def queues(signal: Signal, prefix: str) -> list[BatchQueue[Any]]:
        limits = BatchLimits.read(prefix, environ)
        return [BatchQueue(signal, outlet, limits, health, clock=clock) for outlet in plan[signal]]

    pushes = [MetricPush(outlet, health, environ, clock=clock) for outlet in plan["metrics"]]
    readers = [exposition.reader, *pushes, *metric_readers]
    meter_provider = apps.meter or MeterProvider(
        readers, resource, exemplar_filter=_exemplar_filter(environ), shutdown_on_exit=False
    )
    if apps.meter is not None and not _add(readers, apps.meter, "add_metric_reader"):
        exposition.detach()
        metric_readers = ()
    health.publish(Instruments(meter_provider.get_meter(SCOPE, distro_version())))

    spans = queues("traces", "OTEL_BSP")
    tracer_provider = apps.tracer or TracerProvider(
        sampler=_sampler(environ),
        resource=resource,
        shutdown_on_exit=False,
        id_generator=id_generator or _id_generator(environ),
        meter_provider=meter_provider,
    )
    _add([*span_processors, *map(BatchSpans, spans)], tracer_provider, "add_span_processor")

    records = queues("logs", "OTEL_BLRP")
    logger_provider = apps.logger or LoggerProvider(
        resource=resource, shutdown_on_exit=False, meter_provider=meter_provider
    )
    _add([*log_processors, *map(BatchLogs, records)], logger_provider, "add_log_record_processor")

    def after_fork(childs: Resource) -> None:
        if isinstance(meter_provider, MeterProvider):
            clear_metrics(meter_provider, readers)
        for provider, apps_own in (
            (tracer_provider, apps.tracer),
            (meter_provider, apps.meter),
            (logger_provider, apps.logger),
        ):
            if apps_own is None:
                set_resource(provider, childs)
        exposition.after_fork(childs if apps.meter is None else None)

    providers = Providers(
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        logger_provider=logger_provider,
        resource=resource,
        exposition=exposition,
        health=health,
        endpoint=None if is_disabled else _endpoint(settings, environ, exposition, is_open=endpoint_is_open),
        timeout_s=settings.shutdown_timeout,
        clock=clock,
        queues=[*spans, *records],
        pushes=pushes,
        before_flush=before_flush,
        is_used=is_used,
        guests=_guests(apps, span_processors, log_processors, metric_readers),
        tell_fork=after_fork,
    )
    if set_global:
        apps.complete(providers)
    start_anew_in_children(providers)
    shut_down_at_exit(providers)
    return providers


@dataclass(frozen=True, slots=True)
class _Apps:
    """The global providers that the app has set itself."""

    tracer: trace.TracerProvider | None = None
    meter: metrics.MeterProvider | None = None
    logger: _logs.LoggerProvider | None = None

    def has(self, signal: Signal) -> bool:
        return {"traces": self.tracer, "metrics": self.meter, "logs": self.logger}[signal] is not None

    def complete(self, providers: Providers) -> None:
        if self.meter is None:
            metrics.set_meter_provider(providers.meter_provider)
        if self.tracer is None:
            trace.set_tracer_provider(providers.tracer_provider)
        if self.logger is None:
            _logs.set_logger_provider(providers.logger_provider)


def _apps_own() -> _Apps:
    tracer, meter, log = trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()
    return _Apps(
        None if isinstance(tracer, trace.ProxyTracerProvider) else tracer,
        None if isinstance(meter, _ProxyMeterProvider) else meter,
        None if isinstance(log, ProxyLoggerProvider) else log,
    )


def _add(items: Iterable[object], provider: object, method: str) -> bool:
    add = getattr(provider, method, None)
    if add is None:
        logger.info("the app's %s is not the OpenTelemetry SDK's: nothing is added to it", type(provider).__name__)
        return False
    for item in items:
        add(item)
    return True


def _guests(
    apps: _Apps,
    span_processors: Sequence[SpanProcessor],
    log_processors: Sequence[LogRecordProcessor],
    metric_readers: Sequence[MetricReader],
) -> Guests | None:
    guests: list[SpanProcessor | LogRecordProcessor | MetricReader] = [
        *span_processors,
        *log_processors,
        *metric_readers,
    ]
    flushed = [*guests, *filter(None, (apps.tracer, apps.meter, apps.logger))]
    flushes = [each.force_flush for each in flushed if hasattr(each, "force_flush")]
    return Guests(flushes, [each.shutdown for each in guests]) if flushed else None


def _endpoint(
    settings: Settings, environ: Mapping[str, str], exposition: Exposition, *, is_open: bool
) -> MetricsEndpoint | None:
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        if "prometheus" not in exporter_names("metrics", environ):
            return None
        host = environ.get("OTEL_EXPORTER_PROMETHEUS_HOST") or "localhost"
        port = int(environ.get("OTEL_EXPORTER_PROMETHEUS_PORT") or 9464)
    token = settings.metrics_token
    return MetricsEndpoint(
        exposition,
        host=host,
        port=port,
        path=settings.metrics_path or "/metrics",
        token=None if token is None else token.get_secret_value(),
        is_open=is_open,
    )


def _exemplar_filter(environ: Mapping[str, str]) -> TraceBasedExemplarFilter | None:
    # The SDK reads the variable, but fails on one that is set and empty.
    return None if environ.get("OTEL_METRICS_EXEMPLAR_FILTER") else TraceBasedExemplarFilter()


def _sampler(environ: Mapping[str, str]) -> Sampler | None:
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip()
    if name.lower() in _OWN_SAMPLERS:
        return None
    sampler: Sampler = _plugin("opentelemetry_traces_sampler", name)(environ.get("OTEL_TRACES_SAMPLER_ARG"))
    return sampler


def _id_generator(environ: Mapping[str, str]) -> IdGenerator | None:
    name = environ.get("OTEL_PYTHON_ID_GENERATOR", "").strip()
    if name in {"", "random"}:
        return None
    generator: IdGenerator = _plugin("opentelemetry_id_generator", name)()
    return generator


def _plugin(group: str, name: str) -> Any:
    (plugin,) = entry_points(group=group, name=name)
    return plugin.load()
