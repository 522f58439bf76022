"""What a series takes: one counter with 100,000 sets of attributes."""

# ruff: noqa: PLC0415 - each process imports one peer only

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

from benchmarks.lib import setups
from benchmarks.lib.answers import Answers, UnavailableError
from benchmarks.lib.peers import OURS
from benchmarks.lib.question import Question, Row, Run, take_turns

MADE: Final = Row("series-memory", "memory per series", "B")
SCRAPED: Final = Row("series-memory-scraped", "the same after the page was read", "B")


def peer(name: str) -> Answers:
    """Set a peer up; return the rooms of its process."""
    rooms = {"prometheus": _prometheus, "opentelemetry": _opentelemetry}
    add, render = rooms.get(name, _capibara)()

    def fill(series: int) -> dict[str, float]:
        add("first")
        render()
        gc.collect()
        before = setups.memory_bytes()
        for number in range(series):
            add(f"user-{number}")
        gc.collect()
        made = setups.memory_bytes()
        if render() < series:
            raise UnavailableError("folds series together in spite of the raised limit")
        gc.collect()
        return {"made": (made - before) / series, "scraped": (setups.memory_bytes() - before) / series}

    return {"fill": fill}


def _lines(page: bytes) -> int:
    return sum(line.startswith(b"bench_x_total{") for line in page.split(b"\n"))


def _capibara() -> tuple[Callable[[str], object], Callable[[], int]]:
    setups.capibara(system_interval=0, series_limit=1_000_000)
    from opentelemetry import metrics

    import capibara_otel as cap

    counter = metrics.get_meter("bench").create_counter("bench.x")
    return (
        lambda user: counter.add(1, {"index": "docs", "outcome": "success", "user": user}),
        lambda: _lines(cap.metrics().encode()),
    )


def _opentelemetry() -> tuple[Callable[[str], object], Callable[[], int]]:
    from opentelemetry import metrics
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.view import View
    from prometheus_client import REGISTRY, generate_latest

    view = View(instrument_name="*", aggregation_cardinality_limit=1_000_000)
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()], views=[view]))
    counter = metrics.get_meter("bench").create_counter("bench.x")
    return (
        lambda user: counter.add(1, {"index": "docs", "outcome": "success", "user": user}),
        lambda: _lines(generate_latest(REGISTRY)),
    )


def _prometheus() -> tuple[Callable[[str], object], Callable[[], int]]:
    from prometheus_client import CollectorRegistry, Counter, generate_latest

    registry = CollectorRegistry()
    counter = Counter("bench_x", "x", ["index", "outcome", "user"], registry=registry)
    return (
        lambda user: counter.labels(index="docs", outcome="success", user=user).inc(),
        lambda: _lines(generate_latest(registry)),
    )


def measure(run: Run) -> None:
    """Fill a fresh process of each peer, turn by turn."""
    peers = run.peers((OURS, "capibara-sdk", "prometheus", "opentelemetry"))
    for name in take_turns(peers, run.pick(3, 1)):
        with run.child(name, "benchmarks.questions.memory:peer", name=name) as child:
            try:
                said = child.ask("fill", series=run.pick(100_000, 20_000))
            except UnavailableError as why:
                run.missing(MADE, name, str(why))
            else:
                run.add(MADE, name, said["made"])
                run.add(SCRAPED, name, said["scraped"])


QUESTION: Final = Question(
    "memory",
    "A series",
    (MADE, SCRAPED),
    "A counter with 3 attributes, one of which differs each time, its limit raised; how much the process has grown, by "
    "series, in a fresh process per round. The attribute's own text is part of it.",
    measure,
    {"opentelemetry": "the limit is raised; 2000 by default, as here"},
)
