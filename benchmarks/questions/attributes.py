"""What one measurement costs where its attributes come with the call."""

# ruff: noqa: PLC0415 - each process imports one peer only

from __future__ import annotations

from typing import Any, Final

from benchmarks.lib import setups
from benchmarks.lib.answers import Answers
from benchmarks.lib.calls import BOUNDS, SECONDS, THREE, Case, answers
from benchmarks.lib.peers import OURS
from benchmarks.lib.question import Question, Row, Run, otlp, take_turns

COUNTER: Final = Row("attributes-counter", "count with a dict of 3 attributes", "µs")
COUNTER_IN_SPAN: Final = Row("attributes-counter-span", "the same in a sampled span", "µs")
HISTOGRAM: Final = Row("attributes-histogram", "histogram with a dict of 3 attributes", "µs")
ROWS: Final = (COUNTER, COUNTER_IN_SPAN, HISTOGRAM)

# A new dict with each call, as callers write it.
_MADE: Final = "{" + ", ".join(f"{key!r}: {value!r}" for key, value in THREE.items()) + "}"
_ADD: Final = f"add(1, {_MADE})"
_RECORD: Final = "; ".join(f"record({seconds}, {_MADE})" for seconds in SECONDS)
_PEERS: Final = (OURS, "capibara-sdk", "opentelemetry", "prometheus", "logfire")


def peer(name: str) -> Answers:
    """Set a peer up, in its process; return its rooms."""
    if name == "prometheus":
        return answers(_prometheus())
    {"opentelemetry": setups.opentelemetry, "logfire": setups.logfire}.get(name, setups.capibara)()
    return answers(_by_the_api())


def _by_the_api() -> dict[str, Any]:
    from opentelemetry import metrics, trace

    tracer, meter = trace.get_tracer("bench"), metrics.get_meter("bench")
    counter = meter.create_counter("bench.searches")
    histogram = meter.create_histogram("bench.duration", "s", explicit_bucket_boundaries_advisory=BOUNDS)
    add, record = {"add": counter.add}, {"record": histogram.record}
    return {
        COUNTER.key: lambda: Case(_ADD, add),
        COUNTER_IN_SPAN.key: lambda: Case(_ADD, add, within=lambda: tracer.start_as_current_span("bench")),
        HISTOGRAM.key: lambda: Case(_RECORD, record, len(SECONDS)),
    }


def _prometheus() -> dict[str, Any]:
    from prometheus_client import CollectorRegistry, Counter, Histogram

    registry = CollectorRegistry()
    counter = Counter("bench_searches", "x", list(THREE), registry=registry)
    histogram = Histogram("bench_duration", "x", list(THREE), buckets=BOUNDS, registry=registry)
    exemplar = {"trace_id": f"{1:032x}", "span_id": f"{1:016x}"}
    record = "; ".join(f"labels(**{_MADE}).observe({seconds})" for seconds in SECONDS)
    return {
        COUNTER.key: lambda: Case(f"labels(**{_MADE}).inc()", {"labels": counter.labels}),
        COUNTER_IN_SPAN.key: lambda: Case(
            f"labels(**{_MADE}).inc(1, exemplar)", {"labels": counter.labels, "exemplar": exemplar}
        ),
        HISTOGRAM.key: lambda: Case(record, {"labels": histogram.labels}, len(SECONDS)),
    }


def measure(run: Run) -> None:
    """Let the peers take turns."""
    with run.sink() as sink:
        (endpoint,) = sink.ask("endpoint")
        with run.children(COUNTER, "benchmarks.questions.attributes:peer", _PEERS, otlp(endpoint)) as children:
            for name in take_turns(list(children), run.pick(25, 3, 9)):
                for row in ROWS:
                    run.add(row, name, children[name].ask("timed", name=row.key)["call_us"])


QUESTION: Final = Question(
    "attributes",
    "One measurement with its attributes",
    ROWS,
    "As above; the dict is made in each call, as callers write it.",
    measure,
    {
        "prometheus": "no OTLP; the exemplar is made beforehand and handed in, no span is looked for",
        "capibara-sdk": "the official SDK with two readers, the metrics page and the export",
    },
)
