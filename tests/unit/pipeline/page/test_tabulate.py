"""What goes together on a page, and what cannot stand on it."""

from __future__ import annotations

import logging

import pytest

from capibara_otel.pipeline.metrics.data import Collection, NumberPoint, ScopeMetrics, Series
from capibara_otel.pipeline.page.exposition import Exposition
from capibara_otel.pipeline.page.tabulate import Tabulator
from capibara_otel.pipeline.scope import Resource, Scope
from tests.unit.pipeline.page.made import (
    OPENMETRICS,
    collection,
    counter,
    exemplar,
    exponential,
    labels,
    metric,
    number,
    page,
    samples,
    timed,
)


def values(text: str) -> dict[str, float]:
    """Return the values of samples that have no labels."""
    return {sample.name: sample.value for sample in samples(text) if not sample.labels}


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged."""
    return [record.getMessage() for record in caplog.records]


def test_two_metrics_of_one_name_are_one_family() -> None:
    """Two libraries that count the same thing stand under one heading, each with its series."""
    written = page(counter("work", number(1, {"kind": "a"})), counter("work", number(2, {"kind": "b"})))
    assert written.count("# TYPE work_total counter") == 1
    assert labels(written, "work_total") == [{"kind": "a"}, {"kind": "b"}]


def test_series_that_cannot_be_told_apart_are_one() -> None:
    """Prometheus refuses a series that is there twice: what was counted is added up, of a gauge the last one stays."""
    written = page(
        counter("work", number(1), number(2, {"empty": ""})),
        counter("work", number(4)),
        metric("sum", "load", number(1), number(2, {"empty": ""})),
        metric("gauge", "level", number(1), number(2, {"empty": ""})),
        metric("histogram", "time", timed([1, 2, 3]), timed([10, 20, 30], labels={"le": "x"})),
    )
    assert values(written) == {"work_total": 7, "load": 3, "level": 2, "time_count": 66, "time_sum": 3}
    assert [sample.value for sample in samples(written) if sample.name == "time_bucket"] == [11, 33, 66]


def test_their_exemplars_go_along() -> None:
    """The newer exemplar of such series is the one that is shown."""
    written = page(
        counter("work", number(1, {}, exemplar(1, 1, at_ns=2)), number(2, {"empty": ""}, exemplar(2, 2, at_ns=3))),
        counter("work", number(4, {"empty": ""}, exemplar(3, 3, at_ns=1))),
        accept=OPENMETRICS,
    )
    (found,) = (sample.exemplar for sample in samples(written))
    assert found is not None
    assert found.value == 2


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (counter("work", number(1)), metric("gauge", "work", number(2)), "the page has another work, a counter"),
        (
            metric("histogram", "time", timed([1, 2, 3])),
            metric("gauge", "time.count", number(2)),
            "its time_count would be mistaken for one of time",
        ),
        (
            metric("gauge", "work.total", number(1)),
            counter("work", number(2)),
            "its work_total would be mistaken for one of work_total",
        ),
        (
            metric("histogram", "time", timed([1, 2, 3])),
            metric("histogram", "time", timed([1, 2], (5.0,))),
            "it has other buckets than the rest of its family",
        ),
        (
            counter("work", number(1)),
            metric("gauge", "target.info", number(1)),
            "its target_info would be mistaken for one of target",
        ),
        (counter("work", number(1)), metric("gauge", "ü", number(1)), "nothing is left of its name in Prometheus"),
        (
            counter("work", number(1)),
            metric("exponential_histogram", "time", exponential()),
            "the text formats have no ExponentialHistogram",
        ),
    ],
)
def test_what_cannot_stand_beside_the_rest_is_left_out_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture, first: object, second: object, reason: str
) -> None:
    """The first metric of a name has it; of any other the page says once why it is not there, and is whole."""
    made = collection(first, second)  # type: ignore[arg-type]
    exposition = Exposition(lambda: made)
    pages = [exposition.render(accept).body.decode() for accept in (None, OPENMETRICS) * 2]
    assert {sample.name for sample in samples(pages[0])} == {sample.name for sample in samples(page(first))}  # type: ignore[arg-type]
    assert pages[:2] == pages[2:]
    assert said(caplog) == [f"the metrics page leaves out {second.name}: {reason}"]  # type: ignore[attr-defined]


def test_what_is_left_out_does_not_move_the_rest() -> None:
    """Values stand with their own series, whatever before them is not shown."""
    written = page(
        metric("exponential_histogram", "gone", exponential()),
        counter("work", number(1)),
        metric("histogram", "work", timed([5, 5, 5])),
        metric("gauge", "level", number(3)),
    )
    assert values(written) == {"work_total": 1, "level": 3}


def test_series_that_come_later_are_there() -> None:
    """A series, a metric and a changed bound that come after the first page are on the next."""
    work = [number(1, {"kind": "a"})]
    metrics = [counter("work", *work)]
    exposition = Exposition(lambda: collection(*metrics))
    assert "b" not in exposition.render().body.decode().splitlines()[-1]
    metrics[0].points = [*work, number(2, {"kind": "b"})]
    assert 'work_total{kind="b"} 2.0' in exposition.render().body.decode()
    metrics.append(metric("histogram", "time", timed([1, 2, 3])))
    assert 'le="1.0"' in exposition.render().body.decode()
    metrics[1].points = [timed([1, 2, 3], (0.1, 2.0))]
    assert 'le="2.0"' in exposition.render().body.decode()


def test_the_same_series_are_written_once() -> None:
    """As long as the same series are there the table is the same object, and only numbers are new."""
    series = Series({"kind": "a"})
    tabulator, resource = Tabulator(), Resource()

    def snapshot(value: float) -> object:
        point = NumberPoint(series, 1, 2, value)
        made = Collection(resource, [ScopeMetrics(Scope("test"), [counter("work", point)])])
        return tabulator.snapshot(made, with_exemplars=False)

    first, second = snapshot(1), snapshot(2)
    assert first.table is second.table  # type: ignore[attr-defined]
    assert [first.values, second.values] == [[1], [2]]  # type: ignore[attr-defined]
    assert series.page == '{kind="a"}'


def test_a_family_without_series_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    """A metric that measured nothing has no heading."""
    with caplog.at_level(logging.DEBUG):
        assert page(counter("work"), metric("histogram", "time")) == ""
    assert said(caplog) == []
