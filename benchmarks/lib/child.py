"""The other end of `worker`: a process that answers."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.lib.answers import UnavailableError
from benchmarks.lib.environments import ROOT

_PATIENCE_S: Final = 10.0


def seconds_until_end(process: subprocess.Popen[Any], patience_s: float) -> float:
    """Wait for a process to end, without looking now and then as `wait(timeout)` does; kill it when patience ends."""
    began = time.monotonic()
    impatience = threading.Timer(patience_s, process.kill)
    impatience.start()
    process.wait()
    impatience.cancel()
    return time.monotonic() - began


class ChildError(Exception):
    """A peer's process failed; the message has what it wrote."""


class Child:
    """A peer in its own process. Use it in a `with` block.

    Args:
        python: the Python of its environment.
        work: `module:function`, which sets it up there.
        environ: the environment variables it has.
        arguments: what the function is given.

    Raises:
        UnavailableError: the peer has no such thing.
        ChildError: it could not be set up.
    """

    def __init__(self, python: str, work: str, environ: dict[str, str], **arguments: Any) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.lib.worker", work, json.dumps(arguments)],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._work = work
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def ask(self, what: str, **arguments: Any) -> Any:
        """Return the answer to a question.

        Raises:
            UnavailableError: the peer has no such thing.
            ChildError: it failed.
        """
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        self._process.stdin.write(json.dumps({"ask": what, "with": arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise ChildError(f"{self._work} ended: {self._errors.read()[-2000:]}")
        told: dict[str, Any] = json.loads(line)
        if "unavailable" in told:
            raise UnavailableError(told["unavailable"])
        if "fault" in told:
            raise ChildError(f"{self._work} failed: {told['fault']}")
        return told["answer"]

    def close(self) -> None:
        """End the process; it is killed if it does not end by itself."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_PATIENCE_S / 5)
        except subprocess.TimeoutExpired:  # some peers wait long for receivers that are gone
            self._process.kill()
            self._process.wait(_PATIENCE_S)
        self._errors.close()
