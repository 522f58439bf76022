"""The official SDK's readers on the own provider."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics import export, view
from prometheus_client import CollectorRegistry, generate_latest

from capibara_otel.pipeline.metrics.official import official_resource, to_official
from capibara_otel.pipeline.metrics.views import ExplicitBuckets, View
from capibara_otel.pipeline.scope import Resource
from tests.unit.pipeline.metrics.reading import in_span, provider, reader_and

LOGGER = "capibara_otel.pipeline.metrics"


def official(reader: export.InMemoryMetricReader) -> dict[str, Any]:
    """Return the official metrics by name."""
    data = reader.get_metrics_data()
    return {
        metric.name: metric
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_readers_get_official_data() -> None:
    """Resource, scope, metrics, points and exemplars are the official SDK's objects."""
    reader = export.InMemoryMetricReader()
    made = provider(reader)
    meter = made.get_meter("m", "1", "url", {"a": 1})
    with in_span(1, 2):
        meter.create_counter("c", "s", "text").add(3, {"b": True})
    meter.create_gauge("g").set(1.5)
    data = reader.get_metrics_data()
    assert data is not None
    (resource,) = data.resource_metrics
    assert dict(resource.resource.attributes) == {"service.name": "s"}
    (scope,) = resource.scope_metrics
    assert (scope.scope.name, scope.scope.version, scope.scope.schema_url, scope.schema_url) == ("m", "1", "url", "url")
    assert dict(scope.scope.attributes or {}) == {"a": 1}
    counter, gauge = scope.metrics
    assert isinstance(counter.data, export.Sum)
    assert (counter.name, counter.unit, counter.description) == ("c", "s", "text")
    assert counter.data.is_monotonic
    assert counter.data.aggregation_temporality is export.AggregationTemporality.CUMULATIVE
    (found,) = counter.data.data_points
    assert (found.value, found.attributes) == (3, {"b": True})
    (exemplar,) = found.exemplars
    assert isinstance(exemplar, sdk.Exemplar)
    assert (exemplar.value, exemplar.trace_id, exemplar.span_id, exemplar.filtered_attributes) == (3, 1, 2, {})
    assert isinstance(gauge.data, export.Gauge)
    assert gauge.data.data_points[0].start_time_unix_nano is None


def test_an_exemplar_outside_of_traces_has_no_ids() -> None:
    """As the official SDK has it, such an exemplar has None for ids."""
    reader = export.InMemoryMetricReader()
    provider(reader, exemplar_filter="always_on").get_meter("m").create_counter("c").add(1)
    (exemplar,) = official(reader)["c"].data.data_points[0].exemplars
    assert (exemplar.trace_id, exemplar.span_id) == (None, None)


def test_preferences_are_honoured() -> None:
    """Temporality, aggregation and limits that the official reader asks for hold, for each kind."""
    reader = export.InMemoryMetricReader(
        {sdk.Counter: export.AggregationTemporality.DELTA, sdk.ObservableCounter: export.AggregationTemporality.DELTA},
        {
            sdk.Histogram: view.ExponentialBucketHistogramAggregation(4),
            sdk.UpDownCounter: view.ExplicitBucketHistogramAggregation([1]),
            sdk.ObservableGauge: view.DropAggregation(),
            sdk._Gauge: view.SumAggregation(),
            sdk.ObservableUpDownCounter: view.LastValueAggregation(),
        },
        {sdk.Counter: 1},
    )
    meter = provider(reader).get_meter("m")
    counter = meter.create_counter("c")
    for number in range(3):
        counter.add(1, {"n": number})
    meter.create_histogram("h").record(3)
    meter.create_up_down_counter("u").add(1)
    meter.create_gauge("g").set(2)

    def observe(_: CallbackOptions) -> list[Observation]:
        return [Observation(5)]

    meter.create_observable_gauge("og", [observe])
    meter.create_observable_counter("oc", [observe])
    meter.create_observable_up_down_counter("ou", [observe])
    found = official(reader)
    assert {name: type(metric.data).__name__ for name, metric in found.items()} == {
        "c": "Sum",
        "h": "ExponentialHistogram",
        "u": "Histogram",
        "g": "Sum",
        "oc": "Sum",
        "ou": "Gauge",
    }
    assert len(found["c"].data.data_points) == 2
    assert found["u"].data.data_points[0].explicit_bounds == (1,)
    assert found["c"].data.aggregation_temporality is export.AggregationTemporality.DELTA
    again = official(reader)
    assert "c" not in again
    assert [metric.data.data_points[0].value for metric in (found["oc"], again["oc"])] == [5, 0]


