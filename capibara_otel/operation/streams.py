"""Carries an operation along a stream: current while the source works, not while the reader does."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from capibara_otel.operation.lifecycle import Operation

_T = TypeVar("_T")
_END = object()


def stream(operation: Operation, chunks: Iterable[_T]) -> Iterator[_T]:
    """Hand on the chunks of a source inside an operation. The source is closed when the reader stops."""
    operation.start(current=False)
    source = iter(chunks)
    try:
        while True:
            operation.activate()
            try:
                chunk: Any = next(source, _END)
                if chunk is not _END:
                    operation.chunk()
            finally:
                operation.suspend()
            if chunk is _END:
                break
            yield chunk
    except BaseException as error:
        _close(source)
        operation.finish(error)
        raise
    operation.finish()


async def stream_async(operation: Operation, chunks: AsyncIterable[_T]) -> AsyncIterator[_T]:
    """Hand on the chunks of an asynchronous source inside an operation."""
    operation.start(current=False)
    source = aiter(chunks)
    try:
        while True:
            operation.activate()
            try:
                chunk: Any = await anext(source, _END)
                if chunk is not _END:
                    operation.chunk()
            finally:
                operation.suspend()
            if chunk is _END:
                break
            yield chunk
    except BaseException as error:
        try:
            await _aclose(source)
        finally:
            operation.finish(error)
        raise
    operation.finish()


def _close(source: object) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()


async def _aclose(source: object) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
