"""Builds the own pipeline: providers of OpenTelemetry's API, the encoder behind them, the metrics page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from capibara_otel.pipeline.apps import add_to
from capibara_otel.pipeline.batch import BatchLimits, BatchQueue
from capibara_otel.pipeline.environment import (
    otlp_protocols,
    plugin_exporters,
    prefers_exponential,
    temporality_preference,
)
from capibara_otel.pipeline.health import SIGNALS, Signal
from capibara_otel.pipeline.logs.provider import LoggerProvider
from capibara_otel.pipeline.metrics.data import Collection, InstrumentKind, Temporality
from capibara_otel.pipeline.metrics.provider import MeterProvider
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import Aggregation, ExponentialBuckets
from capibara_otel.pipeline.outlet import Outlet
from capibara_otel.pipeline.page.exposition import Exposition
from capibara_otel.pipeline.page.workers import Workers
from capibara_otel.pipeline.plan import Built, MetricsPage, Plan, plugged_ids, plugged_sampler
from capibara_otel.pipeline.push import MetricPush, interval_s
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.provider import TracerProvider
from capibara_otel.pipeline.traces.tail import TailPolicy, TailSampler
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv.specs import Rule

if TYPE_CHECKING:
    from capibara_otel.pipeline.otlp.spool import Spool

COST_ATTRIBUTES: Final = ("gen_ai.usage.cost.amount", "gen_ai.usage.cost", "operation.cost")
"""Span attributes that hold a cost in US dollars: the one proposed to OpenTelemetry's conventions, and those in use."""

_RULES: Final[Mapping[str, Rule]] = {spec.name: spec.processes for spec in m.METRICS}
_DELTAS: Final[Mapping[str, tuple[InstrumentKind, ...]]] = {
    "delta": ("counter", "observable_counter", "histogram"),
    "lowmemory": ("counter", "histogram"),
}

T = TypeVar("T")


def build(plan: Plan) -> Built:
    """Build the providers that the app has not set, and add to those it has.

    Raises:
        MissingExtraError: gRPC is asked for and not installed.
    """
    return _Builder(plan).build()


