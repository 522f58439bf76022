"""What a dead receiver costs a request."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from benchmarks.lib.peers import OURS
from benchmarks.lib.question import Question, Row, Run, otlp, rounds_of
from benchmarks.lib.server import Server
from benchmarks.lib.sink import free_port

REFUSED: Final = Row("receiver-refused", "median with one that refuses, to that with a healthy one", "times")
BLACK_HOLE: Final = Row(
    "receiver-black-hole", "median with one that never answers, to that with a healthy one", "times"
)
REFUSED_P99: Final = Row("receiver-refused-p99", "99th percentile with one that refuses", "ms")
BLACK_HOLE_P99: Final = Row("receiver-black-hole-p99", "99th percentile with one that never answers", "ms")

_WARM_UP: Final = 200
_HEALTHY: Final = "healthy"
_APPS: Final = {OURS: "capibara", "contrib": "contrib"}


def measure(run: Run) -> None:
    """Ask the same app with each receiver in turn."""
    with ExitStack() as stack:
        sink = stack.enter_context(run.sink())
        endpoints = {
            _HEALTHY: sink.ask("endpoint")[0],
            "refused": f"http://127.0.0.1:{free_port()}",
            "black hole": sink.ask("endpoint", mode="black hole")[0],
        }
        client = stack.enter_context(run.child("bare", "benchmarks.lib.load:client"))
        servers: dict[tuple[str, str], Server] = {}
        for peer, app in _APPS.items():
            for name, endpoint in endpoints.items():
                servers[peer, name] = stack.enter_context(run.server(peer, app, otlp(endpoint)))
                client.ask("load", port=servers[peer, name].port, connections=1, count=_WARM_UP)
        requests = run.pick(3000, 500)
        for order in rounds_of([f"{peer}|{name}" for peer, name in servers], run.pick(7, 1)):
            said = {}
            for each in order:
                peer, _, name = each.partition("|")
                said[peer, name] = client.ask("load", port=servers[peer, name].port, connections=1, count=requests)
            for peer in _APPS:
                healthy = said[peer, _HEALTHY]["p50_ms"]
                run.add(REFUSED, peer, said[peer, "refused"]["p50_ms"] / healthy)
                run.add(BLACK_HOLE, peer, said[peer, "black hole"]["p50_ms"] / healthy)
                run.add(REFUSED_P99, peer, said[peer, "refused"]["p99_ms"])
                run.add(BLACK_HOLE_P99, peer, said[peer, "black hole"]["p99_ms"])


QUESTION: Final = Question(
    "receiver",
    "A request while the receiver is dead",
    (REFUSED, BLACK_HOLE, REFUSED_P99, BLACK_HOLE_P99),
    "The same app three times, with a healthy, a refusing and a silent receiver; one connection, the processes take turns.",
    measure,
    {OURS: "what could not be sent is counted on the metrics page, by reason", "contrib": "drops in silence"},
)
