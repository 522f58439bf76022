"""Which measurements are shown as exemplars, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from capibara_otel.pipeline.metrics.exemplars import how_to_look
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import ExponentialBuckets, View
from tests.unit.pipeline.metrics.reading import Clock, in_span, metrics, point, provider, reader_and

RECORDERS: dict[str, Callable[[Any], Callable[..., None]]] = {
    "counter": lambda meter: meter.create_counter("i").add,
    "updowncounter": lambda meter: meter.create_up_down_counter("i").add,
    "gauge": lambda meter: meter.create_gauge("i").set,
    "histogram": lambda meter: meter.create_histogram("i").record,
    "bound counter": lambda meter: meter.create_counter("i").bind().add,
    "bound updowncounter": lambda meter: meter.create_up_down_counter("i").bind().add,
    "bound gauge": lambda meter: meter.create_gauge("i").bind().set,
    "bound histogram": lambda meter: meter.create_histogram("i").bind().record,
    "exponential": lambda meter: meter.create_histogram("exponential").record,
}
EXPONENTIAL = View(instrument_name="exponential", name="i", aggregation=ExponentialBuckets())


def shown(reader: Reader) -> list[tuple[float, int]]:
    """Return value and trace of the exemplars that are shown now."""
    return [(exemplar.value, exemplar.trace_id) for exemplar in point(reader.collect(), "i").exemplars]


@pytest.fixture(params=RECORDERS)
def make(request: pytest.FixtureRequest) -> Callable[[Any], Callable[..., None]]:
    """Each way to record."""
    return RECORDERS[request.param]


def test_the_first_in_a_sampled_span_is_taken(make: Callable[[Any], Callable[..., None]]) -> None:
    """By default an exemplar is the first measurement of an interval that was made in a sampled span."""
    reader, record = reader_and(lambda made: make(made.get_meter("m")), views=[EXPONENTIAL])
    record(1)
    with in_span(1, is_sampled=False):
        record(1)
    assert shown(reader) == []
    with in_span(2):
        record(1)
    with in_span(3):
        record(1)
    assert shown(reader) == [(1, 2)]
    assert shown(reader) == []
    with in_span(4):
        record(1)
    assert shown(reader) == [(1, 4)]


def test_all_or_none_are_taken(make: Callable[[Any], Callable[..., None]]) -> None:
    """`always_on` takes measurements outside of spans and in unsampled ones, `always_off` none at all."""
    reader, record = reader_and(
        lambda made: make(made.get_meter("m")), views=[EXPONENTIAL], exemplar_filter="always_on"
    )
    record(1)
    assert shown(reader) == [(1, 0)]
    with in_span(2, is_sampled=False):
        record(1)
    assert shown(reader) == [(1, 2)]
    reader, record = reader_and(
        lambda made: make(made.get_meter("m")), views=[EXPONENTIAL], exemplar_filter="always_off"
    )
    with in_span(3):
        record(1)
    assert shown(reader) == []


def test_a_context_that_is_given_counts(make: Callable[[Any], Callable[..., None]]) -> None:
    """A span in the context that the caller gives goes before the current one; an empty context is none."""
    with in_span(5):
        given = trace.set_span_in_context(trace.get_current_span(), Context())
    reader, record = reader_and(lambda made: make(made.get_meter("m")), views=[EXPONENTIAL])
    with in_span(6):
        record(1, context=given)
        assert shown(reader) == [(1, 5)]
        record(1, context=Context())
        assert shown(reader) == [(1, 6)]
        record(1, context=Context({"other": 1}))
        assert shown(reader) == []


def test_an_unknown_filter_is_refused() -> None:
    """The filter has one of OpenTelemetry's names."""
    with pytest.raises(ValueError, match="exemplar_filter must be one of trace_based, always_on, always_off, not 'x'"):
        provider(exemplar_filter="x")


def test_each_bucket_has_its_own() -> None:
    """A histogram shows the first of each bucket, in the order of the buckets."""
    reader, histogram = reader_and(
        lambda made: made.get_meter("m").create_histogram("i", explicit_bucket_boundaries_advisory=[1, 10])
    )
    for trace_id, value in enumerate((50, 5, 6, 0.5, 60), start=1):
        with in_span(trace_id):
            histogram.record(value)
    assert shown(reader) == [(0.5, 4), (5, 2), (50, 1)]


def test_readers_do_not_take_each_others() -> None:
    """Each reader shows what came since its own last collection, whoever collects in between."""
    often, seldom = Reader(), Reader({"histogram": "delta"})
    histogram = provider(often, seldom).get_meter("m").create_histogram("i", explicit_bucket_boundaries_advisory=[10])
    with in_span(1):
        histogram.record(1)
    assert shown(often) == [(1, 1)]
    with in_span(2):
        histogram.record(2)
        histogram.record(20)
    assert shown(often) == [(2, 2), (20, 2)]
    assert shown(seldom) == [(1, 1), (20, 2)]
    assert shown(often) == []


