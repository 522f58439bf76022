"""Runs a handler in the midst of a call, at each of its bytecodes in turn, as signals and finalizers may."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

_OURS: Final = ("/capibara_otel/pipeline/traces/", "/capibara_otel/pipeline/logs/")


class _Interrupter:
    """Counts bytecodes of the code under test and calls the handler at one of them."""

    def __init__(self, at: int, handler: Callable[[], object]) -> None:
        self._left = at
        self._handler = handler
        self.came = False

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if self.came or not any(part in frame.f_code.co_filename for part in _OURS):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self._left -= 1
            if self._left < 0:
                self.came = True
                self._handler()
        return self


def interrupted(call: Callable[[], object], handler: Callable[[], object], at: int) -> bool:
    """Call something, and the handler before its bytecode of that number.

    Returns:
        Whether it has so many.
    """
    interrupter = _Interrupter(at, handler)
    before = sys.gettrace()
    frame = inspect.currentframe()
    assert frame is not None
    frame.f_trace_opcodes = True  # Python 3.12 heeds it in other frames only if one had it before
    sys.settrace(interrupter)
    try:
        call()
    finally:
        sys.settrace(before)
    return interrupter.came


def every_bytecode(run: Callable[[int], bool]) -> int:
    """Run something for each bytecode until there are no more, and return how many there were.

    Args:
        run: told the number of the bytecode, answers whether it exists.
    """
    at = 0
    while run(at):
        at += 1
    return at
