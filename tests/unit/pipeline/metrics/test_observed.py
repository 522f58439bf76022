"""Instruments that are asked for their values."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterable
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation

from capibara_otel.pipeline.metrics.reader import Reader
from tests.unit.pipeline.metrics.reading import Clock, metrics, point, provider, reader_and, values

LOGGER = "capibara_otel.pipeline.metrics"
KINDS = ["create_observable_counter", "create_observable_up_down_counter", "create_observable_gauge"]


def test_every_reader_asks() -> None:
    """Callbacks are asked at each collection of each reader; several callbacks make one metric."""
    calls: list[CallbackOptions] = []

    def observe(options: CallbackOptions) -> list[Observation]:
        calls.append(options)
        return [Observation(len(calls), {"callback": "first"})]

    first, second = Reader(), Reader()
    provider(first, second).get_meter("m").create_observable_gauge(
        "o", [observe, lambda _: [Observation(7.5, {"callback": "second"})]]
    )
    assert values(first.collect(), "o") == [({"callback": "first"}, 1), ({"callback": "second"}, 7.5)]
    assert values(second.collect(), "o") == [({"callback": "first"}, 2), ({"callback": "second"}, 7.5)]
    assert 0 < calls[0].timeout_millis <= 10_000


@pytest.mark.parametrize("create", KINDS)
def test_what_is_not_observed_is_not_shown(create: str) -> None:
    """A series is shown in the collections in which it was observed; it begins where it was first."""
    clock = Clock()
    told: list[Observation] = []
    reader, meter = reader_and(lambda made: made.get_meter("m"), time_ns=clock)
    getattr(meter, create)("o", [lambda _: told])
    assert metrics(reader.collect()) == {}
    told.append(Observation(5, {"a": 1}))
    clock.now = 2_000
    first = point(reader.collect(), "o")
    told.clear()
    assert metrics(reader.collect()) == {}
    told.append(Observation(7, {"a": 1}))
    clock.now = 3_000
    again = point(reader.collect(), "o")
    assert (first.value, again.value) == (5, 7)
    is_gauge = create == "create_observable_gauge"
    assert (again.start_ns, again.time_ns) == (0 if is_gauge else 2_000, 3_000)


def test_deltas_of_sums_are_differences() -> None:
    """A delta is what came since the series was last observed, and begins then; also if that is negative or nothing."""
    clock = Clock()
    total = [10]
    reader, _ = reader_and(
        lambda made: made.get_meter("m").create_observable_counter("o", [lambda _: [Observation(total[0])]]),
        Reader({"observable_counter": "delta"}),
        time_ns=clock,
    )
    found = []
    for value in (10, 15, 15, 3):
        total[0] = value
        clock.now += 1_000
        each = point(reader.collect(), "o")
        found.append((each.start_ns, each.value))
    assert found == [(2_000, 10), (2_000, 5), (3_000, 0), (4_000, -12)]


def test_generators_go_on() -> None:
    """A generator is sent the options and yields observations each time, until it ends."""
    received: list[CallbackOptions] = []

    def observe() -> Generator[Iterable[Observation], CallbackOptions, None]:
        options = yield []
        for number in range(2):
            received.append(options)
            options = yield [Observation(number)]

    reader, _ = reader_and(lambda made: made.get_meter("m").create_observable_gauge("o", [observe()]))
    assert [values(reader.collect(), "o") for _ in range(4)] == [[({}, 0)], [({}, 1)], [], []]
    assert len(received) == 2


def test_a_generator_that_fails_at_once_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    """Its failure is said, and harms nobody."""
    asked: list[int] = []

    def observe() -> Generator[Iterable[Observation], CallbackOptions, None]:
        if not asked:
            raise RuntimeError("no")
        yield []

    with caplog.at_level(logging.ERROR, LOGGER):
        reader, meter = reader_and(lambda made: made.get_meter("m"))
        meter.create_observable_gauge("o", [observe()])
    assert "failed before its first yield" in caplog.text
    assert metrics(reader.collect()) == {}


def test_a_failing_callback_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """What it had returned counts, other callbacks and metrics are asked all the same, later failures are not said."""

    def fail(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(1, {"from": "failing"})
        raise RuntimeError("no")

    none: Any = lambda _: None  # noqa: E731 - a callback that forgets to return
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    meter.create_observable_gauge("o", [fail, lambda _: [Observation(2, {"from": "good"})]])
    meter.create_observable_gauge("forgetful", [none])
    meter.create_observable_gauge("other", [lambda _: [Observation(3)]])
    with caplog.at_level(logging.WARNING, LOGGER):
        reader.collect()
        reader.collect()
        collection = reader.collect()
    assert values(collection, "o") == [({"from": "failing"}, 1), ({"from": "good"}, 2)]
    assert values(collection, "other") == [({}, 3)]
    assert [record.getMessage().partition(" has failed")[0] for record in caplog.records] == [
        "a callback of o",
        "a callback of forgetful",
    ]
    assert caplog.records[0].exc_info is not None


def test_what_is_no_finite_number_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """Such an observation is left out and said once; the others of the callback count."""
    wrong: list[Any] = [float("nan"), float("inf"), "7", None]
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    meter.create_observable_gauge("o", [lambda _: [*map(Observation, wrong), Observation(True)]])  # noqa: FBT003 - a bool
    with caplog.at_level(logging.WARNING, LOGGER):
        assert values(reader.collect(), "o") == [({}, 1)]
        reader.collect()
    assert len(caplog.records) == 1


def test_observations_may_share_a_mapping() -> None:
    """A callback may change one mapping between its observations."""

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        attributes: dict[str, Any] = {}
        for number in range(3):
            attributes["n"] = number
            yield Observation(number, attributes)

    reader, _ = reader_and(lambda made: made.get_meter("m").create_observable_gauge("o", [observe]))
    assert values(reader.collect(), "o") == [({"n": number}, number) for number in range(3)]


def test_sums_of_one_series_are_added_up() -> None:
    """Observations of one series within a collection are summed up by sums; the last one is a gauge's value."""
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    for create in KINDS:
        getattr(meter, create)(create, [lambda _: [Observation(1), Observation(2)]])
    collection = reader.collect()
    assert [values(collection, create)[0][1] for create in KINDS] == [3, 3, 2]


