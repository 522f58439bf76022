"""The metrics page, in Prometheus' text format or OpenMetrics."""

from __future__ import annotations

import gzip
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import Gauge, Histogram, MetricReader, MetricsData, Sum
from opentelemetry.sdk.resources import Resource as OfficialResource
from prometheus_client import CollectorRegistry
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.registry import Collector

from capibara_otel._safety import Once
from capibara_otel.pipeline.page.exposition import Page
from capibara_otel.pipeline.scope import Resource

logger: Final = logging.getLogger(__name__)

_NOT_IN_LABEL: Final = re.compile(r"[^A-Za-z0-9]+|^(?=[0-9])")


class Exposition:
    """Writes the page from the metrics of one provider. Any number of threads may ask.

    Args:
        on_scrape: told the seconds each page took.
        resource: shown as `target_info`; that of the provider as soon as it is read.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        on_scrape: Callable[[float], None] | None = None,
        *,
        resource: Resource | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_scrape: Final = on_scrape
        self._clock: Final = clock
        self._lock = threading.Lock()
        self._collectors: Final = _Collectors()
        self._reader: Final = _PageReader(self._collectors, resource)

    @property
    def reader(self) -> MetricReader:
        """The reader to add to the provider."""
        return self._reader

    def render(self, accept: str | None = None, accept_encoding: str | None = None) -> Page:
        """Write the page.

        Args:
            accept: the request's `Accept` header.
            accept_encoding: the request's `Accept-Encoding` header.
        """
        start = self._clock()
        try:
            encode, content_type = choose_encoder(accept or "")
        except TypeError:  # a version that is no version
            encode, content_type = choose_encoder("")
        with self._lock:  # the exporter's collector mixes up collections that overlap
            body = encode(self._collectors)
        if gzip_accepted(accept_encoding or ""):
            page = Page(gzip.compress(body, compresslevel=5, mtime=0), content_type, "gzip")
        else:
            page = Page(body, content_type)
        if self._on_scrape is not None:
            self._on_scrape(self._clock() - start)
        return page

    def detach(self) -> None:
        """Leave the page empty: there is no provider to read."""
        self._reader.shutdown()

    def after_fork(self, resource: Resource | None) -> None:
        """Forget in a forked child that the parent was writing a page.

        Args:
            resource: of the child.
        """
        self._lock = threading.Lock()
        self._reader.after_fork(resource)


class _Collectors(CollectorRegistry):
    """A registry without a lock, which a forked child might find held; `Exposition` has one and renews it."""

    def __init__(self) -> None:
        super().__init__(auto_describe=False)
        self._own: list[Collector] = []

    def register(self, collector: Collector) -> None:
        self._own.append(collector)

    def unregister(self, collector: Collector) -> None:
        self._own.remove(collector)

    def collect(self) -> Iterable[Metric]:
        for collector in self._own:
            yield from collector.collect()


class _PageReader(PrometheusMetricReader):
    """The official reader, without what it cannot show and with a `target_info` that follows the resource."""

    def __init__(self, registry: CollectorRegistry, resource: Resource | None) -> None:
        self._resource: Resource | OfficialResource | None = resource
        self._said: Final = Once()
        super().__init__(disable_target_info=True, scope_info_enabled=False, registry=registry)
        registry.register(_TargetInfo(lambda: self._resource))

    def after_fork(self, resource: Resource | None) -> None:
        self._resource = resource
        # What the parent had collected and not yet written when it forked.
        self._collector._metrics_datas.clear()  # noqa: SLF001

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        for resource in metrics_data.resource_metrics:
            self._resource = resource.resource
        super()._receive_metrics(self._without_unwritable(metrics_data), timeout_millis, **kwargs)

    def _without_unwritable(self, metrics_data: MetricsData) -> MetricsData:
        return replace(
            metrics_data,
            resource_metrics=[
                replace(
                    resource,
                    scope_metrics=[
                        replace(scope, metrics=[metric for metric in scope.metrics if self._is_writable(metric)])
                        for scope in resource.scope_metrics
                    ],
                )
                for resource in metrics_data.resource_metrics
            ],
        )

    def _is_writable(self, metric: Any) -> bool:
        if isinstance(metric.data, Sum | Gauge | Histogram):
            return True
        if self._said.first(metric.name):
            kind = type(metric.data).__name__
            logger.warning("the metrics page leaves out %s: the text formats have no %s", metric.name, kind)
        return False


class _TargetInfo(Collector):
    """The resource as the metric `target_info` (OpenTelemetry's compatibility specification for Prometheus)."""

    def __init__(self, resource: Callable[[], Resource | OfficialResource | None]) -> None:
        self._resource: Final = resource

    def collect(self) -> Iterable[Metric]:
        resource = self._resource()
        if resource is not None:
            family = InfoMetricFamily("target", "Target metadata")
            family.add_metric(
                (), {_NOT_IN_LABEL.sub("_", key): str(value) for key, value in resource.attributes.items()}
            )
            yield family
