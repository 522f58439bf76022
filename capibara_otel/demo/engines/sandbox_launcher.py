# Importing pathlib would take longer than all the launcher does.
# ruff: noqa: PTH112, PTH116, PTH123, PTH208
"""The program each sandbox starts: it limits, starts, measures and cleans up one run of foreign code.

Run as `python -I -S sandbox_launcher.py LANGUAGE REPORT_FD CPU_S MEMORY_B FILE_B PROCESSES` in the sandbox's folder,
where the code lies as `main.py` or `main.sh`. It forks: the child takes the limits upon itself, writes `ready PID` to the
report pipe and becomes the code; this process waits for it and reports `exit STATUS CPU_S PEAK_MEMORY_BYTES`.

Why a process in between: on Linux the peak memory of a child also counts what its parent held before `exec`, so
measured from a large server every snippet would seem large. And whoever forks twice and calls `setsid` to get away is
given to this process by the kernel, which ends it. SIGTERM means: end the run now, then report.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import site
import sys
import time
from types import FrameType, ModuleType, TracebackType
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_CLEAN_UP_S: Final = 1.0
_POLL_S: Final = 0.002
# Bash itself says when it is ready; `REPORT_FD` is put in by `_become`.
_BASH: Final = 'printf "ready $$\\n" >&{fd}; exec {fd}>&-; . ./main.sh'


def _main(language: str, report: int, limits: tuple[int, int, int, int]) -> int:
    _adopt_descendants()
    child = 0

    def end_run(_signal: int, _frame: FrameType | None) -> None:
        _kill_group(child)

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        _limit(*limits)
        _become(language, report)
        return 0
    with contextlib.suppress(OSError):  # the child may have been first, and be gone already
        os.setpgid(child, child)
    signal.signal(signal.SIGTERM, end_run)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _, status, usage = os.wait4(child, 0)
    _kill_group(child)
    _end_descendants()
    unit = 1 if sys.platform == "darwin" else 1024
    line = f"exit {os.waitstatus_to_exitcode(status)} {usage.ru_utime + usage.ru_stime:.6f} {usage.ru_maxrss * unit}\n"
    os.write(report, line.encode())
    return 0


def _adopt_descendants() -> None:
    """Have the kernel give us orphans below us, and a SIGTERM when the server dies; only Linux can."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415 - some builds of Python have none

        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _limit(cpu_s: int, memory: int, file_size: int, processes: int) -> None:
    """Take limits upon this process; one that the system does not have or refuses is left as it is."""
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": cpu_s,  # SIGXCPU, and SIGKILL a second later for who ignores that
        "RLIMIT_AS": memory,
        "RLIMIT_FSIZE": file_size,
        "RLIMIT_NPROC": processes + _tasks_of_this_user(),
    }
    for name, value in wanted.items():
        kind: int | None = getattr(resource, name, None)
        if kind is None:
            continue
        highest = resource.getrlimit(kind)[1]
        soft, hard = (
            bound if highest == resource.RLIM_INFINITY else min(bound, highest)
            for bound in (value, value + (name == "RLIMIT_CPU"))
        )
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (soft, hard))


def _tasks_of_this_user() -> int:
    """Count what the system counts against the process limit: every thread of the user, not only of this sandbox."""
    if os.geteuid() == 0 or not os.path.isdir("/proc/self/task"):
        return 0  # the system exempts root
    found = 0
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == os.geteuid():
                found += len(os.listdir(f"/proc/{name}/task"))
    return found


def _become(language: str, report: int) -> None:
    """Be the code from here on: Bash replaces this process, Python runs in it and ends as the interpreter does."""
    if language == "bash":
        command = ["bash", "--noprofile", "--norc", "-c", _BASH.format(fd=report), "main.sh"]
        os.execvp(command[0], command)  # noqa: S606 - no shell around the shell
    site.setquit()  # -S leaves out `exit` and `quit`, which snippets use
    sys.argv[:] = ["main.py"]
    sys.excepthook = _print_without_launcher
    with open("main.py", "rb") as file:
        source = file.read()
    module = ModuleType("__main__")
    module.__dict__.update({"__file__": "main.py", "__builtins__": __builtins__})
    os.write(report, f"ready {os.getpid()}\n".encode())
    os.close(report)
    sys.modules["__main__"] = module
    exec(compile(source, "main.py", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the purpose


def _print_without_launcher(kind: type[BaseException], fault: BaseException, traceback: TracebackType | None) -> None:
    """Print an uncaught exception as the interpreter would have, had it run `main.py` itself."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    sys.__excepthook__(kind, fault.with_traceback(traceback), traceback)


def _kill_group(leader: int) -> None:
    if leader:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def _end_descendants() -> None:
    """Kill and reap whatever the run left behind and the kernel gave to us, for one second at most."""
    until = time.monotonic() + _CLEAN_UP_S
    while time.monotonic() < until:
        for process in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not reaped:
            time.sleep(_POLL_S)


def _children() -> list[int]:
    path = f"/proc/self/task/{os.getpid()}/children"
    try:
        with open(path) as file:
            return [int(process) for process in file.read().split()]
    except OSError:
        return []


def _start() -> NoReturn:
    language, report, *limits = sys.argv[1:]
    cpu_s, memory, file_size, processes = (int(limit) for limit in limits)
    sys.exit(_main(language, int(report), (cpu_s, memory, file_size, processes)))


if __name__ == "__main__":
    _start()
