"""One sandboxed run from start to end, blocking: folder, process, output, limits, clean-up."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, get_args

Language = Literal["python", "bash"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

_LAUNCHER: Final = Path(__file__).with_name("sandbox_launcher.py")
_CODE_FILE: Final[dict[str, str]] = {"python": "main.py", "bash": "main.sh"}
_READ_BYTES: Final = 65_536
_END_S: Final = 3.0  # what the launcher may take to end the run, clean up and report
_DRAIN_S: Final = 0.2  # how long output may still come when the run is over, should someone hold the pipe
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one run may use. The system's limits hold per process, the number of processes per user.

    Attributes:
        cpu_s: processor seconds; then SIGXCPU.
        memory_bytes: address space; past it allocation fails (`MemoryError`). Linux only: macOS refuses the limit.
        file_bytes: size of one file.
        processes: processes and threads beyond those that the user already has; root is exempt by the system.
        output_bytes: how much of stdout and of stderr is kept; the rest is read and dropped.
    """

    cpu_s: int = 5
    memory_bytes: int = 256 * _MIB
    file_bytes: int = 16 * _MIB
    processes: int = 32
    output_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """What came of a run.

    Attributes:
        exit_code: of the code's process; negative is the signal that ended it (or the launcher, if code killed that).
        stdout: decoded as UTF-8, with replacement characters, up to the bound.
        stderr: the same.
        duration_s: wall-clock seconds from before the process was started until it and its children were gone.
        cpu_s: user and system seconds of the code's process and the children it waited for.
        peak_memory_bytes: most resident memory of one process of the run; 0 if nobody could measure it.
        timed_out: the run was ended because its time was up.
        start_up_s: seconds until the interpreter was about to run the first line; None if it never got there.
        output_truncated: stdout or stderr had more than the bound.
        waited_s: seconds spent queued for a free place in a pool.
    """

    exit_code: int
    stdout: str
    stderr: str
    duration_s: float
    cpu_s: float
    peak_memory_bytes: int
    timed_out: bool
    start_up_s: float | None
    output_truncated: bool
    waited_s: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Whether the code ran to its end without a fault."""
        return self.exit_code == 0 and not self.timed_out


def run_blocking(code: str, language: Language, timeout: float, limits: SandboxLimits, stop: int) -> SandboxResult:
    """Run code in a folder and process of its own, and return when nothing of it is left.

    Args:
        code: the program's text.
        language: what runs it.
        timeout: wall-clock seconds for the whole run, start-up included.
        limits: see there.
        stop: a readable file descriptor; its end of file asks to end the run early.
    """
    with TemporaryDirectory(prefix="capibara-sandbox-", ignore_cleanup_errors=True) as folder:
        Path(folder, _CODE_FILE[language]).write_bytes(code.encode("utf-8", "replace"))
        return _Run(folder, language, limits).finish(timeout, stop)


class _Run:
    """The started process with its three pipes: stdout, stderr and the launcher's report."""

    def __init__(self, folder: str, language: Language, limits: SandboxLimits) -> None:
        self._kept_bytes = limits.output_bytes
        self._started = time.monotonic()
        self._start_up_s: float | None = None
        self._truncated = False
        self._report, report_end = os.pipe()
        numbers = (report_end, limits.cpu_s, limits.memory_bytes, limits.file_bytes, limits.processes)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - running foreign code is this module's purpose
                [sys.executable, "-I", "-S", "-B", "-X", "utf8", _LAUNCHER, language, *map(str, numbers)],
                cwd=folder,
                env={"HOME": folder, "TMPDIR": folder, "PATH": os.defpath, "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(report_end,),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._report)
            raise
        finally:
            os.close(report_end)
        if self._process.stdout is None or self._process.stderr is None:
            raise AssertionError("both were asked for as pipes")
        self._stdout = self._process.stdout.fileno()
        self._stderr = self._process.stderr.fileno()
        self._kept = {self._stdout: bytearray(), self._stderr: bytearray(), self._report: bytearray()}

    def finish(self, timeout: float, stop: int) -> SandboxResult:
        """Read until the launcher has reported and is gone; end the run when its time is up or `stop` says so."""
        with selectors.DefaultSelector() as selector:
            for pipe in (*self._kept, stop):
                selector.register(pipe, selectors.EVENT_READ)
            timed_out = self._watch(selector, stop, self._started + timeout)
            selector.unregister(stop)
            report = self._kept[self._report].decode("ascii", "replace").split()
            reported = report[report.index("exit") + 1 :] if "exit" in report else []
            if report and not reported:  # the launcher was killed, so nobody has ended the code yet
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(report[1]), signal.SIGKILL)
            self._drain(selector)
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)  # reaped here, so tell Popen
        with self._process:  # closes stdout and stderr
            os.close(self._report)
        return SandboxResult(
            exit_code=int(reported[0]) if reported else self._process.returncode,
            stdout=self._kept[self._stdout].decode("utf-8", "replace"),
            stderr=self._kept[self._stderr].decode("utf-8", "replace"),
            duration_s=time.monotonic() - self._started,
            cpu_s=float(reported[1]) if reported else usage.ru_utime + usage.ru_stime,
            peak_memory_bytes=int(reported[2]) if reported else 0,
            timed_out=timed_out,
            start_up_s=self._start_up_s,
            output_truncated=self._truncated,
        )

    def _watch(self, selector: selectors.BaseSelector, stop: int, deadline: float) -> bool:
        """Read until the report pipe ends, and return whether the time was up before."""
        ending = timed_out = False
        while self._report in selector.get_map():
            ready = {key.fd for key, _ in selector.select(max(0.0, deadline - time.monotonic()))}
            self._read(selector, ready - {stop})
            late = time.monotonic() >= deadline and self._report in selector.get_map()
            if ending and late:
                self._process.kill()
                break
            if not ending and (late or stop in ready):
                ending, timed_out = True, late
                deadline = time.monotonic() + _END_S
                self._process.send_signal(signal.SIGTERM)
        return timed_out

    def _drain(self, selector: selectors.BaseSelector) -> None:
        """Read what is left in the pipes, but wait for no one who still holds them."""
        until = time.monotonic() + _DRAIN_S
        while selector.get_map() and (left := until - time.monotonic()) > 0:
            self._read(selector, {key.fd for key, _ in selector.select(left)})

    def _read(self, selector: selectors.BaseSelector, pipes: set[int]) -> None:
        for pipe in pipes:
            chunk = os.read(pipe, _READ_BYTES)
            if not chunk:
                selector.unregister(pipe)
            elif pipe == self._report:
                if self._start_up_s is None and chunk.startswith(b"ready"):
                    self._start_up_s = time.monotonic() - self._started
                self._kept[pipe] += chunk
            else:
                room = self._kept_bytes - len(self._kept[pipe])
                self._truncated = self._truncated or len(chunk) > room
                self._kept[pipe] += chunk[:room]
