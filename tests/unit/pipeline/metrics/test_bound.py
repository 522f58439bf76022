"""Handles on one series."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from opentelemetry import context, trace

from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import ExplicitBuckets, ExponentialBuckets, LastValue, Sum, View
from tests.unit.pipeline.metrics.reading import in_span, metrics, point, points, provider, reader_and, values

KINDS = [
    ("create_counter", "add"),
    ("create_up_down_counter", "add"),
    ("create_gauge", "set"),
    ("create_histogram", "record"),
]


@pytest.mark.parametrize(("create", "method"), KINDS)
@pytest.mark.parametrize("aggregation", [None, Sum(), LastValue(), ExplicitBuckets((1, 2)), ExponentialBuckets()])
@pytest.mark.parametrize("readers", [1, 2])
def test_a_handle_records_as_its_instrument_does(create: str, method: str, aggregation: Any, readers: int) -> None:
    """Bound or not, the same measurements make the same metrics, whatever the aggregations."""
    found = []
    for is_bound in (False, True):
        many = [Reader(), Reader(aggregation={"histogram": ExponentialBuckets()})][:readers]
        views = [View(instrument_name="*", aggregation=aggregation)] if aggregation else []
        instrument = getattr(provider(*many, views=views).get_meter("m"), create)("i")
        for attributes in ({"a": "x", "b": 1}, None, {"a": ["x"]}):
            if is_bound:
                record = getattr(instrument.bind(attributes), method)
                for amount in (1, 2.5, 0):
                    record(amount)
            else:
                for amount in (1, 2.5, 0):
                    getattr(instrument, method)(amount, attributes)
        found.append([repr(shown(reader)) for reader in many])
    assert found[0] == found[1]


def shown(reader: Reader) -> list[Any]:
    """Return what a reader reads, without times."""
    names = ("value", "counts", "count", "sum", "minimum", "maximum", "positive_counts")
    return [
        (metric.name, metric.kind, dict(each.series.attributes), *(getattr(each, name, None) for name in names))
        for metric in metrics(reader.collect()).values()
        for each in metric.points
    ]


def test_a_handle_shows_nothing_before_it_is_used() -> None:
    """A series appears with its first measurement, also if that adds nothing."""
    reader, counter = reader_and(lambda made: made.get_meter("m").create_counter("c"))
    bound = counter.bind({"a": 1})
    assert points(reader.collect(), "c") == []
    bound.add(0)
    assert values(reader.collect(), "c") == [({"a": 1}, 0)]


def test_a_handle_keeps_its_attributes() -> None:
    """What happens to the mapping after it was bound changes nothing."""
    reader, counter = reader_and(lambda made: made.get_meter("m").create_counter("c"))
    attributes: dict[str, Any] = {"a": [1]}
    bound = counter.bind(attributes)
    attributes["a"].append(2)
    attributes["b"] = 1
    bound.add(1)
    assert values(reader.collect(), "c") == [({"a": (1,)}, 1)]


def test_handles_and_instrument_share_a_series() -> None:
    """All handles on a set of attributes, and the instrument, add to the same series."""
    reader, counter = reader_and(lambda made: made.get_meter("m").create_counter("c"))
    counter.bind({"a": 1, "b": "x"}).add(1)
    counter.bind({"b": "x", "a": 1}).add(10)
    counter.add(100, {"a": 1, "b": "x"})
    assert values(reader.collect(), "c") == [({"a": 1, "b": "x"}, 111)]


def test_threads_share_a_handle() -> None:
    """A handle made in one thread is used by others, before and after its own."""
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    counter, histogram = meter.create_counter("c").bind(), meter.create_histogram("h").bind()

    def use() -> None:
        counter.add(2)
        histogram.record(3)

    for _ in range(2):
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        use()
    assert point(reader.collect(), "c").value == 8
    assert (point(reader.collect(), "h").count, point(reader.collect(), "h").sum) == (4, 12)


@pytest.mark.parametrize(("create", "method"), KINDS)
def test_a_reader_that_comes_later_is_written_too(create: str, method: str) -> None:
    """A handle, and a method taken from it, write into the streams of readers that come later."""
    first = Reader()
    made = provider(first)
    instrument = getattr(made.get_meter("m"), create)("i")
    bound = instrument.bind({"a": 1})
    record = getattr(bound, method)
    record(1)
    late = Reader(aggregation={"histogram": ExponentialBuckets(), "counter": LastValue(), "gauge": Sum()})
    made.add_metric_reader(late)
    record(2)
    getattr(bound, method)(3)
    assert len(points(first.collect(), "i")) == 1
    found = point(late.collect(), "i")
    assert getattr(found, "count", None) == 2 if create == "create_histogram" else found.value in {3, 5, 6}


def test_a_handle_takes_the_context_for_the_exemplar() -> None:
    """The exemplar is of the span in the context that is handed in, else of the current one."""
    reader, meter = reader_and(lambda made: made.get_meter("m"))

    with in_span(7, 8):
        given = trace.set_span_in_context(trace.get_current_span(), context.Context())
    for bound, name in (
        (meter.create_counter("c").bind().add, "c"),
        (meter.create_up_down_counter("u").bind().add, "u"),
        (meter.create_gauge("g").bind().set, "g"),
        (meter.create_histogram("h").bind().record, "h"),
    ):
        with in_span(1):
            bound(1, given)
        (exemplar,) = point(reader.collect(), name).exemplars
        assert (exemplar.trace_id, exemplar.span_id, exemplar.value) == (7, 8, 1)
