"""Lets threads and pools keep the context of whoever started the work, as `asyncio.to_thread` does by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from opentelemetry import context as otel

_P = ParamSpec("_P")
_T = TypeVar("_T")
_MARK = "_capibara_otel_original"


def propagate(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Bind a function to the present context, for a callback that would lose it.

    Args:
        function: what will run elsewhere, such as a callback of another library's thread.
    """
    context = copy_context()

    @functools.wraps(function)
    def in_context(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        # A copy per call: one Context cannot be entered twice at a time.
        return context.copy().run(function, *args, **kwargs)

    return in_context


def follow_threads() -> None:
    """Have every new `Thread` and every `ThreadPoolExecutor` work in the context of whoever started the work.

    Repeating it changes nothing.
    """
    submit: Callable[..., Future[Any]] = ThreadPoolExecutor.submit
    start: Callable[[Thread], None] = Thread.start
    if hasattr(submit, _MARK):
        return

    @functools.wraps(submit)
    def submit_in_context(
        self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        return submit(self, copy_context().run, fn, *args, **kwargs)

    @functools.wraps(start)
    def start_in_context(self: Thread) -> None:
        if otel.get_current():  # an empty one is what a thread has anyway
            self.run = functools.partial(copy_context().run, self.run)  # type: ignore[method-assign]
        start(self)

    for owner, name, original, replacement in (
        (ThreadPoolExecutor, "submit", submit, submit_in_context),
        (Thread, "start", start, start_in_context),
    ):
        setattr(replacement, _MARK, original)
        setattr(owner, name, replacement)


def forget_threads() -> None:
    """Undo `follow_threads`."""
    for owner, name in ((ThreadPoolExecutor, "submit"), (Thread, "start")):
        original = getattr(getattr(owner, name), _MARK, None)
        if original is not None:
            setattr(owner, name, original)


def start_apart(thread: Thread) -> None:
    """Start a thread of the library's own: it belongs to nobody's request."""
    Context().run(thread.start)
