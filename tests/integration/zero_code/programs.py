"""Programs that never heard of this package, started by `capibara-otel run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx
import psutil

BIN: Final = Path(sys.executable).parent
_DEADLINE_S: Final = 30.0

APP: Final = """
import os

import httpx
from fastapi import FastAPI

app = FastAPI()


@app.get("/items/{item}")
def items(item: int) -> dict[str, int]:
    return {"item": item, "pid": os.getpid()}


@app.get("/calls")
def calls(url: str) -> int:
    return httpx.get(url).status_code
"""


class Running:
    """A program, its output in a file, and the port it was told to serve."""

    def __init__(self, command: list[str], folder: Path, env: Mapping[str, str], port: int) -> None:
        self.port = port
        self._output = folder / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=folder, env=dict(env), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def output(self) -> str:
        """What it wrote so far."""
        return self._output.read_text()

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Make a request on a connection of its own, waiting until the server is up."""
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            try:
                return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=_DEADLINE_S, **options)
            except httpx.TransportError:
                assert self.process.poll() is None, self.output
                assert time.monotonic() < deadline, self.output
                time.sleep(0.05)

    def end(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal and wait for the end; return how many seconds it took.

        SIGINT goes to all its processes, as from a terminal.
        """
        since = time.monotonic()
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(_DEADLINE_S)
        return time.monotonic() - since

    def kill(self) -> None:
        """Leave nothing of it."""
        if self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            self.process.kill()
            for child in children:
                child.kill()
            self.process.wait()


Start: TypeAlias = Callable[..., Running]
"""Starts a program with `capibara-otel run`."""
