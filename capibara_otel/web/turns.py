"""Tells whether an event loop has turned since, which says that a task waited in between."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Final


class Turn:
    """One turn of an event loop.

    Args:
        loop: whose turn it is.
    """

    __slots__ = ("loop", "over")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: Final = loop
        self.over = False
        """Whether the event loop is at a later one."""
        # A callback keeps the context it was made in, and the request that is in there.
        loop.call_soon(self._end, context=contextvars.Context())

    def _end(self) -> None:
        self.over = True


class Turns:
    """Knows the turn that is now. All that ask in the same turn share one callback."""

    def __init__(self) -> None:
        self._latest: Turn | None = None

    def now(self) -> Turn | None:
        """Return this turn of the running event loop; None where that is not one of asyncio's."""
        loop, turn = asyncio._get_running_loop(), self._latest  # noqa: SLF001 - exported, and it does not raise
        if loop is None:
            return None
        if turn is None or turn.over or turn.loop is not loop:
            turn = self._latest = Turn(loop)
        return turn
