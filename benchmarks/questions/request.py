"""What observing a FastAPI request costs the server: processor time per request, sending included."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from benchmarks.lib.peers import OURS, PEERS, bare_of
from benchmarks.lib.question import Question, Row, Run, otlp, rounds_of
from benchmarks.lib.server import Server

SPAN: Final = Row("request-span", "added to a request: spans and metrics, exported", "µs")
METRICS: Final = Row("request-metrics", "added to a request: metrics only", "µs")
TOTAL: Final = Row("request-total", "processor time of a whole request", "µs")
MEMORY: Final = Row("request-memory", "memory of the server after the load", "MB")

_CONNECTIONS: Final = 32
_WARM_UP: Final = 200
_SILENT: Final = {"CAPIBARA_LOG_LEVEL": "warning"}
_NO_SPANS: Final = {"OTEL_TRACES_SAMPLER": "always_off"}


@dataclass(frozen=True, slots=True)
class Variant:
    """An app that is measured."""

    peer: str
    app: str
    row: Row | None
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return f"{self.peer} {self.row.key if self.row else 'bare'}"


VARIANTS: Final = (
    Variant("bare", "bare", None),
    Variant("bare-logfire", "bare", None),
    Variant("bare-openlit", "bare", None),
    Variant("bare-off", "bare_off", SPAN),
    Variant(OURS, "capibara", SPAN, _SILENT),
    Variant("capibara-line", "capibara", SPAN),
    Variant("capibara-sdk", "capibara", SPAN, _SILENT),
    Variant("native", "native", SPAN),
    Variant("native-default", "native_default", SPAN),
    Variant("contrib", "contrib", SPAN),
    Variant("contrib-default", "contrib_default", SPAN),
    Variant("openlit", "openlit", SPAN),
    Variant("logfire", "logfire", SPAN),
    Variant(OURS, "capibara", METRICS, _SILENT | _NO_SPANS),
    Variant("capibara-sdk", "capibara", METRICS, _SILENT | _NO_SPANS),
    Variant("pfi", "pfi", METRICS),
    Variant("native", "native_metrics", METRICS),
    Variant("contrib", "contrib_metrics", METRICS),
)


def measure(run: Run) -> None:
    """Start all servers, let them take turns, and compare each with the bare app of its environment."""
    chosen = {variant.key: variant for variant in VARIANTS if run.peers([variant.peer])}
    requests = run.pick(4000, 400, 1500)
    with ExitStack() as stack:
        sink = stack.enter_context(run.sink())
        (endpoint,) = sink.ask("endpoint")
        client = stack.enter_context(run.child("bare", "benchmarks.lib.load:client"))
        servers: dict[str, Server] = {}
        for key, variant in chosen.items():
            server = run.server(variant.peer, variant.app, otlp(endpoint) | variant.environ)
            servers[key] = stack.enter_context(server)
            client.ask("load", port=server.port, connections=_CONNECTIONS, count=_WARM_UP)
            server.settle()
        for order in rounds_of(list(servers), run.pick(7, 1, 3)):
            spent: dict[str, float] = {}
            for key in order:
                before = servers[key].settle()
                sink.ask("taken")
                client.ask("load", port=servers[key].port, connections=_CONNECTIONS, count=requests)
                after = servers[key].settle()
                spent[key] = (after["cpu_s"] - before["cpu_s"]) / requests * 1e6
                if chosen[key].row is not METRICS:
                    spans = sink.ask("taken")["spans"] / requests
                    run.add(TOTAL, chosen[key].peer, spent[key], f"{spans:.1f} spans arrive per request")
                    run.add(MEMORY, chosen[key].peer, after["memory_mb"])
            for key, variant in chosen.items():
                if variant.row is not None:
                    bare = spent[f"{bare_of(PEERS[variant.peer])} bare"]
                    run.add(variant.row, variant.peer, spent[key] - bare)


QUESTION: Final = Question(
    "request",
    "A FastAPI request",
    (SPAN, METRICS, TOTAL, MEMORY),
    "uvicorn with uvloop and httptools in a process of its own per peer, one worker, no access log; a load generator in "
    "another process keeps 32 connections busy; each request brings a `traceparent`. All peers export to a receiver in a "
    "third process. Counted is the processor time of the server's process from before the load until all that it made "
    "has been sent, by request, less that of the bare app of the same environment in the same round. Not counted: what "
    "the receiver works.",
    measure,
    {
        OURS: "its line per request is off, as no peer writes one; redaction, limits, propagation, exemplars, the "
        "metrics page and readings of the machine are on",
        "capibara-line": "as it comes, with one redacted JSON line per request, written and exported",
        "native": "one span per request (`operation_spans` off), or none for the metrics alone; no metrics page, no redaction",
        "native-default": "four spans per request",
        "contrib": "one span per request (`exclude_spans`), or none for the metrics alone; no metrics page, no redaction",
        "contrib-default": "three spans per request",
        "openlit": "contrib's instrumentation as it comes",
        "logfire": "one span per request; scrubs; no metrics page",
        "pfi": "a metrics page; no export, no spans, no propagation",
        "bare-off": "FastAPI has a layer for telemetry that costs something where nobody listens; this package switches it off",
    },
)
