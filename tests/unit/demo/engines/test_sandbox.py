"""Foreign code in real processes: limits, output, clean-up, cancellation, the pool."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from capibara_otel.demo.engines import sandbox_launcher
from capibara_otel.demo.engines.sandbox import (
    Language,
    SandboxClosedError,
    SandboxLimits,
    SandboxPool,
    SandboxResult,
    run,
)

LINUX = sys.platform.startswith("linux")


def _run(
    code: str, language: Language = "python", timeout: float = 20.0, limits: SandboxLimits | None = None
) -> SandboxResult:
    return asyncio.run(run(dedent(code), language, timeout, limits=limits or SandboxLimits()))


def _alive(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE  # an orphan waits for the system to reap it
    except psutil.NoSuchProcess:
        return False


def _gone_within(process: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while _alive(process) and time.monotonic() < until:
        time.sleep(0.01)
    return not _alive(process)


def _await_text(path: Path, seconds: float = 20.0) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if (text := path.read_text()).endswith("\n"):
                return text.strip()
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written within {seconds} s")


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No run leaves a folder, a child process (not even a zombie) or an open file."""
    folder = tmp_path_factory.mktemp("sandboxes")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    this = psutil.Process()
    files, children = this.num_fds(), set(this.children())
    yield
    assert list(folder.iterdir()) == []
    assert set(this.children()) <= children
    assert this.num_fds() == files


def test_python_runs_and_its_output_times_and_memory_come_back() -> None:
    """A plain program succeeds, and what was measured fits together."""
    result = _run("import sys\nprint('año')\nprint('bad', file=sys.stderr)\n")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "año\n", "bad\n")
    assert result.succeeded
    assert not result.timed_out
    assert not result.output_truncated
    assert result.start_up_s is not None
    assert 0 < result.start_up_s < result.duration_s
    assert result.cpu_s > 0
    assert result.waited_s == 0.0


def test_bash_runs_too() -> None:
    """A script has the same folder, result and exit code."""
    result = _run("echo one; echo two >&2; ls; exit 4", "bash")

    assert (result.exit_code, result.stdout, result.stderr) == (4, "one\nmain.sh\n", "two\n")
    assert result.start_up_s is not None


def test_the_environment_and_the_package_are_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the sandbox's own few variables are set, nothing installed can be imported, and there is no input."""
    monkeypatch.setenv("CAPIBARA_SECRET", "planted")
    result = _run("""
        import os, sys
        print(sorted(set(os.environ) - {'LC_CTYPE'}), os.getcwd() == os.path.realpath(os.environ['TMPDIR']))
        try:
            import pytest
        except ImportError:
            print('no pytest', repr(sys.stdin.read()), __name__, sys.argv)
    """)

    assert result.stdout == ("['HOME', 'LANG', 'PATH', 'TMPDIR'] True\nno pytest '' __main__ ['main.py']\n")


def test_an_exception_looks_as_if_the_interpreter_had_run_the_file() -> None:
    """The traceback begins in the code, not in the launcher, and the exit code is 1."""
    result = _run("def f():\n    return 1 / 0\nf()\n")

    assert result.exit_code == 1
    assert not result.succeeded
    assert result.stderr.startswith('Traceback (most recent call last):\n  File "main.py", line 3, in <module>\n')
    assert result.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert "launcher" not in result.stderr


@pytest.mark.parametrize(
    ("code", "exit_code", "stderr"),
    [
        ("exit(3)", 3, ""),
        ("import sys; sys.exit('no good')", 1, "no good\n"),
        ("x = (", 1, "SyntaxError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV, ""),
        ("import os; os._exit(7)", 7, ""),
        ("print('\\ud800')", 1, "UnicodeEncodeError"),
        ("", 0, ""),
    ],
)
def test_every_way_to_end_is_told_by_the_exit_code(code: str, exit_code: int, stderr: str) -> None:
    """Exit calls, syntax errors and signals come back as the system reports them; a signal is negative."""
    result = _run(code)

    assert result.exit_code == exit_code
    assert stderr in result.stderr
    assert not result.timed_out


def test_the_wall_clock_ends_whoever_sleeps() -> None:
    """A program that waits is ended when its time is up, with all it had written before."""
    began = time.monotonic()
    result = _run("import time; print('before', flush=True); time.sleep(60)", timeout=0.5)

    assert result.timed_out
    assert not result.succeeded
    assert (result.exit_code, result.stdout) == (-signal.SIGKILL, "before\n")
    assert result.cpu_s < 0.5
    assert time.monotonic() - began < 5


def test_the_processor_limit_ends_whoever_loops() -> None:
    """A loop is ended by SIGXCPU after its processor seconds, long before the wall clock."""
    result = _run("while True: pass", limits=SandboxLimits(cpu_s=1))

    assert result.exit_code == -signal.SIGXCPU
    assert not result.timed_out
    assert 0.9 < result.cpu_s < 3


@pytest.mark.skipif(not LINUX, reason="macOS refuses the address-space limit")
def test_the_memory_limit_makes_allocation_fail() -> None:
    """More than the bound raises MemoryError; less shows in the peak."""
    assert "MemoryError" in _run("x = bytearray(300 << 20)").stderr
    peak = _run("x = bytearray(64 << 20)").peak_memory_bytes
    assert 64 << 20 < peak < 128 << 20


def test_the_peak_is_the_codes_own_and_not_the_servers() -> None:
    """A server that holds a lot of memory does not make a small program look large."""
    held = bytearray(b"x") * (200 << 20)

    assert 1 << 20 < _run("pass").peak_memory_bytes < 60 << 20
    assert len(held) == 200 << 20


def test_files_cannot_grow_past_the_limit() -> None:
    """Writing a large file fails inside the program."""
    result = _run("open('x', 'wb').write(bytes(2 << 20))", limits=SandboxLimits(file_bytes=1 << 20))

    assert "File too large" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="the system exempts root from the process limit")
