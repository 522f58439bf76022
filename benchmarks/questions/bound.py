"""What one measurement costs where the caller knows its series beforehand."""

# ruff: noqa: PLC0415 - each process imports one peer only

from __future__ import annotations

from typing import Any, Final

from benchmarks.lib import setups
from benchmarks.lib.answers import Answers, UnavailableError
from benchmarks.lib.calls import BOUNDS, SECONDS, THREE, Case, answers
from benchmarks.lib.peers import OURS
from benchmarks.lib.question import Question, Row, Run, otlp, take_turns

COUNTER: Final = Row("bound-counter", "count on a known series, outside any span", "µs")
COUNTER_IN_SPAN: Final = Row("bound-counter-span", "count on a known series, in a sampled span", "µs")
HISTOGRAM: Final = Row("bound-histogram", "histogram of a known series, outside any span", "µs")
HISTOGRAM_IN_SPAN: Final = Row("bound-histogram-span", "histogram of a known series, in a sampled span: exemplar", "µs")
ROWS: Final = (COUNTER, COUNTER_IN_SPAN, HISTOGRAM, HISTOGRAM_IN_SPAN)

_RECORD: Final = "; ".join(f"record({seconds})" for seconds in SECONDS)
_RECORD_WITH: Final = "; ".join(f"record({seconds}, attributes)" for seconds in SECONDS)
_PEERS: Final = (OURS, "opentelemetry", "prometheus")


def peer(name: str) -> Answers:
    """Set a peer up, in its process; return its rooms."""
    return answers({"prometheus": _prometheus, "opentelemetry": _opentelemetry}.get(name, _capibara)())


def _capibara() -> dict[str, Any]:
    setups.capibara()
    from opentelemetry import metrics, trace

    tracer, meter = trace.get_tracer("bench"), metrics.get_meter("bench")
    counter: Any = meter.create_counter("bench.searches")
    histogram: Any = meter.create_histogram("bench.duration", "s", explicit_bucket_boundaries_advisory=BOUNDS)
    if not hasattr(counter, "bind"):
        raise UnavailableError("has no bound series")
    add = {"add": counter.bind(THREE).add}
    record = {"record": histogram.bind(THREE).record}

    def span() -> Any:
        return tracer.start_as_current_span("bench")

    return {
        COUNTER.key: lambda: Case("add(1)", add),
        COUNTER_IN_SPAN.key: lambda: Case("add(1)", add, within=span),
        HISTOGRAM.key: lambda: Case(_RECORD, record, len(SECONDS)),
        HISTOGRAM_IN_SPAN.key: lambda: Case(_RECORD, record, len(SECONDS), within=span),
    }


def _opentelemetry() -> dict[str, Any]:
    setups.opentelemetry()
    from opentelemetry import metrics, trace

    tracer, meter = trace.get_tracer("bench"), metrics.get_meter("bench")
    counter = meter.create_counter("bench.searches")
    histogram = meter.create_histogram("bench.duration", "s", explicit_bucket_boundaries_advisory=BOUNDS)
    add = {"add": counter.add, "attributes": THREE}
    record = {"record": histogram.record, "attributes": THREE}

    def span() -> Any:
        return tracer.start_as_current_span("bench")

    return {
        COUNTER.key: lambda: Case("add(1, attributes)", add),
        COUNTER_IN_SPAN.key: lambda: Case("add(1, attributes)", add, within=span),
        HISTOGRAM.key: lambda: Case(_RECORD_WITH, record, len(SECONDS)),
        HISTOGRAM_IN_SPAN.key: lambda: Case(_RECORD_WITH, record, len(SECONDS), within=span),
    }


def _prometheus() -> dict[str, Any]:
    from prometheus_client import CollectorRegistry, Counter, Histogram

    registry = CollectorRegistry()
    counter = Counter("bench_searches", "x", list(THREE), registry=registry).labels(**THREE)
    histogram = Histogram("bench_duration", "x", list(THREE), buckets=BOUNDS, registry=registry).labels(**THREE)
    exemplar = {"exemplar": {"trace_id": f"{1:032x}", "span_id": f"{1:016x}"}}
    with_exemplar = "; ".join(f"record({seconds}, exemplar)" for seconds in SECONDS)
    return {
        COUNTER.key: lambda: Case("add(1)", {"add": counter.inc}),
        COUNTER_IN_SPAN.key: lambda: Case("add(1, exemplar)", {"add": counter.inc, **exemplar}),
        HISTOGRAM.key: lambda: Case(_RECORD, {"record": histogram.observe}, len(SECONDS)),
        HISTOGRAM_IN_SPAN.key: lambda: Case(with_exemplar, {"record": histogram.observe, **exemplar}, len(SECONDS)),
    }


def measure(run: Run) -> None:
    """Let the peers take turns."""
    with run.sink() as sink:
        (endpoint,) = sink.ask("endpoint")
        with run.children(COUNTER, "benchmarks.questions.bound:peer", _PEERS, otlp(endpoint)) as children:
            for name in take_turns(list(children), run.pick(25, 3, 9)):
                for row in ROWS:
                    run.add(row, name, children[name].ask("timed", name=row.key)["call_us"])


QUESTION: Final = Question(
    "bound",
    "One measurement on a known series",
    ROWS,
    "Processor time of an inlined loop of about 20 ms per round; the empty loop is taken off. Three attributes, 14 buckets, four values in "
    "turn. The pipeline is set up with all signals and exports to a receiver; the metrics page is on. Not counted: the "
    "collection, once a minute.",
    measure,
    {
        "opentelemetry": "has no bound series: the attributes are given with each call",
        "prometheus": "no OTLP; the exemplar is made beforehand and handed in, no span is looked for",
    },
)
