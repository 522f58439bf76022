"""Long work in small pieces, so that the event loop's thread gets its turn."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

_STRETCH_S: Final = 0.0005
_PAUSE_S: Final = 1e-6
"""Any real sleep lets a thread that waits for the interpreter have it; one of 0 seconds does not."""


def pause() -> None:
    """Let others have the interpreter."""
    time.sleep(_PAUSE_S)


def with_pauses(pieces: Iterable[T]) -> Iterator[T]:
    """Yield pieces that are work to make, with a pause after each half millisecond of it."""
    since = time.perf_counter()
    for piece in pieces:
        yield piece
        if time.perf_counter() - since >= _STRETCH_S:
            pause()
            since = time.perf_counter()
