"""Puts an operation around every call of a function, whatever kind of function it is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from capibara_otel.operation.lifecycle import Operation

_F = TypeVar("_F", bound=Callable[..., Any])


def decorated(make: Callable[[], Operation], function: _F) -> _F:
    """Return the function with an operation around each call.

    A generator's operation begins with its first step, is current only while the generator's own code runs, and ends
    with it: exhausted, closed, failed, or dropped.

    Args:
        make: makes the operation of one call.
        function: a function, coroutine function, generator function or asynchronous generator function.
    """
    if isinstance(function, classmethod | staticmethod):
        return cast("_F", type(function)(decorated(make, function.__func__)))
    called: Any = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    if inspect.isasyncgenfunction(called):
        wrapper: Callable[..., Any] = _async_generator(make, function)
    elif inspect.iscoroutinefunction(called):
        wrapper = _coroutine(make, function)
    elif inspect.isgeneratorfunction(called):
        wrapper = _generator(make, function)
    else:
        wrapper = _plain(make, function)
    return cast("_F", functools.wraps(function)(wrapper))


def _plain(make: Callable[[], Operation], function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with make():
            return function(*args, **kwargs)

    return wrapper


def _coroutine(make: Callable[[], Operation], function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with make():
            return await function(*args, **kwargs)

    return wrapper


def _generator(make: Callable[[], Operation], function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        operation = make().start(current=False)
        body: Generator[Any, Any, Any] = function(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(next, body)
        try:
            while True:
                operation.activate()
                try:
                    item = step()
                except StopIteration as stop:
                    operation.finish()
                    return stop.value
                finally:
                    operation.suspend()
                try:
                    step = functools.partial(body.send, (yield item))
                except GeneratorExit:
                    operation.activate()
                    body.close()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - the body decides what to do with it
                    step = functools.partial(body.throw, thrown)
        except BaseException as error:
            operation.finish(error)
            raise

    return wrapper


def _async_generator(make: Callable[[], Operation], function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        operation = make().start(current=False)
        body: AsyncGenerator[Any, Any] = function(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(anext, body)
        try:
            while True:
                operation.activate()
                try:
                    item = await step()
                except StopAsyncIteration:
                    operation.finish()
                    return
                finally:
                    operation.suspend()
                try:
                    step = functools.partial(body.asend, (yield item))
                except GeneratorExit:
                    operation.activate()
                    await body.aclose()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - the body decides what to do with it
                    step = functools.partial(body.athrow, thrown)
        except BaseException as error:
            operation.finish(error)
            raise

    return wrapper
