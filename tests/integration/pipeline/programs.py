"""Programs in processes of their own, for what only happens when a process ends or forks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import psutil

# A coverage run brings its own handler of SIGTERM along, and a shell's background job ignores SIGINT; a plain program
# does neither. What a program reports comes back as JSON.
_HEAD = """
import atexit, json, os, signal, sys, threading, time
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from opentelemetry import _logs, metrics, trace
from capibara_otel.config import load_settings
from capibara_otel.pipeline import start

def report(**values):
    # In one call and past the buffer: a signal's handler may report while the program does.
    os.write(1, (json.dumps({**values, "at": time.monotonic()}) + "\\n").encode())
"""


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    reports: list[dict[str, Any]]
    stderr: str
    seconds: float
    """From the signal, or else from the first report, to the end."""
    reported_s: float
    """From the same moment to the last report."""

    def __getitem__(self, key: str) -> Any:
        return next(report[key] for report in self.reports if key in report)


class Program:
    """A running program.

    Args:
        source: what it does.
        env: on top of the tests' environment, of which nothing that concerns telemetry is kept.
        is_timed: leave it alone with its work; a coverage run would have it write files when it ends.
    """

    def __init__(self, source: str, env: Mapping[str, str], *, is_timed: bool = False) -> None:
        strange = ("OTEL_", "CAPIBARA_", "COVERAGE_PROCESS") if is_timed else ("OTEL_", "CAPIBARA_")
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(strange) or name == "CAPIBARA_PIPELINE"  # the whole suite runs on one of the two
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HEAD + dedent(source)],
            env={**clean, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reports: list[dict[str, Any]] = []
        self._since = self._last = time.monotonic()

    def wait_for_report(self) -> dict[str, Any]:
        """Wait until the program reports something."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self._reports.append(self._read(line))
        return self._reports[-1]

    def children(self) -> list[psutil.Process]:
        """Return the processes it has forked."""
        return psutil.Process(self.process.pid).children()

    def send(self, number: signal.Signals | None) -> None:
        """Send a signal, if one is given; from then on its time counts."""
        if number is not None:
            self._since = time.monotonic()
            self.process.send_signal(number)

    def end(self, number: signal.Signals | None = None) -> Ended:
        """Send a signal, if one is given, and wait for the end."""
        self.send(number)
        stdout, stderr = self.process.communicate(timeout=60)
        seconds = time.monotonic() - self._since
        self._reports += [self._read(line) for line in stdout.splitlines()]
        return Ended(self.process.returncode, self._reports, stderr, seconds, self._last - self._since)

    def _read(self, line: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(line)
        self._last = report.pop("at")
        self._since = self._since if self._reports else self._last
        return report