def test_callbacks_of_an_instrument_are_not_asked_twice_at_once() -> None:
    """A reader waits for another one that is asking, as long as it may; a callback that collects is not asked again."""
    first, second = Reader(), Reader()
    is_asking, may_end = threading.Event(), threading.Event()
    asked: list[int] = []

    def observe(_: CallbackOptions) -> list[Observation]:
        asked.append(threading.get_ident())
        if len(asked) == 1:
            assert first.collect().scopes == []
            is_asking.set()
            may_end.wait()
        return [Observation(len(asked))]

    provider(first, second).get_meter("m").create_observable_gauge("o", [observe])
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(first.collect()))
    thread.start()
    is_asking.wait()
    assert second.collect(timeout_millis=1).scopes == []
    may_end.set()
    thread.join()
    assert values(found[0], "o") == [({}, 1)]
    assert values(second.collect(), "o") == [({}, 2)]


def test_callbacks_that_take_too_long_leave_the_rest_out(caplog: pytest.LogCaptureFixture) -> None:
    """Past the deadline no more callbacks are asked; that is said once, and what was recorded is read."""
    reader, meter = reader_and(lambda made: made.get_meter("m"))
    waits = threading.Event()

    def slow(options: CallbackOptions) -> list[Observation]:
        waits.wait(options.timeout_millis / 1000 * 2)
        return [Observation(1)]

    meter.create_observable_gauge("slow", [slow])
    meter.create_observable_gauge("left_out", [lambda _: [Observation(1)]])
    meter.create_counter("c").add(1)
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(2):
            assert list(metrics(reader.collect(timeout_millis=5))) == ["slow", "c"]
    assert [record.getMessage() for record in caplog.records] == [
        "callbacks of observed metrics took too long: left_out was not asked"
    ]
