"""Metrics that are pushed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricsData

from capibara_otel.pipeline.health import Health
from capibara_otel.pipeline.official.exporters import OfficialOutlet
from capibara_otel.pipeline.official.push import PushReader, count_points
from capibara_otel.pipeline.push import MetricPush, interval_s


class Result(Enum):
    """What an exporter answers."""

    SUCCESS = 0
    FAILURE = 1


@dataclass
class Sink:
    """An exporter that keeps what it gets, when it may."""

    received: list[MetricsData] = field(default_factory=list)
    result: Result = Result.SUCCESS
    called: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_go.set()

    def export(self, batch: MetricsData, /) -> Result:
        """Take a collection."""
        self.called.release()
        self.may_go.wait(20)
        self.received.append(batch)
        return self.result

    def shutdown(self) -> None:
        """Give up."""

    def metrics(self) -> list[Any]:
        """Return the metrics of the last collection."""
        return [
            metric
            for resource in self.received[-1].resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]


@dataclass
class Rig:
    """A push and what it reads."""

    environ: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sink = Sink()
        self.health = Health()
        reader = PushReader(self.environ)
        outlet = OfficialOutlet("here", lambda: self.sink)
        interval = interval_s(self.environ)
        self.push = MetricPush(reader.read, count_points, outlet, self.health, interval_s=interval)
        self.meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("t")

    def flush(self) -> bool:
        """Send now; answer whether that went well."""
        return self.push.wait_flush(self.push.ask_flush(), 10)

    def end(self) -> None:
        """Send a last time."""
        self.push.close()
        self.push.finish(10)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Exported, failed, given up."""
        failed = self.health.dropped("metrics", "export_failed")
        return self.health.exported("metrics"), failed, self.health.dropped("metrics", "shutdown")


@pytest.fixture
def rig() -> Iterator[Rig]:
    """One that sends only when asked."""
    made = Rig()
    yield made
    made.sink.may_go.set()
    made.end()


def test_a_flush_collects_and_sends_now(rig: Rig) -> None:
    """A flush sends what was measured until then; its points are counted one by one."""
    counter = rig.meter.create_counter("work")
    for label in "abc":
        counter.add(1, {"label": label})
    rig.meter.create_histogram("time").record(1)
    assert rig.flush()
    assert count_points(rig.sink.received[0]) == 4
    assert rig.counts == (4, 0, 0)


def test_nothing_measured_is_nothing_sent(rig: Rig) -> None:
    """An empty collection is no export, and no failure."""
    assert rig.flush()
    assert rig.sink.received == []
    assert rig.counts == (0, 0, 0)


def test_a_refused_export_is_counted_and_the_next_one_is_fresh(rig: Rig) -> None:
    """A refusal fails the flush; with the receiver back the next flush goes well."""
    rig.meter.create_counter("work").add(1)
    rig.sink.result = Result.FAILURE
    assert not rig.flush()
    rig.sink.result = Result.SUCCESS
    assert rig.flush()
    assert rig.counts == (1, 1, 0)


def test_a_refusal_does_not_stick(rig: Rig) -> None:
    """After a refusal, a flush with nothing new to send is well again."""
    deltas = Rig({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"})
    deltas.meter.create_counter("work").add(1)
    deltas.sink.result = Result.FAILURE
    assert not deltas.flush()
    assert deltas.flush()
    assert len(deltas.sink.received) == 1
    deltas.end()


def test_the_interval_is_the_environments() -> None:
    """Points are sent every `OTEL_METRIC_EXPORT_INTERVAL` milliseconds."""
    rig = Rig({"OTEL_METRIC_EXPORT_INTERVAL": "20"})
    rig.meter.create_counter("work").add(1)
    for _ in range(2):
        assert rig.sink.called.acquire(timeout=10)
    rig.end()


def test_closing_sends_a_last_time(rig: Rig) -> None:
    """What was measured since the last interval leaves with the shutdown."""
    rig.meter.create_counter("work").add(1)
    rig.push.close()
    assert rig.push.finish(10)
    assert rig.counts == (1, 0, 0)


def test_at_the_deadline_the_points_under_way_are_given_up(rig: Rig) -> None:
    """A receiver that does not answer in time has the points counted as dropped; a late answer changes nothing."""
    rig.meter.create_counter("work").add(1)
    rig.sink.may_go.clear()
    rig.push.close()
    assert rig.sink.called.acquire(timeout=10)
    assert not rig.push.finish(0.02)
    assert rig.counts == (0, 0, 1)
    rig.sink.may_go.set()
    assert rig.push.finish(10)
    assert rig.counts == (0, 0, 1)


def test_a_forked_child_begins_anew(rig: Rig) -> None:
    """The child has a thread of its own that sends."""
    rig.push.after_fork()
    rig.meter.create_counter("work").add(1)
    assert rig.flush()
    assert rig.counts == (1, 0, 0)


@pytest.mark.parametrize(
    ("preference", "expected"),
    [
        ("", (False, False, False)),
        ("cumulative", (False, False, False)),
        ("Delta", (True, True, True)),
        ("LOWMEMORY", (True, False, True)),
    ],
)
def test_temporality_is_what_the_specification_says(preference: str, expected: tuple[bool, ...]) -> None:
    """Counters, observed counters and histograms are deltas where the preference says so; the rest never is."""
    rig = Rig({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": preference})
    rig.meter.create_counter("counter").add(1)
    rig.meter.create_observable_counter("observed", [lambda _: [Observation(1)]])
    rig.meter.create_histogram("histogram").record(1)
    rig.meter.create_up_down_counter("updown").add(1)
    assert rig.flush()
    is_delta = {m.name: m.data.aggregation_temporality is AggregationTemporality.DELTA for m in rig.sink.metrics()}
    assert is_delta == dict(zip(("counter", "observed", "histogram"), expected, strict=True), updown=False)
    rig.end()


def test_exponential_histograms_are_sent_where_they_are_asked_for() -> None:
    """The default aggregation of histograms is the environment's."""
    rig = Rig({"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "BASE2_EXPONENTIAL_BUCKET_HISTOGRAM"})
    rig.meter.create_histogram("histogram").record(1)
    assert rig.flush()
    assert type(rig.sink.metrics()[0].data).__name__ == "ExponentialHistogram"
    rig.end()
