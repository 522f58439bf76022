"""Instruments: what they take, what they refuse, which are the same."""

from __future__ import annotations

import logging
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from opentelemetry import metrics as api

from capibara_otel.pipeline.metrics.provider import MeterProvider
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import ExplicitBuckets, ExponentialBuckets
from capibara_otel.pipeline.scope import Resource
from tests.unit.pipeline.metrics.reading import metrics, point, points, provider, reader_and, values

LOGGER = "capibara_otel.pipeline.metrics"
KINDS = [
    ("create_counter", "add", api.Counter),
    ("create_up_down_counter", "add", api.UpDownCounter),
    ("create_gauge", "set", api._Gauge),
    ("create_histogram", "record", api.Histogram),
]


class Odd:
    """A number of a kind of its own, like those of numerical libraries."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value)


class Vicious:
    """No number, and it minds being asked."""

    def __float__(self) -> float:
        raise RuntimeError("not a number")

    def __index__(self) -> int:
        raise RuntimeError("not a number")

    def __repr__(self) -> str:
        return "Vicious()"


@pytest.mark.parametrize("is_bound", [False, True])
@pytest.mark.parametrize(("create", "method", "kind"), KINDS)
def test_what_is_no_number_in_range_is_refused(
    create: str, method: str, kind: type[Any], is_bound: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Not a number, not finite, or below what the instrument takes: said once for each reason, and left out."""
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    instrument: Any = getattr(meter, create)("i")
    assert isinstance(instrument, kind)
    record = getattr(instrument.bind() if is_bound else instrument, method)
    wrong: list[Any] = [math.nan, math.inf, -math.inf, "7", b"7", None, Vicious(), Decimal("nan"), [], 1j]
    with caplog.at_level(logging.WARNING, LOGGER):
        for amount in wrong:
            record(amount)
            record(amount)
        assert points(reader.collect(), "i") == []
        record(-1)
        record(-0.5)
    takes_negative = create in {"create_up_down_counter", "create_gauge"}
    assert bool(points(reader.collect(), "i")) is takes_negative
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (2 if takes_negative else 3)
    assert "nan is not finite" in said[0]
    assert "'7' is not a number" in said[1]


@pytest.mark.parametrize("is_bound", [False, True])
@pytest.mark.parametrize(("create", "method", "kind"), KINDS)
def test_any_kind_of_number_is_taken(create: str, method: str, kind: type[Any], is_bound: bool) -> None:
    """Numbers of other types are recorded as the int or the float they are."""
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    instrument: Any = getattr(meter, create)("i")
    amounts: list[tuple[Any, float]] = [(True, 1), (Decimal("2.5"), 2.5), (Fraction(1, 4), 0.25), (Odd(3), 3.0)]
    amounts += [(0, 0), (-0.0, 0.0), (2, 2), (1.5, 1.5)]
    for position, (amount, expected) in enumerate(amounts):
        attributes = {"n": position}
        getattr(instrument.bind(attributes) if is_bound else instrument, method)(
            amount, *(() if is_bound else (attributes,))
        )
        found = next(each for each in points(reader.collect(), "i") if each.series.attributes == attributes)
        value = found.sum if create == "create_histogram" else found.value
        assert (type(value), value) == (type(expected), expected)


def test_whole_sums_stay_whole() -> None:
    """A sum is an int until a float is added; what does not fit into OTLP's ints becomes a float."""
    reader, counter = reader_and(lambda made: made.get_meter("m").create_counter("c"))
    counter.add(2**62)
    assert type(point(reader.collect(), "c").value) is int
    counter.add(2**62)
    assert point(reader.collect(), "c").value == 2.0**63
    assert type(point(reader.collect(), "c").value) is float
    counter.add(10**400)
    assert math.isfinite(point(reader.collect(), "c").value)
    for preferred in (ExplicitBuckets(), ExponentialBuckets()):
        reader, histogram = reader_and(
            lambda made: made.get_meter("m").create_histogram("h"), Reader(aggregation={"histogram": preferred})
        )
        histogram.record(10**400)
        found = point(reader.collect(), "h")
        assert all(math.isfinite(each) for each in (found.sum, found.minimum, found.maximum))


