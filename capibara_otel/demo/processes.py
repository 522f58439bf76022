"""The servers of the demo, each in a process of its own under uvicorn."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import httpx

from capibara_otel.exceptions import CapibaraError

HOST: Final = "127.0.0.1"
_TAIL: Final = 15


class DemoError(CapibaraError):
    """The demo cannot go on."""


def free_port(wanted: int = 0) -> int:
    """Return the wanted port if it is free, else another one that is."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            found: int = probe.getsockname()[1]
            return found
    raise DemoError("no free port on this machine")


class Server:
    """One server process; its output goes to a file.

    Args:
        factory: `module:function` that returns the app.
        port: where it listens.
        folder: where its output is kept.
        environment: variables beside this process's own.
        log_level: of uvicorn.
    """

    def __init__(
        self, factory: str, port: int, folder: Path, environment: Mapping[str, str], log_level: str = "warning"
    ) -> None:
        self.port: Final = port
        self.url: Final = f"http://{HOST}:{port}"
        self.log_path: Final = folder / f"{factory.partition(':')[0].rpartition('.')[2]}-{port}.log"
        command = [sys.executable, "-m", "uvicorn", factory, "--factory", "--host", HOST, "--port", str(port)]
        with self.log_path.open("wb") as output:
            # A session of its own: Ctrl-C reaches only the demo, which then ends the servers in order.
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [*command, "--log-level", log_level, "--no-access-log", "--timeout-keep-alive", "60"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def wait_until_ready(self, path: str, timeout_s: float = 60.0) -> httpx.Response:
        """Wait for an answer of 200 and return it.

        Raises:
            DemoError: the process ended, or the time is up; with the end of its output.
        """
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if not self.alive:
                raise DemoError(f"the server on port {self.port} ended at once:\n{self._tail()}")
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.get(f"{self.url}{path}", timeout=2)
                if answer.is_success:
                    return answer
            time.sleep(0.05)
        raise DemoError(f"the server on port {self.port} did not answer within {timeout_s:g} s:\n{self._tail()}")

    def stop(self, timeout_s: float = 10.0) -> int:
        """End the process and return its exit code; what does not end in time is killed."""
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def wait(self) -> int:
        """Wait until the process ends and return its exit code."""
        return self._process.wait()

    def _tail(self) -> str:
        lines = self.log_path.read_text("utf-8", "replace").splitlines()[-_TAIL:]
        return "\n".join(f"  {line}" for line in lines) or "  (it wrote nothing)"


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """End the server when the block is left, however that happens."""
    try:
        yield server
    finally:
        server.stop()