def test_latest_readers_go_on_showing(make: Callable[[Any], Callable[..., None]]) -> None:
    """A reader of the latest shows an exemplar until there is another; other readers show it once."""
    latest, interval = Reader(exemplars="latest"), Reader()
    record = make(provider(latest, interval, views=[EXPONENTIAL]).get_meter("m"))
    with in_span(1):
        record(1)
    assert [shown(latest), shown(latest), shown(interval), shown(interval)] == [[(1, 1)], [(1, 1)], [(1, 1)], []]
    with in_span(2):
        record(1)
        record(1)
    assert [shown(latest), shown(latest)] == [[(1, 2)], [(1, 2)]]


def test_an_exemplar_carries_what_the_series_does_not() -> None:
    """Attributes that a view leaves out are on the exemplar, cleaned; those of the series are not."""
    clock = Clock()
    reader, counter = reader_and(
        lambda made: made.get_meter("m").create_counter("i"),
        views=[View(instrument_name="*", attribute_keys={"a"})],
        time_ns=clock,
    )
    clock.now = 5_000
    with in_span(1, 2):
        counter.add(3, {"a": 1, "user": ["u"]})
    (exemplar,) = point(reader.collect(), "i").exemplars
    assert exemplar.attributes == {"user": ("u",)}
    assert (exemplar.time_ns, exemplar.trace_id, exemplar.span_id, exemplar.value) == (5_000, 1, 2, 3)
    with in_span(1, 2):
        counter.bind({"a": 1, "user": "v"}).add(1)
    (exemplar,) = point(reader.collect(), "i").exemplars
    assert exemplar.attributes == {"user": "v"}


def test_observations_have_exemplars() -> None:
    """An observation in a sampled context has one, also in a context of its own."""
    with in_span(9):
        given = trace.set_span_in_context(trace.get_current_span(), Context())
    told: list[Context | None] = [given]

    def observe(_: CallbackOptions) -> list[Observation]:
        return [Observation(1, {"a": 1}, told[0])]

    once, latest = Reader(), Reader(exemplars="latest")
    provider(once, latest).get_meter("m").create_observable_counter("i", [observe])
    assert [shown(once), shown(latest)] == [[(1, 9)], [(1, 9)]]
    told[0] = None
    assert [shown(once), shown(latest)] == [[], [(1, 9)]]


def test_exemplars_are_those_of_the_sdk() -> None:
    """Where there is one measurement to choose from in each bucket and interval, the SDK shows the same exemplars."""
    own, theirs = InMemoryMetricReader(), InMemoryMetricReader()
    meters: list[Any] = [
        provider(own).get_meter("m"),
        sdk.MeterProvider([theirs], shutdown_on_exit=False).get_meter("m"),
    ]
    recorders = [
        (meter.create_counter("c").add, meter.create_histogram("h").record, meter.create_gauge("g").set)
        for meter in meters
    ]
    for interval in range(3):
        for amount, attributes in ((1, {"a": 1}), (7, {"a": 1}), (7000.5, None)):
            for add, record, put in recorders:
                with in_span(100 + interval, amount.__hash__()):
                    record(amount, attributes)
                    if amount != 7:
                        add(amount, attributes)
                        put(amount, attributes)
                record(amount + 1, attributes)
        found = [
            {
                (metric.name, str(each.attributes)): [
                    (one.value, one.trace_id, one.span_id, one.filtered_attributes or {}) for one in each.exemplars
                ]
                for resource in data.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
                for each in metric.data.data_points
            }
            for data in (own.get_metrics_data(), theirs.get_metrics_data())
            if data is not None
        ]
        assert found[0] == found[1]
        assert len(found[0]) == 6
        assert all(found[0].values())


def test_other_kinds_of_contexts_are_asked_through_the_api() -> None:
    """Where contexts are not the usual ones, the API tells the current one."""

    class Other(ContextVarsRuntimeContext):
        pass

    usual = ContextVarsRuntimeContext()
    usual.attach(Context({"a": 1}))
    assert how_to_look(usual)() == {"a": 1}
    assert how_to_look(Other()) is context.get_current


def test_a_span_that_fails_costs_the_exemplar_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken span in the context loses the exemplar, not the measurement."""

    class Broken(trace.NonRecordingSpan):
        def get_span_context(self) -> trace.SpanContext:
            raise RuntimeError("broken")

    monkeypatch.setenv("CAPIBARA_RAISE", "0")
    reader, counter = reader_and(lambda made: made.get_meter("m").create_counter("i"))
    token = context.attach(trace.set_span_in_context(Broken(trace.INVALID_SPAN_CONTEXT)))
    counter.add(1)
    counter.bind().add(1)
    context.detach(token)
    assert point(reader.collect(), "i").value == 2
    assert [metric.points[0].exemplars for metric in metrics(reader.collect()).values()] == [()]
