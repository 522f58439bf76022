"""An app of `benchmarks.apps` under a real uvicorn, in its own process."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Final, Self

from benchmarks.lib.child import seconds_until_end
from benchmarks.lib.environments import ROOT
from benchmarks.lib.sink import free_port

_START_S: Final = 60.0
_PATIENCE_S: Final = 60.0


class ServerError(Exception):
    """A server did not start or failed; the message has what it wrote."""


class Server:
    """One server. Use it in a `with` block.

    Args:
        python: the Python of its environment.
        app: the name of a function of `benchmarks.apps`.
        environ: the environment variables it has.
    """

    def __init__(self, python: str, app: str, environ: dict[str, str]) -> None:
        self.port: Final = free_port()
        self._app = app
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        listen = ["--port", str(self.port), "--no-access-log", "--log-level", "critical"]
        self._process = subprocess.Popen(
            [python, "-m", "uvicorn", "--factory", f"benchmarks.apps:{app}", *listen],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def settle(self) -> dict[str, float]:
        """Have it send what waits; return the seconds of processor its process has used and its memory in MB."""
        return self._ask("POST", "/-/settle")

    def terminate(self) -> float:
        """Send SIGTERM; return the seconds until it has ended."""
        self._process.send_signal(signal.SIGTERM)
        return seconds_until_end(self._process, _PATIENCE_S)

    def kill(self) -> None:
        """End it at once; its peers may wait long."""
        self._process.kill()
        self._process.wait(_PATIENCE_S)
        self._errors.close()

    def _wait(self) -> None:
        until = time.monotonic() + _START_S
        while True:
            try:
                self._ask("GET", "/items/0")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > until:
                    self._errors.seek(0)
                    raise ServerError(f"{self._app} did not start: {self._errors.read()[-2000:]}") from None
                time.sleep(0.05)
            else:
                return

    def _ask(self, method: str, path: str) -> dict[str, float]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise ServerError(f"{self._app} answered {path} with {response.status}")
        answer: dict[str, float] = json.loads(body)
        return answer
