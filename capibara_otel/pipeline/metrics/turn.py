"""One at a time, for what is no measurement."""

from __future__ import annotations

import threading
from threading import get_ident
from typing import Final

_NOBODY: Final = 0


class Turn:
    """A lock that tells whoever holds it already, such as an interrupted frame below a signal handler, that it does."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._holder = _NOBODY

    def take(self, timeout_s: float) -> bool:
        """Wait for the turn.

        Args:
            timeout_s: seconds to wait.

        Returns:
            Whether it is taken; if not, it must not be given back.
        """
        if self._holder == get_ident() or not self._lock.acquire(timeout=max(timeout_s, 0)):
            return False
        self._holder = get_ident()
        return True

    def give_back(self) -> None:
        """Let the next one."""
        self._holder = _NOBODY
        self._lock.release()