class _Builder:
    """Keeps what the parts of one pipeline share while they are built.

    Args:
        plan: what is to be built.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan: Final = plan
        self._resource = plan.resource
        self._readers_taken = plan.metric_readers
        self._made_spool: Spool | None = None
        self._forks: Final[list[Callable[[Resource], object]]] = []

    def build(self) -> Built:
        """Build everything."""
        plan, apps = self._plan, self._plan.apps
        # What may be missing, as an extra that is not installed, is asked for before any thread starts.
        to_traces, to_metrics, to_logs = (self._to(signal) for signal in SIGNALS)
        readers = [(self._push_reader(), outlet) for outlet in to_metrics]
        is_merged = plan.settings.merge_workers and apps.meter is None and not plan.is_disabled
        workers = Workers(plan.settings.workers_dir, series_limit=plan.settings.series_limit) if is_merged else None
        page, meter_provider = self._metrics([reader for reader, _ in readers], workers)
        spans = self._queues("traces", "OTEL_BSP", to_traces)
        tail = self._tail(spans) if spans and plan.settings.trace_share < 1 else None
        tracer_provider = apps.tracer or self._tracer_provider(spans, tail)
        add_to(tracer_provider, "add_span_processor", [*self._starts_for_theirs(), *plan.span_processors])
        records = self._queues("logs", "OTEL_BLRP", to_logs)
        logger_provider = apps.logger or self._logger_provider(records)
        add_to(logger_provider, "add_log_record_processor", plan.log_processors)
        if workers is not None:
            workers.start()
        # A provider that is made here brings along what the app adds to it later.
        guests = [
            *([tracer_provider] if apps.tracer is None else plan.span_processors),
            *([logger_provider] if apps.logger is None else plan.log_processors),
            *([meter_provider] if apps.meter is None else []),
            *self._readers_taken,
        ]
        return Built(
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            logger_provider=logger_provider,
            page=page,
            flushes=[each.force_flush for each in guests if hasattr(each, "force_flush")],
            closes=[each.shutdown for each in guests if each is not meter_provider],
            queues=[*spans, *records],
            pushes=[self._push(reader, outlet) for reader, outlet in readers],
            before_flush=None if tail is None else tail.flush,
            at_shutdown=None if tail is None else tail.close,
            after_fork=self._after_fork,
            close=None if workers is None else workers.close,
        )

    def _to(self, signal: Signal) -> list[Outlet[Any]]:
        plan = self._plan
        if plan.is_disabled or plan.apps.has(signal):
            return []
        found: list[Outlet[Any]] = []
        if otlp_protocols(signal, plan.environ):
            from capibara_otel.pipeline.otlp.outlets import outlets  # noqa: PLC0415 - only where there is a receiver

            found += outlets(
                signal, plan.environ, self._resource_now, plan.health, spool=self._spool(), clock=plan.clock
            )
        if plugin_exporters(signal, plan.environ):
            from capibara_otel.pipeline.official.plugged import plugged_outlets  # noqa: PLC0415 - they need the SDK

            found += plugged_outlets(signal, plan.environ, self._resource_now)
        return found

    def _spool(self) -> Spool | None:
        from capibara_otel.pipeline.otlp.spool import Spool  # noqa: PLC0415 - only where there is a receiver

        settings = self._plan.settings
        if self._made_spool is None and settings.spool_dir is not None:
            self._made_spool = Spool(Path(settings.spool_dir), settings.spool_limit, self._plan.health)
        return self._made_spool

    def _resource_now(self) -> Resource:
        return self._resource

    def _queues(self, signal: Signal, prefix: str, outlets: Sequence[Outlet[Any]]) -> list[BatchQueue[Any]]:
        plan = self._plan
        limits = BatchLimits.read(prefix, plan.environ)
        return [BatchQueue(signal, outlet, limits, plan.health, clock=plan.clock) for outlet in outlets]

    # --- metrics

    def _metrics(self, pushed: Sequence[Reader], workers: Workers | None) -> tuple[MetricsPage, MeterProvider | Any]:
        plan, settings = self._plan, self._plan.settings
        theirs = plan.apps.meter
        if theirs is not None:
            from capibara_otel.pipeline.official.guests import guest_page  # noqa: PLC0415 - the app has imported the SDK

            page, takes_readers = guest_page(plan, theirs)
            self._readers_taken = plan.metric_readers if takes_readers else ()
            return page, theirs
        shown = Reader(exemplars="latest")
        own_page = Exposition(
            shown.collect,
            plan.health.record_scrape,
            resource=plan.resource,
            gauge_rule=lambda name: _RULES.get(name, "latest"),
            workers=workers,
            clock=plan.clock,
        )
        provider = MeterProvider(
            plan.resource,
            readers=[] if plan.is_disabled else [shown, *pushed, *plan.metric_readers],
            views=plan.views,
            exemplar_filter=plan.environ.get("OTEL_METRICS_EXEMPLAR_FILTER") or "trace_based",
            cardinality_limit=settings.series_limit,
            on_overflow=plan.health.count_overflow,
        )
        self._forks.append(provider.after_fork)
        self._forks.append(own_page.after_fork)
        if plan.is_disabled:
            own_page.detach()
        return own_page, provider

    def _push_reader(self) -> Reader:
        environ = self._plan.environ
        temporality: dict[InstrumentKind, Temporality] = dict.fromkeys(
            _DELTAS.get(temporality_preference(environ), ()), "delta"
        )
        aggregation: dict[InstrumentKind, Aggregation] = (
            {"histogram": ExponentialBuckets()} if prefers_exponential(environ) else {}
        )
        return Reader(temporality, aggregation)

    def _push(self, reader: Reader, outlet: Outlet[Collection]) -> MetricPush[Collection]:
        plan = self._plan
        return MetricPush(
            reader.collect,
            lambda collection: collection.points,
            outlet,
            plan.health,
            interval_s=interval_s(plan.environ),
            clock=plan.clock,
        )

    # --- traces

    def _tracer_provider(self, queues: Sequence[BatchQueue[Any]], tail: TailSampler | None) -> TracerProvider:
        plan = self._plan
        provider = TracerProvider(
            plan.resource,
            sampler=plugged_sampler(plan.environ),
            id_generator=plan.id_generator or plugged_ids(plan.environ),
            on_end=tail.on_end if tail is not None else _put_into(queues) if queues else None,
            is_heard=bool(queues),
        )
        provider.on_start.extend(plan.span_starts)
        if tail is not None:
            provider.on_start.append(tail.on_start)
        self._forks.append(provider.after_fork)
        return provider

    def _starts_for_theirs(self) -> list[Any]:
        if self._plan.apps.tracer is None or not self._plan.span_starts:
            return []
        from capibara_otel.pipeline.official.processors import SpanStarts  # noqa: PLC0415 - the app has imported the SDK

        return [SpanStarts(self._plan.span_starts)]

    def _tail(self, queues: Sequence[BatchQueue[Any]]) -> TailSampler:
        plan, settings = self._plan, self._plan.settings
        policy = TailPolicy(
            share=settings.trace_share,
            slow_s=settings.trace_slow,
            slow_routes=settings.trace_slow_routes,
            dear=settings.trace_dear,
            cost_attributes=COST_ATTRIBUTES,
            spans=settings.trace_buffer,
        )
        tail = TailSampler(policy, keep=_put_into(queues), count=plan.health.count_decided, clock=plan.clock)
        plan.health.watch_undecided(lambda: tail.waiting)
        self._forks.append(lambda _: tail.after_fork())
        return tail

    # --- logs

    def _logger_provider(self, queues: Sequence[BatchQueue[Any]]) -> LoggerProvider:
        provider = LoggerProvider(self._plan.resource, on_emit=_put_into(queues) if queues else None)
        self._forks.append(provider.after_fork)
        return provider

    def _after_fork(self, childs: Resource) -> None:
        self._resource = childs
        for begin_anew in self._forks:
            begin_anew(childs)


def _put_into(queues: Sequence[BatchQueue[T]]) -> Callable[[T], object]:
    """Return what puts an item into each of the queues."""
    if len(queues) == 1:
        return queues[0].put

    def put(item: T) -> None:
        for queue in queues:
            queue.put(item)

    return put
