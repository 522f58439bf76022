"""Readers: what each one sees, and when."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation

from capibara_otel.pipeline.metrics.data import InstrumentKind, Temporality
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import ExponentialBuckets
from capibara_otel.pipeline.scope import Resource
from tests.unit.pipeline.metrics.reading import Clock, metrics, point, points, provider, reader_and, values

DELTAS: dict[InstrumentKind, Temporality] = {
    "counter": "delta",
    "updowncounter": "delta",
    "gauge": "delta",
    "histogram": "delta",
    "observable_counter": "delta",
    "observable_updowncounter": "delta",
    "observable_gauge": "delta",
}


def test_a_reader_without_a_provider_reads_nothing() -> None:
    """Before it is added there is an empty collection."""
    reader = Reader()
    assert not reader.is_attached
    collection = reader.collect()
    assert (collection.scopes, collection.resource.attributes, collection.points) == ((), {}, 0)


def test_a_reader_has_one_provider(caplog: pytest.LogCaptureFixture) -> None:
    """Adding a reader a second time is said, and changes nothing."""
    reader = Reader()
    first, second = provider(reader), provider()
    with caplog.at_level(logging.WARNING, "capibara_otel"):
        second.add_metric_reader(reader)
        first.add_metric_reader(reader)
    assert len(caplog.records) == 2
    first.get_meter("m").create_counter("c").add(1)
    second.get_meter("m").create_counter("c").add(5)
    assert values(reader.collect(), "c") == [({}, 1)]


def test_cumulative_times() -> None:
    """Cumulative points begin where their series did and end at the collection; gauges have no beginning."""
    clock = Clock()
    reader, meter = reader_and(lambda made: made.get_meter("m"), time_ns=clock)
    counter, gauge = meter.create_counter("c"), meter.create_gauge("g")
    clock.now = 2_000
    counter.add(1)
    gauge.set(1)
    clock.now = 3_000
    reader.collect()
    clock.now = 4_000
    counter.add(1)
    counter.add(1, {"late": 1})
    clock.now = 5_000
    collection = reader.collect()
    assert [(each.start_ns, each.time_ns) for each in points(collection, "c")] == [(2_000, 5_000), (4_000, 5_000)]
    assert [(each.start_ns, each.time_ns) for each in points(collection, "g")] == [(0, 5_000)]


@pytest.mark.parametrize("create", ["create_counter", "create_up_down_counter", "create_histogram"])
def test_delta_times(create: str) -> None:
    """Deltas begin at the last collection; the first ones where their series did."""
    clock = Clock()
    reader, instrument = reader_and(
        lambda made: getattr(made.get_meter("m"), create)("i"), Reader(DELTAS), time_ns=clock
    )
    record = instrument.record if create == "create_histogram" else instrument.add
    reader.collect()
    clock.now = 2_000
    record(1)
    clock.now = 3_000
    assert point(reader.collect(), "i").start_ns == 2_000
    clock.now = 4_000
    assert points(reader.collect(), "i") == []
    clock.now = 5_000
    record(1, {"late": 1})
    record(1)
    clock.now = 6_000
    collection = reader.collect()
    assert [(each.start_ns, each.time_ns) for each in points(collection, "i")] == [(4_000, 6_000)] * 2
    assert metrics(collection)["i"].temporality == "delta"


def test_time_that_goes_back_makes_no_negative_interval() -> None:
    """A point never begins after it ends, whatever the clock does."""
    clock = Clock()
    reader, counter = reader_and(lambda made: made.get_meter("m").create_counter("c"), time_ns=clock)
    counter.add(1)
    clock.now = 10
    assert (point(reader.collect(), "c").start_ns, point(reader.collect(), "c").time_ns) == (10, 10)


def test_each_reader_reads_as_if_alone() -> None:
    """Cumulative and delta readers of one instrument see the same measurements, whoever collects when."""
    cumulative, delta, other = Reader(), Reader(DELTAS), Reader(DELTAS)
    meter = provider(cumulative, delta, other).get_meter("m")
    counter, gauge, histogram = meter.create_counter("c"), meter.create_gauge("g"), meter.create_histogram("h")

    def record(amount: float) -> None:
        counter.add(amount)
        gauge.set(amount)
        histogram.record(amount)

    def read(reader: Reader) -> list[Any]:
        collection = reader.collect()
        found = [values(collection, name) for name in "cgh"]
        extremes = [(each.minimum, each.maximum, each.sum) for each in points(collection, "h")]
        return [each[0][1] if each else None for each in found] + extremes

    record(5)
    assert read(delta) == [5, 5, 1, (5, 5, 5)]
    record(2)
    assert read(cumulative) == [7, 2, 2, (2, 5, 7)]
    assert read(delta) == [2, 2, 1, (2, 2, 2)]
    assert read(delta) == [None, None, None]
    record(9)
    assert read(other) == [16, 9, 3, (2, 9, 16)]
    assert read(cumulative) == [16, 9, 3, (2, 9, 16)]
    assert read(delta) == [9, 9, 1, (9, 9, 9)]


def test_readers_may_prefer_other_aggregations() -> None:
    """One instrument is kept in two ways for two readers, and in one way for readers that want the same."""
    page, otlp, more = Reader(), Reader(aggregation={"histogram": ExponentialBuckets()}), Reader(DELTAS)
    histogram = provider(page, otlp, more).get_meter("m").create_histogram("h")
    histogram.record(3, {"a": 1})
    assert [metrics(reader.collect())["h"].kind for reader in (page, otlp, more)] == [
        "histogram",
        "exponential_histogram",
        "histogram",
    ]
    assert len(histogram.streams) == 2


def test_a_late_reader_is_told_what_was_before() -> None:
    """A reader that comes later and aggregates as others do is told of everything since they began."""
    first = Reader()
    made = provider(first)
    histogram = made.get_meter("m").create_histogram("h")
    histogram.record(5)
    late = Reader(DELTAS)
    made.add_metric_reader(late)
    histogram.record(1)
    found = point(late.collect(), "h")
    assert (found.count, found.minimum, found.maximum) == (2, 1, 5)
    histogram.record(2)
    found = point(late.collect(), "h")
    assert (found.count, found.minimum, found.maximum) == (1, 2, 2)
    found = point(first.collect(), "h")
    assert (found.count, found.minimum, found.maximum) == (3, 1, 5)


def test_a_series_is_the_same_object_each_time() -> None:
    """What a reader keeps on a series is found there at the next collection."""
    for kinds in ({}, DELTAS):
        reader, meter = reader_and(lambda made: made.get_meter("m"), Reader(kinds))
        counter = meter.create_counter("c")
        meter.create_observable_gauge("o", [lambda _: [Observation(1, {"a": 1})]])
        counter.add(1, {"a": 1})
        first = {name: each.points[0].series for name, each in metrics(reader.collect()).items()}
        first["c"].page = "kept"
        counter.add(1, {"a": 1})
        again = {name: each.points[0].series for name, each in metrics(reader.collect()).items()}
        assert first == again
        assert again["c"].page == "kept"


def test_collections_may_overlap() -> None:
    """A collection in the middle of another one's callbacks gets all there is, and deltas are told once."""
    reader = Reader(DELTAS)
    inside: list[Any] = []

    def collect_elsewhere(_: CallbackOptions) -> list[Observation]:
        if not inside:
            inside.append(None)
            thread = threading.Thread(target=lambda: inside.append(values(reader.collect(timeout_millis=50), "c")))
            thread.start()
            thread.join()
        return []

    meter = provider(reader).get_meter("m")
    counter = meter.create_counter("c")
    meter.create_observable_gauge("o", [collect_elsewhere])
    counter.add(1)
    outer = values(reader.collect(), "c")
    assert inside == [None, [({}, 1)]]
    assert outer == []


def test_a_collection_within_a_collection_is_empty() -> None:
    """Who collects while this thread is reading, as a signal handler may, gets nothing instead of waiting for ever."""
    inside: list[Any] = []

    class Collecting(Clock):
        def __call__(self) -> int:
            if not inside and reader.is_attached and counter_is_made:
                inside.append(None)
                inside.append(reader.collect())
            return super().__call__()

    counter_is_made = False
    reader = Reader(DELTAS)
    made = provider(reader, time_ns=Collecting())
    counter = made.get_meter("m").create_counter("c")
    counter.add(1)
    counter_is_made = True
    outer = reader.collect()
    assert inside[1].scopes == ()
    assert values(outer, "c") == [({}, 1)]


def test_a_collection_names_its_resource() -> None:
    """A collection is of the provider's resource."""
    reader = Reader()
    made = provider(reader)
    assert reader.collect().resource is made.resource
    assert made.resource.attributes == {"service.name": "s"}
    child = Resource({"service.name": "child"})
    made.after_fork(child)
    assert reader.collect().resource is child
