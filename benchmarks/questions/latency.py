"""What a single client waits while the server exports: latency at one connection."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from benchmarks.lib.peers import OURS
from benchmarks.lib.question import Question, Row, Run, otlp, take_turns
from benchmarks.lib.server import Server

P99: Final = Row("latency-p99", "99th percentile", "ms")
P999: Final = Row("latency-p999", "99.9th percentile", "ms")
P50: Final = Row("latency-p50", "median", "ms")

_WARM_UP: Final = 200
_APPS: Final = {
    "bare": "bare",
    OURS: "capibara",
    "capibara-sdk": "capibara",
    "pfi": "pfi",
    "native": "native",
    "contrib": "contrib",
    "openlit": "openlit",
    "logfire": "logfire",
}


def measure(run: Run) -> None:
    """Let the servers take turns; each round lasts several batches of spans."""
    with ExitStack() as stack:
        sink = stack.enter_context(run.sink())
        (endpoint,) = sink.ask("endpoint")
        client = stack.enter_context(run.child("bare", "benchmarks.lib.load:client"))
        servers: dict[str, Server] = {}
        for peer in run.peers(_APPS):
            servers[peer] = stack.enter_context(run.server(peer, _APPS[peer], otlp(endpoint)))
            client.ask("load", port=servers[peer].port, connections=1, count=_WARM_UP)
            servers[peer].settle()
        requests = run.pick(4000, 1000)
        for peer in take_turns(list(servers), run.pick(7, 1)):
            sink.ask("taken")
            said = client.ask("load", port=servers[peer].port, connections=1, count=requests)
            servers[peer].settle()
            spans = sink.ask("taken")["requests"] / requests
            note = f"{spans:.0%} of the requests' spans arrive" if peer not in {"bare", "pfi"} else "no spans"
            run.add(P99, peer, said["p99_ms"], note)
            run.add(P999, peer, said["p999_ms"])
            run.add(P50, peer, said["p50_ms"])


QUESTION: Final = Question(
    "latency",
    "What a single client waits while spans are sent",
    (P99, P999, P50),
    "One connection, 4000 requests a round, one after the other; as fast as they come, so that every peer sends batches "
    "all the time. The percentile is that of a round.",
    measure,
    {
        OURS: "as it comes, with its line per request",
        "pfi": "sends nothing",
        "bare": "sends nothing",
    },
)
