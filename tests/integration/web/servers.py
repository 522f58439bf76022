"""Real servers on loopback, in this process, so that what an app emits can be captured."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, TypeAlias

import uvicorn

Http: TypeAlias = Literal["h11", "httptools"]
Loop: TypeAlias = Literal["asyncio", "uvloop"]

_DEADLINE_S: Final = 15.0


@contextmanager
def served(app: Any, *, http: Http = "httptools", loop: Loop = "asyncio") -> Iterator[int]:
    """Serve an app with uvicorn; yield the port.

    Args:
        app: the app.
        http: which implementation of HTTP.
        loop: which event loop.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=http, loop=loop, ws="websockets-sansio", lifespan="on", log_config=None)
        server = uvicorn.Server(config)

        def serve() -> None:
            with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
                runner.run(server.serve(sockets=[listener]))

        thread = threading.Thread(target=serve, name="uvicorn")
        thread.start()
        try:
            wait_for(lambda: server.started or not thread.is_alive())
            assert server.started
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(_DEADLINE_S)
            assert not thread.is_alive()


@contextmanager
def connection(port: int) -> Iterator[socket.socket]:
    """Connect to a server."""
    with socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE_S) as connected:
        yield connected


def vanish(connected: socket.socket) -> None:
    """Close a connection as a client that died does: with a reset."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()


def read_until(connected: socket.socket, end: bytes) -> bytes:
    """Read until something was seen."""
    data = b""
    while end not in data:
        part = connected.recv(65536)
        assert part, data
        data += part
    return data


def wait_for(condition: Callable[[], Any]) -> None:
    """Wait until something holds; fail when it does not come to hold in time."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
