"""Starts the pipeline: providers, exporters, the metrics page, the hooks of the process's end and of forks."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from capibara_otel.config import Settings
from capibara_otel.pipeline.apps import Apps
from capibara_otel.pipeline.endpoint import MetricsEndpoint
from capibara_otel.pipeline.environment import exporter_names
from capibara_otel.pipeline.fork import start_anew_in_children
from capibara_otel.pipeline.guests import Guests
from capibara_otel.pipeline.health import SIGNALS, Health
from capibara_otel.pipeline.plan import Built, MetricsPage, Plan, SpanStart
from capibara_otel.pipeline.resource import build_resource, distro_version
from capibara_otel.pipeline.running import Providers
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.shutdown import shut_down_at_exit
from capibara_otel.semconv.instruments import Instruments

if TYPE_CHECKING:
    from capibara_otel.pipeline.metrics.views import View

logger: Final = logging.getLogger(__name__)

SCOPE: Final = "capibara_otel"


def start(
    settings: Settings,
    *,
    clock: Callable[[], float] = time.monotonic,
    id_generator: Any = None,
    span_starts: Sequence[SpanStart] = (),
    span_processors: Sequence[Any] = (),
    log_processors: Sequence[Any] = (),
    metric_readers: Sequence[Any] = (),
    views: Sequence[View] = (),
    set_global: bool = True,
    before_flush: Callable[[], object] | None = None,
    is_used: Callable[[], bool] | None = None,
    endpoint_is_open: bool = True,
) -> Providers:
    """Start the pipeline that the settings name: this package's own, or the official SDK's.

    Nothing leaves the machine unless the environment names an endpoint or an exporter. Providers that the app has set
    already are used and never replaced, each signal on its own: what is handed in here and the metrics page are added
    to them where they are the SDK's, no exporter is, and shutting down only flushes them.

    Args:
        settings: the settings. `OTEL_*` is read from the environment, which `load_settings` has checked.
        clock: monotonic seconds.
        id_generator: makes trace and span ids, an `IdGenerator` as the official SDK has them; by default what
            `OTEL_PYTHON_ID_GENERATOR` names.
        span_starts: told of each span that begins.
        span_processors: the official SDK's, called before the export; what they change at a span's start is exported.
        log_processors: the same for log records.
        metric_readers: the official SDK's or the own pipeline's; they read the same metrics as the export does.
        views: change what instruments become; for providers that are made here.
        set_global: make the providers global. False builds own ones, whatever the app has set, and leaves its as is.
        before_flush: called before each flush and the shutdown, so that what waits elsewhere comes along.
        is_used: tells whether the app observed anything; if not, the process's end waits for hardly anything.
        endpoint_is_open: whether a metrics page on a port of its own is served at once.

    Raises:
        MissingExtraError: gRPC is asked for and not installed.
    """
    environ = os.environ
    apps = Apps.now() if set_global else Apps()
    if environ.get("OTEL_CONFIG_FILE") and not all(map(apps.has, SIGNALS)):
        logger.warning("OTEL_CONFIG_FILE is not read here; what it says does not hold for capibara_otel's providers")
    plan = Plan(
        settings=settings,
        environ=environ,
        apps=apps,
        resource=_resource(settings),
        health=Health(),
        clock=clock,
        is_disabled=environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true",
        id_generator=id_generator,
        span_starts=span_starts,
        span_processors=span_processors,
        log_processors=log_processors,
        metric_readers=metric_readers,
        views=views,
    )
    built = _build(plan)
    plan.health.publish(Instruments(built.meter_provider.get_meter(SCOPE, distro_version())))
    gathers = [each for each in (before_flush, built.before_flush) if each is not None]
    providers = Providers(
        tracer_provider=built.tracer_provider,
        meter_provider=built.meter_provider,
        logger_provider=built.logger_provider,
        resource=plan.resource,
        exposition=built.page,
        health=plan.health,
        endpoint=None if plan.is_disabled else _endpoint(settings, environ, built.page, is_open=endpoint_is_open),
        timeout_s=settings.shutdown_timeout,
        clock=clock,
        queues=built.queues,
        pushes=built.pushes,
        gathers=gathers,
        is_used=is_used,
        guests=_guests(plan, built),
        tell_fork=built.after_fork,
        at_shutdown=built.at_shutdown,
        at_end=built.close,
    )
    if set_global:
        apps.complete(built.tracer_provider, built.meter_provider, built.logger_provider)
    start_anew_in_children(providers)
    shut_down_at_exit(providers)
    return providers


def _build(plan: Plan) -> Built:
    if plan.settings.pipeline == "sdk":
        from capibara_otel.pipeline.official.build import build as build_official  # noqa: PLC0415 - needs the SDK

        return build_official(plan)
    from capibara_otel.pipeline.own import build as build_own  # noqa: PLC0415 - not needed beside the SDK

    return build_own(plan)


def _resource(settings: Settings) -> Resource:
    if settings.pipeline == "sdk":
        from opentelemetry.sdk.version import __version__  # noqa: PLC0415 - needs the SDK

        return build_resource(settings, sdk_name="opentelemetry", sdk_version=__version__)
    return build_resource(settings)


def _guests(plan: Plan, built: Built) -> Guests | None:
    flushes = [*built.flushes, *plan.apps.flushes()]
    return Guests(flushes, built.closes) if flushes or built.closes else None


def _endpoint(
    settings: Settings, environ: Mapping[str, str], page: MetricsPage, *, is_open: bool
) -> MetricsEndpoint | None:
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        if "prometheus" not in exporter_names("metrics", environ):
            return None
        host = environ.get("OTEL_EXPORTER_PROMETHEUS_HOST") or "localhost"
        port = int(environ.get("OTEL_EXPORTER_PROMETHEUS_PORT") or 9464)
    token = settings.metrics_token
    return MetricsEndpoint(
        page,
        host=host,
        port=port,
        path=settings.metrics_path or "/metrics",
        token=None if token is None else token.get_secret_value(),
        is_open=is_open,
    )
