"""Runs the code that models write, observed by `cap.e2b`."""

from __future__ import annotations

import itertools
import re
from typing import Final, cast

import capibara_otel as cap
from capibara_otel.demo.engines.sandbox import SandboxPool
from capibara_otel.demo.engines.sandbox_process import Language, SandboxResult

_FENCE: Final = re.compile(r"```(python|bash)\n(.*?)```", re.DOTALL)
_TIMEOUT_S: Final = 1.5


def code_in(text: str) -> tuple[Language, str] | None:
    """Return language and text of the first fenced program in an answer, if there is one."""
    found = _FENCE.search(text)
    return (cast("Language", found[1]), found[2]) if found else None


class Runner:
    """A pool of sandboxes.

    Args:
        size: how many run at a time.
    """

    def __init__(self, size: int = 2) -> None:
        self._pool = SandboxPool(size)
        self._numbers = itertools.count(1)

    async def run(self, language: Language, code: str) -> SandboxResult:
        """Run a program in a sandbox of its own."""
        sandbox_id, template = f"sbx-{next(self._numbers)}", f"{language}-base"
        cap.e2b.queue(size=self._pool.queued, template=template)
        with (
            cap.e2b.sandbox(template=template, sandbox_id=sandbox_id) as sandbox,
            cap.e2b.execute(
                language=language, template=template, timeout_s=_TIMEOUT_S, sandbox_id=sandbox_id
            ) as execution,
        ):
            result = await self._pool.run(code, language, _TIMEOUT_S)
            execution.waited(result.waited_s)
            execution.exited(
                result.exit_code,
                timed_out=result.timed_out,
                cpu_s=result.cpu_s,
                memory_peak=result.peak_memory_bytes or None,
            )
            if result.start_up_s is not None:
                sandbox.ready(result.start_up_s)
        cap.e2b.queue(size=self._pool.queued, template=template)
        return result

    async def aclose(self) -> None:
        """Wait for what runs."""
        await self._pool.aclose()
