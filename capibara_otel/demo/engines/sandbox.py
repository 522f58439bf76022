"""Runs real Python and Bash in limited, cleaned-up processes; awaitable, and bounded by a pool.

Limits and isolation keep a faulty snippet from harming the demo: own folder, own process group, no environment, limits
on processor time, memory, file size, processes, output and wall-clock time. It is no fence against malice: the code
runs as the same user, with the same files and network. Linux and macOS.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from capibara_otel.demo.engines.sandbox_process import (
    LANGUAGES,
    Language,
    SandboxLimits,
    SandboxResult,
    run_blocking,
)

__all__ = ["LANGUAGES", "Language", "SandboxClosedError", "SandboxLimits", "SandboxPool", "SandboxResult", "run"]

_DEFAULT_LIMITS: Final = SandboxLimits()


class SandboxClosedError(RuntimeError):
    """A run was asked of a pool that is closed."""


async def run(
    code: str,
    language: Language = "python",
    timeout: float = 5.0,
    *,
    limits: SandboxLimits = _DEFAULT_LIMITS,
    executor: Executor | None = None,
) -> SandboxResult:
    """Run code in a sandbox of its own and return what came of it; faults of the code are in the result.

    Cancelling the call ends the run: it returns once the process and its children are gone.

    Args:
        code: the program's text.
        language: `python` (this interpreter, isolated, standard library only) or `bash`.
        timeout: wall-clock seconds for the whole run, start-up included.
        limits: what the run may use.
        executor: where the thread that watches the process comes from; the loop's own by default.

    Raises:
        ValueError: an unknown language, or a timeout that is not above 0.
        RuntimeError: `bash` was asked for and is not installed.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language '{language}' cannot be run; choose one of {', '.join(LANGUAGES)}")
    if not timeout > 0:
        raise ValueError(f"timeout {timeout}: give seconds above 0")
    if language == "bash" and shutil.which("bash", path=os.defpath) is None:
        raise RuntimeError("bash is not installed; run python instead")
    stop, stop_end = os.pipe()
    try:
        job = asyncio.get_running_loop().run_in_executor(
            executor, _run_and_close, code, language, timeout, limits, stop
        )
    except BaseException:
        os.close(stop)
        os.close(stop_end)
        raise
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        os.close(stop_end)
        stop_end = -1
        await asyncio.wait([job])
        raise
    finally:
        if stop_end >= 0:
            os.close(stop_end)


def _run_and_close(code: str, language: Language, timeout: float, limits: SandboxLimits, stop: int) -> SandboxResult:
    try:
        return run_blocking(code, language, timeout, limits, stop)
    finally:
        os.close(stop)


class SandboxPool:
    """Runs at most `size` sandboxes at a time; the others wait in order.

    Args:
        size: places; each is one process of foreign code and one watching thread.
        limits: what each run may use.
        clock: seconds that only go forward, for the time spent waiting.
    """

    def __init__(
        self,
        size: int = 2,
        *,
        limits: SandboxLimits = _DEFAULT_LIMITS,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if size < 1:
            raise ValueError(f"SandboxPool(size={size}): give it 1 place or more")
        self._limits = limits
        self._clock = clock
        self._places = asyncio.Semaphore(size)
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="sandbox")
        self._active = 0
        self._queued = 0
        self._closed = False
        self.size: Final = size

    @property
    def active(self) -> int:
        """How many sandboxes run now."""
        return self._active

    @property
    def queued(self) -> int:
        """How many runs wait for a place."""
        return self._queued

    async def run(self, code: str, language: Language = "python", timeout: float = 5.0) -> SandboxResult:
        """Run code when a place is free; arguments, faults and cancellation as in `run`, `waited_s` in the result.

        Raises:
            SandboxClosedError: the pool is closed.
        """
        asked = self._clock()
        self._queued += 1
        try:
            await self._places.acquire()
        finally:
            self._queued -= 1
        waited = self._clock() - asked
        self._active += 1
        try:
            if self._closed:
                raise SandboxClosedError("the sandbox pool is closed; make a new one")
            result = await run(code, language, timeout, limits=self._limits, executor=self._threads)
        finally:
            self._active -= 1
            self._places.release()
        return replace(result, waited_s=waited)

    async def aclose(self) -> None:
        """Refuse further runs, also those still waiting, and return when the running ones have ended."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