def test_processes_are_limited() -> None:
    """The code gets no more processes than the limit on top of what its user already has."""
    result = _run("import subprocess\n[subprocess.Popen(['sleep', '9']) for _ in range(80)]")

    assert "BlockingIOError" in result.stderr


def test_output_is_kept_up_to_the_bound_and_the_rest_is_dropped() -> None:
    """Endless output neither fills memory nor blocks the program."""
    result = _run("print('x' * 5_000_000)\nprint('end')", limits=SandboxLimits(output_bytes=1000))

    assert (result.stdout, result.exit_code, result.output_truncated) == ("x" * 1000, 0, True)


def test_children_in_the_background_end_with_the_run(tmp_path: Path) -> None:
    """What a script leaves running is killed, and holds up nothing."""
    result = _run(f"sleep 60 & echo $! > {tmp_path}/pid; echo started", "bash")

    assert (result.exit_code, result.stdout) == (0, "started\n")
    assert result.duration_s < 10
    assert _gone_within(int((tmp_path / "pid").read_text()), 1)


@pytest.mark.skipif(not LINUX, reason="only Linux hands orphans to the launcher")
@pytest.mark.parametrize("timeout", [20.0, 0.7])
def test_a_child_in_a_session_of_its_own_is_ended_too(tmp_path: Path, timeout: float) -> None:
    """Forking twice with `setsid` between does not get away, neither at a normal end nor at a timeout."""
    result = _run(
        f"""
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                with open({str(tmp_path / "pid")!r}, 'w') as file:
                    print(os.getpid(), file=file)
                time.sleep(60)
            os._exit(0)
        os.wait()
        while not os.path.exists({str(tmp_path / "pid")!r}): time.sleep(0.01)
        time.sleep({0 if timeout > 1 else 60})
        """,
        timeout=timeout,
    )

    assert result.timed_out == (timeout < 1)
    assert _gone_within(int(_await_text(tmp_path / "pid")), 1)


def test_cancelling_ends_the_run_before_the_call_returns(tmp_path: Path) -> None:
    """A cancelled call leaves no process; the loop's own executor is free again."""

    async def scenario() -> int:
        task = asyncio.create_task(
            run(f"import os, time\nprint(os.getpid(), file=open({str(tmp_path / 'pid')!r}, 'w'))\ntime.sleep(60)")
        )
        process = int(await asyncio.to_thread(_await_text, tmp_path / "pid"))
        assert _alive(process)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not _alive(process)
        return process

    assert asyncio.run(scenario()) > 0


def test_cancelling_right_away_is_harmless() -> None:
    """A call cancelled before, while and just after its process starts leaves nothing."""

    async def scenario() -> None:
        for delay in (0.0, 0.001, 0.005, 0.01, 0.02):
            task = asyncio.create_task(run("import time; time.sleep(60)"))
            await asyncio.sleep(delay)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["KILL", "STOP"])
def test_code_that_attacks_its_launcher_is_ended_all_the_same(tmp_path: Path, how: str) -> None:
    """Killing or stopping the process that watches over it does not let the code live on."""
    result = _run(
        f"""
        import os, signal, time
        with open({str(tmp_path / "pid")!r}, 'w') as file:
            print(os.getpid(), file=file)
        os.kill(os.getppid(), signal.SIG{how})
        time.sleep(60)
        """,
        timeout=0.5,
    )

    assert result.exit_code == -signal.SIGKILL
    assert result.peak_memory_bytes == 0
    assert result.timed_out == (how == "STOP")
    assert _gone_within(int(_await_text(tmp_path / "pid")), 1)


