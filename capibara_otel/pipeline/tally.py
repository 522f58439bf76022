"""Counting that loses nothing, whoever counts and whenever."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_MANY: Final = 1000


class Tally(Generic[K]):
    """Sums by key. Any thread may add at any moment, a signal handler in the midst of another addition too.

    An addition is only noted, which is one step of the interpreter; whoever reads adds up, one at a time.
    """

    def __init__(self) -> None:
        self._noted: Final[deque[tuple[K, int]]] = deque()
        self._sums: Final[Counter[K]] = Counter()
        self.after_fork()

    def after_fork(self) -> None:
        """Begin at zero in a forked child, where nobody holds the parent's lock."""
        self._lock = threading.RLock()
        self._is_adding_up = False
        self._noted.clear()
        self._sums.clear()

    def add(self, key: K, number: int) -> None:
        """Add a number to the sum of a key."""
        self._noted.append((key, number))
        if len(self._noted) > _MANY:
            self._add_up()

    def __getitem__(self, key: K) -> int:
        self._add_up()
        return self._sums[key]

    def __iter__(self) -> Iterator[K]:
        """Iterate over the keys that something was added to."""
        self._add_up()
        return iter(list(self._sums))

    def _add_up(self) -> None:
        with self._lock:
            if self._is_adding_up:
                return  # a signal handler has interrupted it here: it goes on when the handler has returned
            self._is_adding_up = True
            try:
                for _ in range(len(self._noted)):
                    key, number = self._noted.popleft()
                    self._sums[key] += number
            finally:
                self._is_adding_up = False