def test_the_same_instrument_is_made_once() -> None:
    """Name, kind, unit and description make an instrument; upper and lower case are the same."""
    meter = provider(Reader()).get_meter("m")
    counter = meter.create_counter("Name", "s", "text")
    assert meter.create_counter("name", "s", "text") is counter
    others = [
        meter.create_counter("name", "s"),
        meter.create_counter("name", "By", "text"),
        meter.create_up_down_counter("name", "s", "text"),
        provider().get_meter("m").create_counter("name", "s", "text"),
    ]
    assert counter not in others
    assert (counter.name, counter.unit, counter.description) == ("name", "s", "text")


def test_other_advice_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A histogram made again with other boundaries keeps its first ones, and that is said."""
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    histogram = meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2])
    with caplog.at_level(logging.WARNING, LOGGER):
        assert meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2]) is histogram
        assert caplog.records == []
        assert meter.create_histogram("h", explicit_bucket_boundaries_advisory=[3]) is histogram
    assert "other bucket boundaries" in caplog.text
    histogram.record(1)
    assert tuple(point(reader.collect(), "h").bounds) == (1, 2)


@pytest.mark.parametrize("advised", ["12", [2, 1], [1, 1], [math.inf], ["1"], 5, [math.nan]])
def test_bad_advice_is_left_out(advised: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Boundaries that cannot be boundaries are said, and the usual ones hold."""
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    with caplog.at_level(logging.WARNING, LOGGER):
        meter.create_histogram("h", explicit_bucket_boundaries_advisory=advised).record(1)
    assert "explicit_bucket_boundaries_advisory" in caplog.text
    assert len(point(reader.collect(), "h").bounds) == 15


