"""How long a scrape of the metrics page takes: 60 metrics with 20 series each."""

# ruff: noqa: PLC0415 - each process imports one peer only

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any, Final

from benchmarks.lib import setups
from benchmarks.lib.answers import Answers
from benchmarks.lib.peers import OURS
from benchmarks.lib.question import Question, Row, Run, take_turns

PAGE: Final = Row("scrape", "one page", "ms")
SIZE: Final = Row("scrape-size", "its size", "KiB")

_COUNTERS: Final = 30
_GAUGES: Final = 10
_HISTOGRAMS: Final = 20
_SERIES: Final = 20
_BOUNDS: Final = tuple(0.005 * 2**step for step in range(15))

_Move = Callable[[float], object]
_PEERS: Final = (OURS, "capibara-sdk", "prometheus", "opentelemetry")


def peer(name: str) -> Answers:
    """Set a peer up with all series; return the rooms of its process."""
    rooms = {"prometheus": _prometheus, "opentelemetry": _opentelemetry}
    moves, render = rooms.get(name, _capibara)()
    amounts = itertools.count(1)

    def page() -> dict[str, float]:
        """Move every series, so that no page is a copy of the last one, then render it."""
        amount = next(amounts) / 100
        for move in moves:
            move(amount)
        began = time.thread_time()
        text = render()
        taken = time.thread_time() - began
        lines = text.count(b"\n")
        if lines < _SERIES * (_COUNTERS + _GAUGES + _HISTOGRAMS * (len(_BOUNDS) + 3)):
            raise AssertionError(f"a page of {lines} lines has not all series")
        return {"ms": taken * 1000, "kib": len(text) / 1024}

    return {"page": page}


def _labels(series: int) -> dict[str, str]:
    return {"route": f"/api/v1/things/{series}", "method": "GET", "outcome": "success"}


def _by_the_api() -> list[_Move]:
    from opentelemetry import metrics

    meter = metrics.get_meter("bench")
    moves: list[_Move] = []
    for number in range(_COUNTERS):
        moves += [_with(meter.create_counter(f"bench.counter.{number}.x").add, series) for series in range(_SERIES)]
    for number in range(_GAUGES):
        moves += [_with(meter.create_gauge(f"bench.gauge.{number}.x").set, series) for series in range(_SERIES)]
    for number in range(_HISTOGRAMS):
        histogram = meter.create_histogram(
            f"bench.histogram.{number}.x", "s", explicit_bucket_boundaries_advisory=_BOUNDS
        )
        moves += [_with(histogram.record, series) for series in range(_SERIES)]
    return moves


def _with(measure: Callable[..., Any], series: int) -> _Move:
    labels = _labels(series)
    return lambda amount: measure(amount, labels)


def _capibara() -> tuple[list[_Move], Callable[[], bytes]]:
    setups.capibara(system_interval=0)
    import capibara_otel as cap

    return _by_the_api(), lambda: cap.metrics().encode()


def _opentelemetry() -> tuple[list[_Move], Callable[[], bytes]]:
    from opentelemetry import metrics
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import REGISTRY, generate_latest

    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
    return _by_the_api(), lambda: generate_latest(REGISTRY)


def _prometheus() -> tuple[list[_Move], Callable[[], bytes]]:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

    registry = CollectorRegistry()
    names = list(_labels(0))
    moves: list[_Move] = []
    for number in range(_COUNTERS):
        counter = Counter(f"bench_counter_{number}_x", "x", names, registry=registry)
        moves += [counter.labels(**_labels(series)).inc for series in range(_SERIES)]
    for number in range(_GAUGES):
        gauge = Gauge(f"bench_gauge_{number}_x", "x", names, registry=registry)
        moves += [gauge.labels(**_labels(series)).set for series in range(_SERIES)]
    for number in range(_HISTOGRAMS):
        histogram = Histogram(f"bench_histogram_{number}_x", "x", names, registry=registry, buckets=_BOUNDS)
        moves += [histogram.labels(**_labels(series)).observe for series in range(_SERIES)]
    return moves, lambda: generate_latest(registry)


def measure(run: Run) -> None:
    """Let the peers take turns."""
    with run.children(PAGE, "benchmarks.questions.scrape:peer", _PEERS) as children:
        for child in children.values():
            child.ask("page")
        for name in take_turns(list(children), run.pick(25, 3, 7)):
            said = children[name].ask("page")
            run.add(PAGE, name, said["ms"])
            run.add(SIZE, name, said["kib"])


QUESTION: Final = Question(
    "scrape",
    "A scrape",
    (PAGE, SIZE),
    "30 counters, 10 gauges and 20 histograms with 15 bounds, 20 series each; every series moves before every page, and "
    "the page is checked for all its lines. Processor time from the call to the finished bytes, uncompressed, without HTTP; other threads of the app stand still as long.",
    measure,
    {
        OURS: "the page also has the package's own metrics",
        "opentelemetry": "its exporter for Prometheus; it drops exemplars",
    },
)
