"""What is lost when a server is stopped with SIGTERM, as containers are, while the receiver is healthy."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from benchmarks.lib.peers import OURS
from benchmarks.lib.question import Question, Row, Run, otlp, take_turns

LOST: Final = Row("stop-lost", "requests whose span is lost, of 50", "")
POINTS: Final = Row("stop-points", "metric points that arrive", "")
SECONDS: Final = Row("stop-seconds", "until the process has ended", "s")

_REQUESTS: Final = 50
_APPS: Final = {
    OURS: "capibara",
    "capibara-sdk": "capibara",
    "native": "native",
    "contrib": "contrib",
    "openlit": "openlit",
    "logfire": "logfire",
}


def measure(run: Run) -> None:
    """Serve 50 requests, stop, count what arrives."""
    with ExitStack() as stack:
        sink = stack.enter_context(run.sink())
        (endpoint,) = sink.ask("endpoint")
        client = stack.enter_context(run.child("bare", "benchmarks.lib.load:client"))
        for peer in take_turns(run.peers(_APPS), run.pick(3, 1)):
            with run.server(peer, _APPS[peer], otlp(endpoint)) as server:
                server.settle()
                sink.ask("taken")
                client.ask("load", port=server.port, connections=1, count=_REQUESTS)
                run.add(SECONDS, peer, server.terminate())
            taken = sink.ask("taken")
            run.add(LOST, peer, _REQUESTS - taken["requests"])
            run.add(POINTS, peer, taken["points"])


QUESTION: Final = Question(
    "stop",
    "SIGTERM with a healthy receiver",
    (LOST, POINTS, SECONDS),
    "uvicorn serves 50 requests and is told to stop at once; counted is what a healthy receiver has when the process has "
    "ended. Each peer is set up as its documentation says, without code of its own for the server's end.",
    measure,
)
