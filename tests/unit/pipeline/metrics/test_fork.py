"""A forked child starts from zero."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import ExponentialBuckets
from capibara_otel.pipeline.scope import Resource
from tests.unit.pipeline.metrics.reading import in_span, points, provider, values

CHILD = Resource({"service.name": "child"})


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_nothing_of_the_parent_is_left(temporality: Any) -> None:
    """Values, series, exemplars and overflow are the child's own; handles and instruments go on."""
    reader = Reader({"counter": temporality, "histogram": temporality, "gauge": temporality}, exemplars="latest")
    other = Reader(aggregation={"histogram": ExponentialBuckets()})
    made = provider(reader, other, cardinality_limit=2)
    meter = made.get_meter("m")
    counter, gauge, histogram = meter.create_counter("c"), meter.create_gauge("g"), meter.create_histogram("h")
    bound, bound_histogram = counter.bind({"a": 1}), histogram.bind()
    with in_span(1):
        for number in range(5):
            counter.add(10, {"n": number})
            bound.add(10)
            gauge.set(10)
            bound_histogram.record(10)
    reader.collect()
    made.after_fork(CHILD)
    assert reader.collect().scopes == []
    assert other.collect().scopes == []
    bound.add(1)
    bound_histogram.record(1)
    counter.add(2, {"n": 4})
    assert values(reader.collect(), "c") == [({"a": 1}, 1), ({"n": 4}, 2)]
    for each in (reader, other):
        if temporality == "cumulative" or each is other:
            (found,) = points(each.collect(), "h")
            assert (found.count, found.minimum, found.maximum, list(found.exemplars)) == (1, 1, 1, [])
    assert points(reader.collect(), "g") == []


def test_what_is_observed_is_asked_anew() -> None:
    """The child asks callbacks, and knows nothing of what the parent had seen."""
    reader = Reader({"observable_counter": "delta"})
    made = provider(reader)
    made.get_meter("m").create_observable_counter("o", [lambda _: [Observation(7)]])
    reader.collect()
    made.after_fork(CHILD)
    assert values(reader.collect(), "o") == [({}, 7)]


def in_child(work: Callable[[], Any]) -> Any:
    """Return what this returns in a forked child."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    return json.loads(found)


def test_a_child_of_a_parent_that_was_collecting() -> None:
    """A child forked in the middle of a collection, by a callback, collects and records on its own."""
    reader, official = Reader(), InMemoryMetricReader()
    made = provider(reader, official)
    meter = made.get_meter("m")
    counter = meter.create_counter("c")
    bound = counter.bind({"bound": True})
    found: list[Any] = []

    def in_the_child() -> Any:
        made.after_fork(CHILD)
        bound.add(1)
        counter.add(2)
        data = official.get_metrics_data()
        assert data is not None
        return [values(reader.collect(), "c"), dict(data.resource_metrics[0].resource.attributes)]

    def fork(_: Any) -> list[Observation]:
        if not found:
            found.append(None)
            found.append(in_child(in_the_child))
        return []

    meter.create_observable_gauge("o", [fork])
    bound.add(100)
    counter.add(100)
    assert values(reader.collect(), "c") == [({"bound": True}, 100), ({}, 100)]
    assert found[1] == [[[{"bound": True}, 1], [{}, 2]], {"service.name": "child"}]
