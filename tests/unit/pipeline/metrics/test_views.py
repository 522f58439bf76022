"""Views choose instruments and change their metrics."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest
from opentelemetry.metrics import Observation

from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import Drop, ExplicitBuckets, ExponentialBuckets, LastValue, Sum, View
from tests.unit.pipeline.metrics.reading import metrics, point, provider, reader_and, values

LOGGER = "capibara_otel.pipeline.metrics"


def test_several_views_make_several_metrics() -> None:
    """Each view that fits makes a metric; without one there is the default."""
    reader, meter = reader_and(
        lambda made: made.get_meter("m"),
        views=[
            View(instrument_name="c", name="by_a", attribute_keys={"a"}),
            View(instrument_name="c", name="last", description="text", aggregation=LastValue()),
            View(instrument_name="gone", aggregation=Drop()),
        ],
    )
    counter = meter.create_counter("c", "s", "original")
    counter.add(1, {"a": 1, "b": 1})
    counter.add(2, {"a": 1, "b": 2})
    meter.create_counter("gone").add(1)
    meter.create_counter("other").add(1)
    found = metrics(reader.collect())
    assert list(found) == ["by_a", "last", "other"]
    assert [(dict(each.series.attributes), each.value) for each in found["by_a"].points] == [({"a": 1}, 3)]
    assert (found["by_a"].kind, found["by_a"].monotonic, found["by_a"].description) == ("sum", True, "original")
    assert (found["last"].kind, found["last"].monotonic, found["last"].description) == ("gauge", False, "text")
    assert [each.value for each in found["last"].points] == [1, 2]
    assert (found["last"].unit, found["last"].temporality) == ("s", "cumulative")


@pytest.mark.parametrize(
    ("criteria", "fits"),
    [
        ({"instrument_name": "Http.*"}, True),
        ({"instrument_name": "http.???"}, True),
        ({"instrument_name": "http"}, False),
        ({"instrument_type": "counter"}, True),
        ({"instrument_type": "histogram"}, False),
        ({"instrument_unit": "{r*}"}, True),
        ({"instrument_unit": "{R*}"}, False),
        ({"meter_name": "m", "meter_version": "1", "meter_schema_url": "url"}, True),
        ({"meter_name": "m*"}, False),
        ({"meter_version": "2"}, False),
        ({"meter_schema_url": "u"}, False),
        ({"instrument_name": "http.*", "meter_name": "other"}, False),
    ],
)
def test_all_criteria_must_fit(criteria: dict[str, Any], fits: bool) -> None:
    """Names fit in any case and with wildcards; what belongs to the meter must be equal."""
    reader, made = reader_and(lambda made: made, views=[View(**criteria, aggregation=Drop())])
    made.get_meter("m", "1", "url").create_counter("http.Req", "{req}").add(1)
    assert (reader.collect().scopes == []) is fits


def test_views_that_choose_nothing_are_refused() -> None:
    """A view needs a criterion, and gives a name to one metric only."""
    with pytest.raises(ValueError, match="something to choose instruments by"):
        View(name="x")
    with pytest.raises(ValueError, match="would give its name to all that fit 'a\\?'"):
        View(instrument_name="a?", name="x")


@pytest.mark.parametrize("bounds", [[1, 1], [2, 1], [math.inf], [math.nan], ["1"]])
def test_bounds_must_rise(bounds: Any) -> None:
    """Bounds are finite numbers that rise."""
    with pytest.raises(ValueError, match="must be finite and rise"):
        ExplicitBuckets(bounds)


@pytest.mark.parametrize("words", [{"max_size": 1}, {"max_size": 20_000}, {"max_scale": 21}, {"max_scale": -11}])
def test_exponential_buckets_have_a_range(words: dict[str, Any]) -> None:
    """Size and scale are in the ranges that can be."""
    with pytest.raises(ValueError, match=next(iter(words))):
        ExponentialBuckets(**words)


def test_bounds_come_from_the_nearest() -> None:
    """A view's bounds go before the instrument's advice, that before the usual ones; there may be none at all."""
    reader, meter = reader_and(
        lambda made: made.get_meter("m"),
        views=[
            View(instrument_name="viewed", aggregation=ExplicitBuckets([5])),
            View(instrument_name="open", aggregation=ExplicitBuckets(record_min_max=False)),
            View(instrument_name="one", aggregation=ExplicitBuckets([])),
        ],
    )
    for name in ("viewed", "open", "one", "advised"):
        meter.create_histogram(name, explicit_bucket_boundaries_advisory=[1, 2]).record(3)
    meter.create_histogram("usual").record(3)
    collection = reader.collect()
    assert {name: tuple(each.points[0].bounds) for name, each in metrics(collection).items() if name != "usual"} == {
        "viewed": (5,),
        "open": (1, 2),
        "one": (),
        "advised": (1, 2),
    }
    assert len(point(collection, "usual").counts) == 16
    assert (point(collection, "open").minimum, point(collection, "open").maximum) == (None, None)
    assert point(collection, "one").counts == [1]


def test_without_extremes_deltas_have_none() -> None:
    """Extremes that are not wanted are not told of intervals either."""
    reader = Reader({"histogram": "delta"})
    views = [View(instrument_name="h", aggregation=ExponentialBuckets(record_min_max=False))]
    histogram = provider(reader, views=views).get_meter("m").create_histogram("h")
    for _ in range(2):
        histogram.record(3)
        found = point(reader.collect(), "h")
        assert (found.minimum, found.maximum) == (None, None)


def test_what_is_observed_is_no_histogram(caplog: pytest.LogCaptureFixture) -> None:
    """A view that would make a histogram of an observed instrument is not applied, and that is said."""
    with caplog.at_level(logging.WARNING, LOGGER):
        reader, _ = reader_and(
            lambda made: made.get_meter("m").create_observable_gauge("o", [lambda _: [Observation(1)]]),
            views=[View(instrument_name="o", name="renamed", aggregation=ExponentialBuckets())],
        )
    assert "is observed and no histogram" in caplog.text
    assert values(reader.collect(), "o") == [({}, 1)]


def test_a_preferred_histogram_leaves_observations_out() -> None:
    """A reader that prefers histograms of what is observed reads nothing of it, as the official SDK's do not."""
    reader = Reader(aggregation={"observable_gauge": ExplicitBuckets()})
    provider(reader).get_meter("m").create_observable_gauge("o", [lambda _: [Observation(1)]])
    assert reader.collect().scopes == []


def test_two_metrics_of_one_name_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """A view that gives a metric the name of another one of the same kind and unit is said."""
    reader, meter = reader_and(lambda made: made.get_meter("m"), views=[View(instrument_name="b", name="a")])
    with caplog.at_level(logging.WARNING, LOGGER):
        meter.create_counter("a").add(1)
        meter.create_histogram("b", description="another kind").record(1)
        assert caplog.records == []
        meter.create_counter("b").add(1)
    assert "a second metric of one name" in caplog.text
    assert reader.collect().points == 3


def test_sums_of_other_instruments_are_not_monotonic() -> None:
    """The sum of a histogram's or a gauge's measurements may fall."""
    reader, meter = reader_and(lambda made: made.get_meter("m"), views=[View(instrument_name="*", aggregation=Sum())])
    meter.create_histogram("h").record(2)
    meter.create_gauge("g").set(-3)
    found = metrics(reader.collect())
    assert [(each.kind, each.monotonic, each.points[0].value) for each in found.values()] == [
        ("sum", False, 2),
        ("sum", False, -3),
    ]
