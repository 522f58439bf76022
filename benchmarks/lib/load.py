"""A load generator in a process of its own: plain sockets, as many connections as wanted, each asks when answered.

The same client for every machine and every peer, so that figures compare; it parses no more than it must.
"""

from __future__ import annotations

import gc
import selectors
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from benchmarks.lib.answers import Answers
from benchmarks.lib.stats import percentile

_PATHS: Final = 1000
_REQUEST: Final = (
    "GET /items/{number} HTTP/1.1\r\nhost: 127.0.0.1:8000\r\nuser-agent: benchmark/1.0\r\naccept: */*\r\n"
    "accept-encoding: gzip, deflate\r\ntraceparent: 00-{trace:032x}-{span:016x}-01\r\n\r\n"
)
_END: Final = b"\r\n\r\n"
_TIMEOUT_S: Final = 30.0


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    began_ns: int = 0
    got: bytearray = field(default_factory=bytearray)

    def whole(self) -> bool:
        """Tell whether a whole answer was received."""
        head = self.got.find(_END)
        if head < 0:
            return False
        lines = bytes(self.got[:head]).lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        return len(self.got) >= head + len(_END) + length


def client() -> Answers:
    """Return the rooms of a process that makes requests."""
    requests = [_REQUEST.format(number=number, trace=number + 1, span=number + 1).encode() for number in range(_PATHS)]

    def load(port: int, connections: int, count: int) -> dict[str, float]:
        gc.collect()
        gc.disable()  # its pauses are not the server's
        began = time.perf_counter()
        try:
            taken_ns = _Load(requests, port, count).run(connections)
        finally:
            gc.enable()
        return {
            "seconds": time.perf_counter() - began,
            "p50_ms": percentile(taken_ns, 50) / 1e6,
            "p99_ms": percentile(taken_ns, 99) / 1e6,
            "p999_ms": percentile(taken_ns, 99.9) / 1e6,
        }

    return {"load": load}


class _Load:
    """So many requests to one server.

    Args:
        requests: what is sent, in turn.
        port: where the server listens.
        count: how many requests.
    """

    def __init__(self, requests: list[bytes], port: int, count: int) -> None:
        self._requests = requests
        self._port = port
        self._count = count
        self._sent = 0
        self._taken_ns: list[int] = []

    def run(self, connections: int) -> list[int]:
        """Keep the connections busy; return the nanoseconds each request took.

        Raises:
            OSError: a request failed, or the server is gone.
        """
        with ExitStack() as stack, selectors.DefaultSelector() as ready:
            for _ in range(min(connections, self._count)):
                opened = stack.enter_context(socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_S))
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = _Connection(opened)
                ready.register(opened, selectors.EVENT_READ, connection)
                self._ask(connection)
            while len(self._taken_ns) < self._count:
                events = ready.select(_TIMEOUT_S)
                if not events:
                    raise TimeoutError("the server does not answer")
                for key, _ in events:
                    self._read(key.data)
        return self._taken_ns

    def _ask(self, connection: _Connection) -> None:
        if self._sent < self._count:
            connection.got.clear()
            connection.began_ns = time.perf_counter_ns()
            connection.socket.sendall(self._requests[self._sent % _PATHS])
            self._sent += 1

    def _read(self, connection: _Connection) -> None:
        part = connection.socket.recv(65536)
        if not part:
            raise ConnectionError("the server closed a connection")
        connection.got += part
        if connection.whole():
            self._taken_ns.append(time.perf_counter_ns() - connection.began_ns)
            if not connection.got.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(f"a request failed: {bytes(connection.got[:80])!r}")
            self._ask(connection)
