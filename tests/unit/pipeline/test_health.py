"""How the telemetry fares, as metrics."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from capibara_otel.pipeline.health import Health
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
        "dropped": {("queue_full", "logs"): 0, ("export_failed", "logs"): 0, ("shutdown", "logs"): 0},
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
    assert shown["dropped"] == {
        ("queue_full", "traces"): 1,
        ("export_failed", "traces"): 0,
        ("shutdown", "traces"): 2,
        ("queue_full", "metrics"): 0,
        ("export_failed", "metrics"): 7,
        ("shutdown", "metrics"): 0,
    }
    assert shown["queue.size"] == {("traces",): 7}
    assert shown["queue.capacity"] == {("traces",): 30}
    assert (health.exported("traces"), health.dropped("traces")) == (11, 3)


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
    health.after_fork()
    assert set(points(reader)["dropped"].values()) == {0}
    assert points(reader)["exported"] == {("traces",): 0}