@pytest.mark.skipif(not LINUX, reason="only Linux tells the launcher that the server died")
def test_the_run_ends_when_the_server_is_killed(tmp_path: Path) -> None:
    """Killing the server with SIGKILL takes the foreign code with it."""
    server = dedent(f"""
        import asyncio
        from capibara_otel.demo.engines.sandbox import run
        code = "import os, time\\nprint(os.getpid(), file=open({str(tmp_path / "pid")!r}, 'w'))\\ntime.sleep(60)"
        asyncio.run(run(code, timeout=60))
    """)
    root = Path(sandbox_launcher.__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", server], env=environment) as process:
        child = int(_await_text(tmp_path / "pid"))
        process.kill()

    assert _gone_within(child, 3)


def test_what_cannot_be_run_is_refused() -> None:
    """An unknown language and a senseless timeout are told before anything starts."""
    with pytest.raises(ValueError, match="language 'cobol' cannot be run; choose one of python, bash"):
        asyncio.run(run("x", "cobol"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout 0"):
        asyncio.run(run("x", timeout=0))
    with pytest.raises(ValueError, match="timeout nan"):
        asyncio.run(run("x", timeout=float("nan")))
    with pytest.raises(ValueError, match="size=0"):
        SandboxPool(0)


def test_a_missing_bash_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Bash on the system the error says what to run instead."""
    monkeypatch.setattr(os, "defpath", str(tmp_path))

    with pytest.raises(RuntimeError, match="bash is not installed; run python"):
        asyncio.run(run("x", "bash"))


def test_what_cannot_start_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shut executor and a missing interpreter are told as they are."""
    executor = ThreadPoolExecutor()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        asyncio.run(run("x", executor=executor))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(FileNotFoundError):
        asyncio.run(run("x"))


def test_a_launcher_that_dies_early_gives_a_result_without_start_up() -> None:
    """A run that never got to its first line says so instead of inventing a time."""
    result = _run("print(1)", timeout=1e-6)

    assert result.timed_out
    assert (result.start_up_s, result.stdout) == (None, "")
    assert result.exit_code < 0


def test_the_pool_bounds_what_runs_at_once_and_tells_who_waits() -> None:
    """Two places: the third and fourth run wait, in order, and their results say how long."""

    async def scenario() -> list[SandboxResult]:
        async with SandboxPool(2) as pool:
            jobs = [asyncio.create_task(pool.run("import time; time.sleep(0.3)")) for _ in range(4)]
            await asyncio.sleep(0.1)
            assert (pool.active, pool.queued, pool.size) == (2, 2, 2)
            results = await asyncio.gather(*jobs)
            assert (pool.active, pool.queued) == (0, 0)
            return results

    results = asyncio.run(scenario())

    assert all(result.succeeded for result in results)
    assert [result.waited_s > 0.25 for result in results] == [False, False, True, True]


def test_a_cancelled_wait_gives_its_place_back() -> None:
    """Cancelling one who waits and one who runs leaves the pool usable and its counts right."""

    async def scenario() -> None:
        async with SandboxPool(1) as pool:
            running = asyncio.create_task(pool.run("import time; time.sleep(60)", timeout=60))
            waiting = asyncio.create_task(pool.run("print(1)"))
            await asyncio.sleep(0.05)
            assert (pool.active, pool.queued) == (1, 1)
            waiting.cancel()
            running.cancel()
            await asyncio.wait([running, waiting])
            assert (pool.active, pool.queued) == (0, 0)
            assert (await pool.run("print(2)", timeout=20)).stdout == "2\n"

    asyncio.run(scenario())


def test_a_closed_pool_finishes_what_runs_and_refuses_the_rest() -> None:
    """Closing waits for running code; those in the queue and newcomers are refused."""

    async def scenario() -> None:
        pool = SandboxPool(1)
        running = asyncio.create_task(pool.run("import time; time.sleep(0.2); print('done')", timeout=20))
        waiting = asyncio.create_task(pool.run("print(1)"))
        await asyncio.sleep(0.05)
        await pool.aclose()
        assert (await running).stdout == "done\n"
        with pytest.raises(SandboxClosedError, match="make a new one"):
            await waiting
        with pytest.raises(SandboxClosedError):
            await pool.run("print(1)")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("language", "name", "code", "exit_code", "output"),
    [
        ("python", "main.py", "print('hello')\nexit(2)", 2, b"hello\n"),
        ("python", "main.py", "1 / 0", 1, b""),
        ("python", "main.py", "import os, signal, time\nos.kill(os.getppid(), 15)\ntime.sleep(60)", -9, b""),
        ("bash", "main.sh", "echo hello; sleep 9 &\nexit 5", 5, b"hello\n"),
    ],
)
def test_the_launcher_reports_ready_and_then_the_exit(
    tmp_path: Path, language: str, name: str, code: str, exit_code: int, output: bytes
) -> None:
    """Its report pipe says `ready PID` when the code begins, then exit code, processor seconds and peak bytes."""
    (tmp_path / name).write_text(code)
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, sandbox_launcher.__file__, language, str(writing), "9", str(1 << 30), str(1 << 24), "50"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(writing,),
    ) as launcher:
        os.close(writing)
        stdout, _ = launcher.communicate(timeout=20)
    with os.fdopen(reading, encoding="ascii") as file:
        ready, report = file.read().splitlines()

    assert re.fullmatch(r"ready \d+", ready)
    kind, status, cpu_s, peak = report.split()
    assert (kind, int(status), stdout) == ("exit", exit_code, output)
    assert float(cpu_s) >= 0
    assert int(peak) > 1 << 20
