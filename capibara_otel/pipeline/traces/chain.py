"""Processors of the official SDK's kind, of spans or of log records, one after the other as there."""

from __future__ import annotations

import threading
import time
from typing import Final, Generic, Protocol, TypeVar

from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.shared import guarded


class Processor(Protocol):
    """What processors of both kinds can do."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush."""

    def shutdown(self) -> None:
        """Shut down."""


P = TypeVar("P", bound=Processor)


class Chain(Generic[P]):
    """Keeps processors in the order they were added, flushes and closes them.

    Args:
        place: what they are, for messages about one that fails.
        resource: what they are told of is attributed to.
    """

    def __init__(self, place: str, resource: Resource) -> None:
        self._place: Final = place
        self._resource = resource
        self._all: tuple[P, ...] = ()
        self._lock = threading.RLock()

    def add(self, processor: P) -> None:
        """Have it told of everything from now on."""
        with self._lock:
            self._all += (processor,)

    def after_fork(self, resource: Resource) -> None:
        """Attribute everything to a forked child's resource."""
        self._resource = resource
        self._lock = threading.RLock()

    def force_flush(self, timeout_millis: int) -> bool:
        """Have them flush.

        Args:
            timeout_millis: milliseconds for all of them; who would begin later than that is not asked.

        Returns:
            Whether all of them did.
        """
        deadline = time.monotonic() + timeout_millis / 1000
        answers: list[bool] = []
        for processor in self._all:
            left_ms = int((deadline - time.monotonic()) * 1000)
            if left_ms <= 0:
                return False
            answers.append(False)
            guarded(f"{self._place}.force_flush", _flush, processor, left_ms, answers)
        return all(answers)

    def shutdown(self) -> None:
        """Have them shut down."""
        for processor in self._all:
            guarded(f"{self._place}.shutdown", processor.shutdown)


def _flush(processor: Processor, timeout_millis: int, answers: list[bool]) -> None:
    answers[-1] = processor.force_flush(timeout_millis) is not False
