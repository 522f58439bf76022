"""A block in which a span is current."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import Span as ApiSpan

from capibara_otel.pipeline.traces.current import SPAN_KEY, attach, current_context, detach
from capibara_otel.pipeline.traces.span import failure

if TYPE_CHECKING:
    from capibara_otel.pipeline.traces.tracer import Tracer

_F = TypeVar("_F", bound=Callable[..., Any])


class SpanBlock:
    """Begins a span, makes it current in a block, tells it the exception that leaves the block, and ends it.

    The same as `opentelemetry.trace.use_span` within `start_as_current_span`, without generators. As a decorator it
    does so for each call, of a coroutine function too.

    Args:
        tracer: makes the span.
        arguments: of its `start_span`.
        end_on_exit: whether the span ends with the block.
    """

    __slots__ = ("_arguments", "_end_on_exit", "_span", "_token", "_tracer")

    _span: ApiSpan
    _token: Token[Context]

    def __init__(self, tracer: Tracer, arguments: tuple[Any, ...], end_on_exit: bool) -> None:
        self._tracer = tracer
        self._arguments = arguments
        self._end_on_exit = end_on_exit

    def __enter__(self) -> ApiSpan:
        span = self._tracer.start_span(*self._arguments)
        self._span = span
        self._token = attach(Context({**current_context(), SPAN_KEY: span}))
        return span

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        detach(self._token)
        span = self._span
        # What is no Exception is no error: GeneratorExit, CancelledError, KeyboardInterrupt.
        if exc_val is not None and isinstance(exc_val, Exception) and span.is_recording():
            *_, record_exception, set_status_on_exception = self._arguments
            if record_exception:
                span.record_exception(exc_val)
            if set_status_on_exception:
                span.set_status(failure(exc_val))
        if self._end_on_exit:
            span.end()

    def __call__(self, function: _F) -> _F:
        """Decorate a function or coroutine function: one span per call."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def in_block_async(*args: Any, **kwargs: Any) -> Any:
                with self._fresh():
                    return await function(*args, **kwargs)

            return in_block_async  # type: ignore[return-value]

        @functools.wraps(function)
        def in_block(*args: Any, **kwargs: Any) -> Any:
            with self._fresh():
                return function(*args, **kwargs)

        return in_block  # type: ignore[return-value]

    def _fresh(self) -> SpanBlock:
        return SpanBlock(self._tracer, self._arguments, self._end_on_exit)
