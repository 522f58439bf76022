"""Lets thread pools keep the context of whoever submitted the work, as `asyncio.to_thread` does by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_MARK = "_capibara_otel_original"


def propagate(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Bind a function to the present context, for a thread or callback that would lose it.

    Args:
        function: what will run elsewhere, such as the target of a `threading.Thread`.
    """
    context = copy_context()

    @functools.wraps(function)
    def in_context(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        # A copy per call: one Context cannot be entered twice at a time.
        return context.copy().run(function, *args, **kwargs)

    return in_context


def follow_executors() -> None:
    """Have every `ThreadPoolExecutor` run work in the context of its submitter. Repeating it changes nothing."""
    original: Callable[..., Future[Any]] = ThreadPoolExecutor.submit
    if hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return original(self, copy_context().run, fn, *args, **kwargs)

    setattr(submit, _MARK, original)
    setattr(ThreadPoolExecutor, "submit", submit)  # noqa: B010 - a plain assignment is what mypy forbids


def forget_executors() -> None:
    """Undo `follow_executors`."""
    original = getattr(ThreadPoolExecutor.submit, _MARK, None)
    if original is not None:
        setattr(ThreadPoolExecutor, "submit", original)  # noqa: B010 - as above
