"""What a typical helper costs: a span with 5 attributes, a counter, 2 histograms and one JSON log line."""

# ruff: noqa: PLC0415 - each process imports one peer only

from __future__ import annotations

import sys
from typing import Any, Final

from benchmarks.lib import setups
from benchmarks.lib.answers import Answers
from benchmarks.lib.calls import Case, answers
from benchmarks.lib.peers import OURS
from benchmarks.lib.question import Question, Row, Run, otlp, take_turns

CALL: Final = Row("helper-call", "the calling thread", "µs")
WHOLE: Final = Row("helper-whole", "the whole process, encoding and sending included", "µs")
_PEERS: Final = (OURS, "capibara-helper", "capibara-sdk", "capibara-sdk-helper", "opentelemetry", "logfire")

_CASE: Final = "helper"
_CALLS: Final = 400
"""Below the batch size of all peers, so that no exporter's thread runs beside the calls; it is counted in the whole."""

_SPAN: Final = {"index": "docs", "top_k": 8, "operation": "retrieval", "results": 3, "hit": True}
_COUNT: Final = {"index": "docs", "hit": True, "outcome": "success"}
_LABELS: Final = {"index": "docs"}


def peer(name: str) -> Answers:
    """Set a peer up, in its process; return its rooms."""
    case = {"opentelemetry": _opentelemetry, "logfire": _logfire}.get(
        name, _capibara_helper if name.endswith("-helper") else _capibara
    )
    return answers({_CASE: case})


def _instruments() -> tuple[Any, Any, Any, Any]:
    from opentelemetry import metrics, trace

    meter = metrics.get_meter("bench")
    return (
        trace.get_tracer("bench"),
        meter.create_counter("bench.searches"),
        meter.create_histogram("bench.duration", "s"),
        meter.create_histogram("bench.results"),
    )


def _capibara() -> Case:
    flush = setups.capibara()
    import capibara_otel as cap

    tracer, searches, durations, results = _instruments()
    log = cap.log.rag

    def helper() -> None:
        with tracer.start_as_current_span("rag search docs", attributes=_SPAN):
            searches.add(1, _COUNT)
            durations.record(0.031, _LABELS)
            results.record(3, _LABELS)
            log.info("search done", index="docs", results=3, top_k=8)

    return Case("helper()", {"helper": helper}, number=_CALLS, flush=flush)


def _capibara_helper() -> Case:
    flush = setups.capibara()
    import capibara_otel as cap

    log = cap.log.rag

    def helper() -> None:
        with cap.rag.search(index="docs", top_k=8) as search:
            search.found(3)
            log.info("search done", index="docs", results=3, top_k=8)

    return Case("helper()", {"helper": helper}, number=_CALLS, flush=flush)


def _opentelemetry() -> Case:
    flush = setups.opentelemetry()
    import structlog
    from opentelemetry import trace

    def add_ids(_logger: Any, _method: str, line: Any) -> Any:
        context = trace.get_current_span().get_span_context()
        line["trace_id"] = trace.format_trace_id(context.trace_id)
        line["span_id"] = trace.format_span_id(context.span_id)
        return line

    log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stdout),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            add_ids,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        cache_logger_on_first_use=True,
    ).bind()
    tracer, searches, durations, results = _instruments()

    def helper() -> None:
        with tracer.start_as_current_span("rag search docs", attributes=_SPAN):
            searches.add(1, _COUNT)
            durations.record(0.031, _LABELS)
            results.record(3, _LABELS)
            log.info("search done", index="docs", results=3, top_k=8)

    return Case("helper()", {"helper": helper}, number=_CALLS, flush=flush)


def _logfire() -> Case:
    flush = setups.logfire()
    import logfire  # type: ignore[import-not-found]

    _, searches, durations, results = _instruments()

    def helper() -> None:
        with logfire.span("rag search {index}", **_SPAN):
            searches.add(1, _COUNT)
            durations.record(0.031, _LABELS)
            results.record(3, _LABELS)
            logfire.info("search done", index="docs", results=3, top_k=8)

    return Case("helper()", {"helper": helper}, number=_CALLS, flush=flush)


def measure(run: Run) -> None:
    """Let the peers take turns; what arrives is counted, for sending is part of the figure."""
    with run.sink() as sink:
        (endpoint,) = sink.ask("endpoint")
        with run.children(CALL, "benchmarks.questions.helper:peer", _PEERS, otlp(endpoint)) as children:
            for name in take_turns(list(children), run.pick(25, 3, 9)):
                sink.ask("taken")
                said = children[name].ask("timed", name=_CASE)
                taken = sink.ask("taken")
                run.add(CALL, name, said["call_us"])
                run.add(
                    WHOLE,
                    name,
                    said["whole_us"],
                    f"{taken['spans'] / _CALLS:.1f} spans and {taken['records'] / _CALLS:.1f} log records arrive per call",
                )


QUESTION: Final = Question(
    "helper",
    "A typical helper",
    (CALL, WHOLE),
    "A span with 5 attributes as the current one, a counter with 3 attributes, 2 histograms, one JSON line to a file. "
    "400 calls a round, then everything is sent to a receiver. Processor time: of the calling thread during the calls, and "
    "of the whole process until all has arrived. The garbage collector is on.",
    measure,
    {
        OURS: "OpenTelemetry's API and `cap.log`: the line is redacted, and goes to the receiver too",
        "capibara-helper": "checks each value against the registry, redacts, and emits 6 attributes, 1 counter, 2 histograms and the line",
        "opentelemetry": "structlog makes the line: nothing is redacted and no log record is sent",
        "logfire": "writes no JSON line; its log is a second span; it scrubs",
    },
)
