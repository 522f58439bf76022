"""Instruments made from specifications, on first use."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, NoOpMeter, Observation
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, Histogram, InMemoryMetricReader, Sum
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from capibara_otel.semconv.instruments import Instruments
from capibara_otel.semconv.specs import MetricSpec

_COUNTER = MetricSpec("t.counter", "counter", "{x}", "A counter.", "t", attributes=("kind",))
_UPDOWN = MetricSpec("t.updown", "updowncounter", "{x}", "An up-down counter.", "t")
_GAUGE = MetricSpec("t.gauge", "gauge", "%", "A gauge.", "t")
_HISTOGRAM = MetricSpec("t.histogram", "histogram", "s", "A histogram.", "t", buckets=(0.1, 1.0))


class _Metrics:
    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], exemplar_filter=AlwaysOnExemplarFilter(), shutdown_on_exit=False)
        self.instruments = Instruments(self.provider.get_meter("test"))

    def collect(self) -> dict[str, Any]:
        data = self._reader.get_metrics_data()
        return {
            metric.name: metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture(name="sdk")
def _sdk() -> Iterator[_Metrics]:
    sdk = _Metrics()
    yield sdk
    sdk.provider.shutdown()


def test_each_kind_of_instrument(sdk: _Metrics) -> None:
    """A counter adds, an up-down counter too, a gauge is set, a histogram counts; unit and brief go with them."""
    for spec, values in ((_COUNTER, (2, 3)), (_UPDOWN, (5, -2)), (_GAUGE, (7, 4.5)), (_HISTOGRAM, (0.05, 0.5, 2))):
        for value in values:
            sdk.instruments.record(spec, value, {})
    found = sdk.collect()

    assert {name: (metric.unit, metric.description) for name, metric in found.items()} == {
        spec.name: (spec.unit, spec.brief) for spec in (_COUNTER, _UPDOWN, _GAUGE, _HISTOGRAM)
    }
    counter, updown, gauge, histogram = (found[spec.name].data for spec in (_COUNTER, _UPDOWN, _GAUGE, _HISTOGRAM))
    assert isinstance(counter, Sum)
    assert counter.is_monotonic
    assert counter.data_points[0].value == 5
    assert isinstance(updown, Sum)
    assert not updown.is_monotonic
    assert updown.data_points[0].value == 3
    assert isinstance(gauge, Gauge)
    assert gauge.data_points[0].value == 4.5
    assert isinstance(histogram, Histogram)
    assert histogram.data_points[0].explicit_bounds == (0.1, 1.0)
    assert histogram.data_points[0].bucket_counts == (1, 1, 1)


def test_labels_make_points(sdk: _Metrics) -> None:
    """Each set of labels is a point of its own."""
    sdk.instruments.record(_COUNTER, 1, {"kind": "a"})
    sdk.instruments.record(_COUNTER, 2, {"kind": "b"})
    sdk.instruments.record(_COUNTER, 4, {"kind": "a"})

    points = {point.attributes["kind"]: point.value for point in sdk.collect()["t.counter"].data.data_points}
    assert points == {"a": 5, "b": 2}


def test_what_never_happened_is_not_shown(sdk: _Metrics) -> None:
    """An instrument is created by its first measurement."""
    assert sdk.collect() == {}
    sdk.instruments.record(_GAUGE, 0, {})
    assert set(sdk.collect()) == {"t.gauge"}


def test_the_context_gives_the_exemplar_its_trace(sdk: _Metrics) -> None:
    """The context handed in, not the current one, decides which trace a measurement is an example of."""
    span = NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)))
    context = trace.set_span_in_context(span)
    for spec in (_COUNTER, _UPDOWN, _GAUGE, _HISTOGRAM):
        sdk.instruments.record(spec, 1, {}, context)
    found = sdk.collect()

    for spec in (_COUNTER, _UPDOWN, _GAUGE, _HISTOGRAM):
        (exemplar,) = found[spec.name].data.data_points[0].exemplars
        assert (exemplar.trace_id, exemplar.span_id) == (0xA, 0xB), spec.name


def test_an_instrument_is_created_once() -> None:
    """Threads that measure for the first time at the same moment share one instrument."""
    created: list[str] = []

    class _Meter(NoOpMeter):
        def create_counter(self, name: str, unit: str = "", description: str = "") -> metrics.Counter:
            created.append(name)
            return super().create_counter(name, unit, description)

    instruments = Instruments(_Meter("test"))
    barrier = threading.Barrier(8)

    def record() -> None:
        barrier.wait()
        instruments.record(_COUNTER, 1, {})

    threads = [threading.Thread(target=record) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert created == ["t.counter"]


@pytest.mark.parametrize(("spec", "kind"), [(_COUNTER, Sum), (_UPDOWN, Sum), (_GAUGE, Gauge)], ids=str)
def test_observed_instruments(spec: MetricSpec, kind: type[object], sdk: _Metrics) -> None:
    """A callback is read at each collection, for everything but histograms."""
    values = iter([3, 8])

    def read(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(next(values))

    sdk.instruments.observe(spec, read)
    first, second = sdk.collect()[spec.name], sdk.collect()[spec.name]

    assert isinstance(first.data, kind)
    assert (first.unit, first.description) == (spec.unit, spec.brief)
    assert [metric.data.data_points[0].value for metric in (first, second)] == [3, 8]
    assert getattr(first.data, "is_monotonic", False) == (spec is _COUNTER)


def test_a_metric_is_observed_once(sdk: _Metrics) -> None:
    """A second callback for the same metric, and any for a histogram, is refused."""
    sdk.instruments.observe(_GAUGE, lambda _: ())

    for spec in (_GAUGE, _HISTOGRAM):
        with pytest.raises(
            ValueError, match=rf"^{spec.name} cannot be observed: it is a histogram or observed already$"
        ):
            sdk.instruments.observe(spec, lambda _: ())