@pytest.mark.parametrize("name", ["", "1st", "ä", "a b", "x" * 256, None, 7])
def test_an_invalid_instrument_records_nothing(name: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An invalid name is said, and code that uses the instrument goes on."""
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    with caplog.at_level(logging.ERROR, LOGGER):
        for create, method, _ in KINDS:
            instrument = getattr(meter, create)(name)
            getattr(instrument, method)(1)
            getattr(instrument.bind({"a": 1}), method)(1)
        meter.create_observable_gauge(name, [lambda _: [api.Observation(1)]])
    assert len(caplog.records) == 5
    assert reader.collect().scopes == []


def test_an_invalid_unit_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A unit that is too long or not ASCII is said; None is none."""
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    with caplog.at_level(logging.ERROR, LOGGER):
        meter.create_counter("a", "x" * 64).add(1)
        meter.create_counter("b", "µs").add(1)
        assert len(caplog.records) == 2
        meter.create_counter("c", None, None).add(1)
    assert [(metric.name, metric.unit, metric.description) for metric in metrics(reader.collect()).values()] == [
        ("c", "", "")
    ]


def test_a_scope_has_one_meter() -> None:
    """Name, version, schema and attributes make a scope, which its metrics carry."""
    reader = Reader()
    made = provider(reader)
    assert made.get_meter("deep", attributes={"a": {"b": 1}}) is made.get_meter("deep", attributes={"a": {"b": 1}})
    meter = made.get_meter("m", "1", "https://schema", {"a": [1]})
    assert made.get_meter("m", "1", "https://schema", {"a": (1,)}) is meter
    assert made.get_meter("m", "1", "https://schema") is not meter
    assert made.get_meter("m", "2", "https://schema", {"a": [1]}) is not meter
    assert made.get_meter("x", None, None) is made.get_meter("x", "", "")
    meter.create_counter("c").add(1)
    (scope,) = reader.collect().scopes
    assert (scope.scope.name, scope.scope.version, scope.scope.schema_url) == ("m", "1", "https://schema")
    assert scope.scope.attributes == {"a": (1,)}
    assert (meter.name, meter.version, meter.schema_url) == ("m", "1", "https://schema")


def test_metrics_of_one_scope_come_together() -> None:
    """A collection has each scope once, with its metrics in the order they were made."""
    reader = Reader()
    made = provider(reader)
    for name in ("m", "n", "m"):
        made.get_meter(name).create_counter(f"c{len(made._instruments)}").add(1)
    collection = reader.collect()
    assert [(each.scope.name, [metric.name for metric in each.metrics]) for each in collection.scopes] == [
        ("m", ["c0", "c2"]),
        ("n", ["c1"]),
    ]
    assert collection.points == 3


def test_without_a_name_nothing_is_recorded(caplog: pytest.LogCaptureFixture) -> None:
    """A meter without a name is said, and its instruments do nothing."""
    reader, made = reader_and(lambda made: made)
    with caplog.at_level(logging.WARNING, LOGGER):
        meter = made.get_meter("")
    meter.create_counter("c").bind().add(1)
    assert "must have a name" in caplog.text
    assert reader.collect().scopes == []


def test_after_the_shutdown_meters_record_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A provider that is shut down makes no instruments that record; a second shutdown is said."""
    reader, made = reader_and(lambda made: made)
    counter = made.get_meter("m").create_counter("c")
    made.shutdown()
    with caplog.at_level(logging.WARNING, LOGGER):
        made.get_meter("late").create_counter("d").add(1)
        made.shutdown()
    counter.add(1)
    assert list(metrics(reader.collect())) == ["c"]
    assert [record.getMessage() for record in caplog.records] == [
        "the provider is shut down: what this meter's instruments measure is not recorded",
        "the meter provider is shut down already",
    ]


def test_faults_while_recording_are_kept_from_the_app(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A value whose text cannot be had, or a context that is none, harms no caller."""

    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError("no")

    monkeypatch.setenv("CAPIBARA_RAISE", "0")
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    counter, histogram, gauge = meter.create_counter("c"), meter.create_histogram("h"), meter.create_gauge("g")
    counter.add(1, {"a": Unspeakable()})
    wrong: Any = 7
    counter.add(1, {"a": "x"}, wrong)
    counter.bind({"a": "y"}).add(1, wrong)
    histogram.bind().record(1, wrong)
    gauge.bind().set(1, wrong)
    assert values(reader.collect(), "c") == [({"a": "x"}, 1), ({"a": "y"}, 1)]
    assert len(points(reader.collect(), "h")) == len(points(reader.collect(), "g")) == 1


def test_nothing_is_recorded_without_a_reader() -> None:
    """Instruments of a provider without readers do nothing, and start with the first reader."""
    made = MeterProvider(Resource())
    counter = made.get_meter("m").create_counter("c")
    bound = counter.bind({"a": 1})
    counter.add(1)
    bound.add(1)
    reader = Reader()
    made.add_metric_reader(reader)
    bound.add(2)
    counter.add(3)
    assert values(reader.collect(), "c") == [({"a": 1}, 2), ({}, 3)]


def test_the_apis_proxies_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instruments made of the API before the provider is set record into it afterwards."""
    proxy = api._internal._ProxyMeterProvider()
    meter = proxy.get_meter("m")
    counter, gauge = meter.create_counter("c"), meter.create_gauge("g")
    histogram = meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1])
    up_down = meter.create_up_down_counter("u")
    meter.create_observable_gauge("o", [lambda _: [api.Observation(5)]])
    reader = Reader()
    proxy.on_set_meter_provider(provider(reader))
    counter.add(1, {"a": 1})
    gauge.set(2)
    histogram.record(3)
    up_down.add(-4)
    collection = reader.collect()
    assert {name: each.points[0].series.attributes for name, each in metrics(collection).items()} == {
        "c": {"a": 1},
        "g": {},
        "h": {},
        "u": {},
        "o": {},
    }