def test_an_unknown_aggregation_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A preference that is of a class of its own is said, and the default is used."""

    class Own(view.SumAggregation):
        pass

    class Unknown(view.Aggregation):
        def _create_aggregation(self, *_: Any) -> Any: ...

    with caplog.at_level(logging.WARNING, LOGGER):
        reader = export.InMemoryMetricReader(preferred_aggregation={sdk.Histogram: Unknown(), sdk.UpDownCounter: Own()})
        provider(reader).get_meter("m").create_histogram("h").record(1)
    assert "prefers Unknown" in caplog.text
    assert type(official(reader)["h"].data) is export.Histogram


def test_extremes_that_are_not_kept_are_infinite() -> None:
    """As in the official SDK's objects."""
    reader = export.InMemoryMetricReader()
    views = [View(instrument_name="h", aggregation=ExplicitBuckets([1], record_min_max=False))]
    provider(reader, views=views).get_meter("m").create_histogram("h").record(1)
    found = official(reader)["h"].data.data_points[0]
    assert (found.min, found.max) == (math.inf, -math.inf)


def test_the_prometheus_reader_works() -> None:
    """The official metrics page shows the own provider's metrics."""
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry)
    provider(reader).get_meter("m").create_counter("c").add(3, {"a": "x"})
    assert b'c_total{a="x",otel_scope_name="m"' in generate_latest(registry)


class Exporter(export.MetricExporter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__({sdk.Counter: export.AggregationTemporality.DELTA})
        self.got: list[Any] = []
        self.calls: list[str] = []

    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **_: Any) -> export.MetricExportResult:
        """Keep the data."""
        self.got.append(metrics_data)
        return export.MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Note the call."""
        self.calls.append("flush")
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Note the call."""
        self.calls.append("shutdown")


def test_the_periodic_reader_works() -> None:
    """It exports when the provider is flushed and when it is shut down."""
    exporter = Exporter()
    reader = export.PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)
    made = provider(reader)
    counter = made.get_meter("m").create_counter("c")
    counter.add(1)
    assert made.force_flush()
    counter.add(2)
    made.shutdown()
    sums = [data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0].value for data in exporter.got]
    assert sums == [1, 2]
    assert exporter.calls == ["flush", "shutdown"]


def test_a_failing_reader_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A flush that fails is said and told by False; the other readers are flushed."""

    class Failing(export.InMemoryMetricReader):
        def force_flush(self, timeout_millis: float = 10_000) -> bool:
            raise RuntimeError("no")

        def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
            raise RuntimeError("no")

    exporter = Exporter()
    made = provider(Failing(), export.PeriodicExportingMetricReader(exporter, export_interval_millis=1e9))
    with caplog.at_level(logging.ERROR, LOGGER):
        assert made.force_flush() is False
        made.shutdown()
    assert len(caplog.records) == 2
    assert exporter.calls == ["flush", "shutdown"]


def test_a_reader_belongs_to_one_provider(caplog: pytest.LogCaptureFixture) -> None:
    """A reader of another provider, the SDK's or ours, is not taken; nor is what is no reader."""
    reader, theirs = export.InMemoryMetricReader(), export.InMemoryMetricReader()
    first, second = provider(reader), provider()
    sdk.MeterProvider([theirs], shutdown_on_exit=False)
    with caplog.at_level(logging.WARNING, LOGGER):
        for wrong in (reader, theirs, object()):
            second.add_metric_reader(wrong)
    assert len(caplog.records) == 3
    first.get_meter("m").create_counter("c").add(1)
    assert list(official(reader)) == ["c"]


def test_nothing_is_none() -> None:
    """A collection without metrics is no data, which the official readers do not export."""
    reader, counter = reader_and(lambda made: made.get_meter("m").create_counter("c"))
    assert to_official(reader.collect()) is None
    counter.add(1)
    data = to_official(reader.collect())
    assert data is not None
    assert '"name": "c"' in data.to_json()


def test_resources_are_converted_once() -> None:
    """The same resource is the same official object each time."""
    resource = Resource({"a": 1}, "url")
    found = official_resource(resource)
    assert official_resource(resource) is found
    assert (dict(found.attributes), found.schema_url) == ({"a": 1}, "url")
