"""How the telemetry fares, as metrics."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from capibara_otel.pipeline.health import DECISIONS, REASONS, SIGNALS, Health, Reason
from capibara_otel.pipeline.outlet import Sent
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv.instruments import Instruments


@pytest.fixture
def reader() -> InMemoryMetricReader:
    """What reads the metrics."""
    return InMemoryMetricReader()


@pytest.fixture
def health(reader: InMemoryMetricReader) -> Health:
    """Counts that are shown."""
    made = Health()
    made.publish(Instruments(MeterProvider([reader], shutdown_on_exit=False).get_meter("t")))
    return made


def points(reader: InMemoryMetricReader) -> dict[str, dict[tuple[str, ...], Any]]:
    """Return what is shown now: value, or count of a histogram, by metric and attribute values."""
    data = reader.get_metrics_data()
    return {
        metric.name.removeprefix("capibara6.telemetry."): {
            tuple(str(value) for _, value in sorted((point.attributes or {}).items())): getattr(
                point, "value", getattr(point, "count", None)
            )
            for point in metric.data.data_points
        }
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_nothing_is_shown_of_signals_that_are_not_sent(health: Health, reader: InMemoryMetricReader) -> None:
    """A pipeline without exporters has no health to show."""
    assert points(reader) == {}


def test_counts_are_shown_from_zero(health: Health, reader: InMemoryMetricReader) -> None:
    """A signal that is sent shows zeros before anything happened, so that its first drop is an increase."""
    health.watch("logs", size=lambda: 0, capacity=10)
    assert points(reader) == {
        "exported": {("logs",): 0},
        "dropped": {
            ("queue_full", "logs"): 0,
            ("export_failed", "logs"): 0,
            ("rejected", "logs"): 0,
            ("unencodable", "logs"): 0,
            ("shutdown", "logs"): 0,
        },
        "queue.size": {("logs",): 0},
        "queue.capacity": {("logs",): 10},
    }


def test_counts_add_up_by_signal_and_reason(health: Health, reader: InMemoryMetricReader) -> None:
    """Every count is kept apart by signal and reason; two queues of a signal are shown as one."""
    health.watch("traces", size=lambda: 3, capacity=10)
    health.watch("traces", size=lambda: 4, capacity=20)
    health.watch("metrics")
    health.count_exported("traces", 5)
    health.count_exported("traces", 6)
    health.count_dropped("traces", "queue_full", 1)
    health.count_dropped("traces", "shutdown", 2)
    health.count_dropped("metrics", "export_failed", 7)
    shown = points(reader)
    assert shown["exported"] == {("traces",): 11, ("metrics",): 0}
    assert {labels: value for labels, value in shown["dropped"].items() if value} == {
        ("queue_full", "traces"): 1,
        ("shutdown", "traces"): 2,
        ("export_failed", "metrics"): 7,
    }
    assert shown["queue.size"] == {("traces",): 7}
    assert shown["queue.capacity"] == {("traces",): 30}
    assert (health.exported("traces"), health.dropped("traces")) == (11, 3)


@pytest.mark.parametrize(
    ("sent", "exported", "spooled", "dropped"),
    [
        (Sent(delivered=True), 10, 0, {}),
        (Sent(delivered=True, rejected=3), 7, 0, {"rejected": 3}),
        (Sent(delivered=True, rejected=99, unencodable=4), 0, 0, {"rejected": 6, "unencodable": 4}),
        (Sent(delivered=False), 0, 0, {"export_failed": 10}),
        (Sent(delivered=False, unencodable=2), 0, 0, {"export_failed": 8, "unencodable": 2}),
        (Sent(delivered=False, spooled=9, unencodable=1), 0, 9, {"unencodable": 1}),
        (Sent(delivered=False, spool_was_full=True), 0, 0, {"spool_full": 10}),
    ],
)
def test_every_item_of_a_batch_is_counted_once(
    health: Health, sent: Sent, exported: int, spooled: int, dropped: dict[Reason, int]
) -> None:
    """Exported, put aside and dropped by reason add up to the batch, whatever the receiver claims to have rejected."""
    health.count_sent("logs", 10, sent)
    counts = {reason: health.dropped("logs", reason) for reason in REASONS if health.dropped("logs", reason)}
    assert (health.exported("logs"), health.spooled("logs"), counts) == (exported, spooled, dropped)
    assert exported + spooled + sum(dropped.values()) == 10


def test_why_a_batch_is_lost_may_be_said(health: Health) -> None:
    """What is given up at the end is dropped by the shutdown, not by the receiver."""
    health.count_sent("logs", 10, Sent(delivered=False), lost="shutdown")
    assert health.dropped("logs", "shutdown") == health.dropped("logs") == 10


def test_a_spool_is_shown_where_there_is_one(health: Health, reader: InMemoryMetricReader) -> None:
    """Its bytes are a gauge, and what it had no room for has a count from then on."""
    health.watch("logs")
    health.watch_spool(lambda: 4096)
    shown = points(reader)
    assert shown["spool.size"] == {(): 4096}
    assert shown["dropped"]["spool_full", "logs"] == 0


def test_decisions_are_shown_where_there_is_tail_sampling(health: Health, reader: InMemoryMetricReader) -> None:
    """What waits is a gauge, what was decided is counted by decision, from zero."""
    health.watch_undecided(lambda: 5)
    health.count_decided("error")
    health.count_decided("dropped", 7)
    assert points(reader) == {
        "traces.undecided": {(): 5},
        "traces.decided": {("error",): 1, ("slow",): 0, ("dear",): 0, ("share",): 0, ("dropped",): 7},
    }
    assert health.decided("dropped") == 7


def test_overflow_is_shown_once_there_was_some(health: Health, reader: InMemoryMetricReader) -> None:
    """The metric and the attribute that is to blame are named."""
    health.count_overflow("capibara6.rag.searches", "user.id")
    health.count_overflow("capibara6.rag.searches", "user.id", 2)
    assert points(reader) == {"overflow": {("user.id", "capibara6.rag.searches"): 3}}


def test_times_are_histograms(health: Health, reader: InMemoryMetricReader) -> None:
    """Exports are timed by signal and outcome, scrapes as they are."""
    health.record_export("traces", 0.1, went_well=True)
    health.record_export("traces", 0.2, went_well=False)
    health.record_scrape(0.001)
    assert points(reader) == {
        "export.duration": {("success", "traces"): 1, ("error", "traces"): 1},
        "scrape.duration": {(): 1},
    }


def test_times_before_there_is_a_meter_are_let_go() -> None:
    """Before it is published nothing can be recorded, and nothing fails."""
    health = Health()
    health.record_export("traces", 0.1, went_well=True)
    health.record_scrape(0.1)
    assert health.exported("traces") == 0


def test_a_forked_child_counts_from_zero(health: Health, reader: InMemoryMetricReader) -> None:
    """What the parent has counted is not the child's."""
    health.watch("traces")
    health.count_exported("traces", 5)
    health.count_dropped("traces", "shutdown", 5)
    health.count_spooled("traces", 5)
    health.after_fork()
    assert health.spooled("traces") == 0
    assert set(points(reader)["dropped"].values()) == {0}
    assert points(reader)["exported"] == {("traces",): 0}


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        (a.TELEMETRY_SIGNAL, SIGNALS),
        (a.TELEMETRY_REASON, REASONS),
        (a.TELEMETRY_DECISION, DECISIONS),
    ],
)
def test_what_is_counted_is_what_the_registry_knows(attribute: str, words: tuple[str, ...]) -> None:
    """Signals, reasons and decisions are the members that the registry declares."""
    assert set(a.ATTRIBUTES[attribute].members) == set(words)
