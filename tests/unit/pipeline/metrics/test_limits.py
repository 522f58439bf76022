"""What happens when a metric has too many series."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation

from capibara_otel.pipeline.metrics.data import Temporality
from capibara_otel.pipeline.metrics.reader import Reader
from capibara_otel.pipeline.metrics.views import ExponentialBuckets, View
from tests.unit.pipeline.metrics.reading import Clock, points, provider, reader_and, values

OVERFLOW = {"otel.metric.overflow": True}
LOGGER = "capibara_otel.pipeline.metrics.collector"

Told = list[tuple[str, str, int]]


def test_the_first_series_are_kept() -> None:
    """Up to the limit there is a series per set; all later sets are one series, and known ones go on."""
    reader, counter = reader_and(lambda made: made.get_meter("m").create_counter("c"), cardinality_limit=2)
    for user in ("a", "b", "c", "d", "a", "c"):
        counter.add(1, {"user": user})
    counter.bind({"user": "e"}).add(10)
    counter.bind({"user": "b"}).add(100)
    assert values(reader.collect(), "c") == [({"user": "a"}, 2), ({"user": "b"}, 101), (OVERFLOW, 13)]


@pytest.mark.parametrize(
    ("create", "method"),
    [
        ("create_counter", "add"),
        ("create_up_down_counter", "add"),
        ("create_gauge", "set"),
        ("create_histogram", "record"),
    ],
)
def test_every_kind_has_the_limit(create: str, method: str) -> None:
    """Each kind of instrument folds what goes beyond, bound or not."""
    reader, meter = reader_and(lambda made: made.get_meter("m"), cardinality_limit=1)
    instrument = getattr(meter, create)("i")
    getattr(instrument, method)(1, {"a": [1]})
    getattr(instrument, method)(2, {"a": [2]})
    getattr(instrument.bind({"a": (3,)}), method)(3)
    assert [attributes for attributes, _ in values(reader.collect(), "i")] == [{"a": (1,)}, OVERFLOW]


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
@pytest.mark.parametrize(
    ("create", "method", "first", "then"),
    [
        ("create_counter", "add", 110, {"cumulative": 117, "delta": 7}),
        ("create_gauge", "set", 100, {"cumulative": 7, "delta": 7}),
        ("create_histogram", "record", 2, {"cumulative": 3, "delta": 1}),
    ],
)
def test_series_that_are_made_at_once(
    create: str, method: str, first: int, then: dict[str, int], temporality: Temporality
) -> None:
    """Where a series is made while another one is being made, the later one counts as part of the overflow."""
    is_interrupted = True

    class Interrupting(Clock):
        def __call__(self) -> int:
            nonlocal is_interrupted
            self.now += 1
            if not is_interrupted:
                is_interrupted = True
                record(1, {"n": "inner"})
            return super().__call__()

    reader = Reader({"counter": temporality, "gauge": temporality, "histogram": temporality})
    meter = provider(reader, cardinality_limit=1, time_ns=Interrupting()).get_meter("m")
    record = getattr(getattr(meter, create)("i"), method)
    is_interrupted = False
    record(10, {"n": "outer"})
    record(100, {"n": "later"})
    found = values(reader.collect(), "i")
    assert [attributes for attributes, _ in found] == [{"n": "inner"}, OVERFLOW]
    assert found[1][1] == first
    record(7, {"n": "outer"})
    assert values(reader.collect(), "i")[-1] == (OVERFLOW, then[temporality])


def test_somebody_may_use_the_overflows_attributes() -> None:
    """What is recorded with the attributes of the overflow goes into it."""
    for order in ((OVERFLOW, {"a": "1"}, {"a": "2"}), ({"a": "1"}, {"a": "2"}, OVERFLOW)):
        reader, counter = reader_and(lambda made: made.get_meter("m").create_counter("c"), cardinality_limit=1)
        for attributes in order:
            counter.add(1, attributes)
        found = values(reader.collect(), "c")
        assert sum(value for _, value in found) == 3
        assert len({str(attributes) for attributes, _ in found}) == len(found)


def test_overflow_is_told_after_collections(caplog: pytest.LogCaptureFixture) -> None:
    """One log line per metric says which, its limit, the attribute at fault and what to do; counts come each time."""
    told: Told = []
    reader, counter = reader_and(
        lambda made: made.get_meter("m").create_counter("c"),
        cardinality_limit=3,
        on_overflow=lambda *what: told.append(what),
    )
    with caplog.at_level(logging.WARNING, LOGGER):
        for number in range(3):
            counter.add(1, {"route": "/", "user": f"u{number}"})
        reader.collect()
        assert told == []
        for number in range(3, 8):
            counter.add(1, {"route": "/", "user": f"u{number}"})
        bound = counter.bind({"route": "/x", "user": "u9"})
        bound.add(1)
        bound.add(1)
        reader.collect()
        assert told == [("c", "user", 7)]
        reader.collect()
        counter.add(1, {"other": 1})
        reader.collect()
        assert told[1:] == [("c", "user", 1)]
    (line,) = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert "metric c" in line
    assert "3 series" in line
    assert "user" in line
    assert "attribute_keys" in line


def test_a_measurement_is_told_once() -> None:
    """With two aggregations of one instrument, what goes beyond the limit is counted once; with two views, twice."""
    told: Told = []
    explicit, exponential = Reader(), Reader(aggregation={"histogram": ExponentialBuckets()})
    made = provider(explicit, exponential, cardinality_limit=1, on_overflow=lambda *what: told.append(what))
    histogram = made.get_meter("m").create_histogram("h")
    for user in "abc":
        histogram.record(1, {"user": user})
    exponential.collect()
    explicit.collect()
    assert told == [("h", "user", 2)]


def test_who_is_told_may_record() -> None:
    """The callback may measure and collect; its faults are kept from whoever collects."""
    reader = Reader()

    def count(name: str, attribute: str, measurements: int) -> None:
        counted.add(measurements, {"metric": name, "attribute": attribute})

    made = provider(reader, cardinality_limit=1, on_overflow=count)
    counted = made.get_meter("m").create_counter("folded")
    counter = made.get_meter("m").create_counter("c")
    for user in "abcd":
        counter.add(1, {"user": user})
    reader.collect()
    assert values(reader.collect(), "folded") == [({"metric": "c", "attribute": "user"}, 3)]


def test_observations_have_the_limit() -> None:
    """Observed instruments keep the first series of all collections, and fold and tell the others."""
    told: Told = []
    users = ["a", "b"]

    def observe(_: CallbackOptions) -> list[Observation]:
        return [Observation(1, {"user": user}) for user in users]

    reader, _ = reader_and(
        lambda made: made.get_meter("m").create_observable_counter("o", [observe]),
        cardinality_limit=2,
        on_overflow=lambda *what: told.append(what),
    )
    reader.collect()
    users[:] = ["c", "b", "d"]
    assert values(reader.collect(), "o") == [(OVERFLOW, 2), ({"user": "b"}, 1)]
    assert told == [("o", "user", 2)]


def test_a_views_limit_goes_first() -> None:
    """A view's limit holds for its metric, the reader's for its kinds, the provider's for all others."""
    reader = Reader(limits={"counter": 2})
    made = provider(reader, cardinality_limit=3, views=[View(instrument_name="viewed", cardinality_limit=1)])
    meter = made.get_meter("m")
    recorded: list[Any] = [meter.create_counter("viewed"), meter.create_counter("c"), meter.create_up_down_counter("u")]
    for instrument in recorded:
        for number in range(5):
            instrument.add(1, {"n": number})
    collection = reader.collect()
    assert [len(points(collection, each.name)) - 1 for each in recorded] == [1, 2, 3]


def test_the_overflow_has_what_it_leaves_out_in_its_exemplar() -> None:
    """An exemplar of the overflow carries all attributes of its measurement."""
    reader, counter = reader_and(
        lambda made: made.get_meter("m").create_counter("c"), cardinality_limit=1, exemplar_filter="always_on"
    )
    counter.add(1, {"user": "a"})
    counter.add(2, {"user": "b"})
    (exemplar,) = points(reader.collect(), "c")[1].exemplars
    assert (exemplar.value, dict(exemplar.attributes)) == (2, {"user": "b"})


def test_limits_are_positive() -> None:
    """A limit below 1 is refused."""
    with pytest.raises(ValueError, match="cardinality_limit must be at least 1, not 0"):
        provider(cardinality_limit=0)
    with pytest.raises(ValueError, match="cardinality_limit must be at least 1, not -1"):
        View(instrument_name="x", cardinality_limit=-1)


def test_the_first_limit_is_the_sdks() -> None:
    """2000 series and the overflow, if nobody says otherwise."""
    reader, counter = reader_and(lambda made: made.get_meter("m").create_counter("c"))
    for number in range(2100):
        counter.add(1, {"n": number})
    assert len(points(reader.collect(), "c")) == 2001
