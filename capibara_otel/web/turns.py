"""Tells whether an event loop has turned since, which says that a task waited in between."""

from __future__ import annotations

import asyncio
from contextvars import Context


class Turns:
    """Counts the turns of one event loop while somebody asks; all that ask in the same turn share one callback.

    Args:
        loop: the event loop; None where it is not one of asyncio's.
    """

    __slots__ = ("_nowhere", "count", "is_counting", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.loop = loop
        self.count = 0
        self.is_counting = False
        """Whether this turn will be counted."""
        self._nowhere = Context()  # a callback keeps the context it was made in, and all that is in there

    def go_on(self) -> None:
        """Count this turn when it is over."""
        if self.loop is not None:
            self.is_counting = True
            self.loop.call_soon(self._end, context=self._nowhere)

    def _end(self) -> None:
        self.is_counting = False
        self.count += 1
