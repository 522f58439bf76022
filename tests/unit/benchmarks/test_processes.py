"""The processes of the benchmarks: they answer, say what is missing, and fail aloud."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.lib.child import Child, ChildError, seconds_until_end
from benchmarks.lib.load import client
from benchmarks.lib.sink import free_port


def start(work: str, **arguments: Any) -> Child:
    """Start a process of the benchmarks with this Python."""
    return Child(sys.executable, work, dict(os.environ), **arguments)


def test_sink_counts_what_arrives() -> None:
    """The receiver counts spans, those of the app's route apart, and begins anew each time it is asked."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(name="inner", kind=Span.SPAN_KIND_INTERNAL)
    server = spans.add(name="GET", kind=Span.SPAN_KIND_SERVER)
    route = server.attributes.add(key="http.route")
    route.value.string_value = "/items/{item_id}"

    with start("benchmarks.lib.sink:sink") as sink:
        (endpoint,) = sink.ask("endpoint")
        connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=10)
        connection.request("POST", "/v1/traces", request.SerializeToString())
        assert connection.getresponse().status == 200
        connection.close()

        assert sink.ask("taken") == {"spans": 2, "requests": 1, "points": 0, "records": 0}
        assert sink.ask("taken") == {"spans": 0, "requests": 0, "points": 0, "records": 0}


def test_child_fails_aloud() -> None:
    """A fault in a process is a fault of the one who asked, with the text."""
    with start("benchmarks.lib.load:client") as child, pytest.raises(ChildError, match="ConnectionRefusedError"):
        child.ask("load", port=free_port(), connections=1, count=1)


def test_child_that_cannot_be_set_up_fails_aloud() -> None:
    """So is a fault before the first question."""
    with pytest.raises(ChildError, match="no_such_function"):
        start("benchmarks.lib.load:no_such_function")


def test_impatience_ends_a_process() -> None:
    """A process that does not end by itself is killed when the patience is over, and one that does is let be."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stuck:
        assert seconds_until_end(stuck, 0.1) >= 0.1
        assert stuck.returncode == -signal.SIGKILL
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as ending:
        assert seconds_until_end(ending, 60) < 60
        assert ending.returncode == 3


class Scripted:
    """A server that answers each request with the next of some parts, sent one by one.

    Args:
        answers: the parts of each answer.
    """

    def __init__(self, answers: list[list[bytes]]) -> None:
        self.asked: list[bytes] = []
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for answer in self._answers:
                self.asked.append(connection.recv(65536))
                for part in answer:
                    connection.sendall(part)

    def close(self) -> None:
        """Stop."""
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def scripted() -> Iterator[Any]:
    """Make scripted servers."""
    made: list[Scripted] = []

    def make(*answers: list[bytes]) -> Scripted:
        made.append(Scripted(list(answers)))
        return made[-1]

    yield make
    for server in made:
        server.close()


def test_load_waits_for_whole_answers(scripted: Any) -> None:
    """The load generator asks again only when an answer has come to its end, however it is cut."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    server = scripted([head + b"hello"], [head[:10], head[10:], b"he", b"llo"], [head, b"hello"])

    said = client()["load"](port=server.port, connections=1, count=3)

    assert said["p99_ms"] >= said["p50_ms"] > 0
    assert [asked.split()[1] for asked in server.asked] == [b"/items/0", b"/items/1", b"/items/2"]
    assert all(b"traceparent: 00-" in asked for asked in server.asked)


def test_load_with_failed_requests_has_no_figures(scripted: Any) -> None:
    """An answer that is not 200 ends the load."""
    server = scripted([b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"])

    with pytest.raises(ConnectionError, match="500"):
        client()["load"](port=server.port, connections=1, count=2)
